"""When a delivery is attempted again, and how long a failing target is left alone. Pure: chance is given."""

from datetime import datetime, timedelta

# The pause before each attempt, after the one before: the schedule of the Standard Webhooks specification.
SCHEDULE = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
ATTEMPTS = len(SCHEDULE)
SPREAD = 0.1
MAX_RETRY_AFTER = timedelta(days=1)

# What a target's deliveries wait for one another: short at first, as most faults pass at once.
_PAUSES = (timedelta(0), timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5))


def next_attempt(
    attempts_made: int, failed_at: datetime, chance: float, retry_after: timedelta | None = None
) -> datetime | None:
    """
    When a delivery is attempted next, or None when its schedule has ended.

    `attempts_made` counts the one that failed at `failed_at`; with none made it is due at once. `chance`,
    from 0 to 1, spreads the pause by ±10 %, so that what failed together does not come again together.
    `retry_after` is what the other side asked for, up to a day: it moves the attempt later, never earlier,
    and adds none.
    """
    if attempts_made < 0 or not 0 <= chance <= 1:
        raise ValueError("attempts are counted from 0, and chance is from 0 to 1")
    if attempts_made >= ATTEMPTS:
        return None
    pause = SCHEDULE[attempts_made] * (1 + SPREAD * (2 * chance - 1))
    return failed_at + max(pause, min(retry_after or timedelta(0), MAX_RETRY_AFTER))


def target_cooldown(consecutive_failures: int) -> timedelta:
    """How long nothing at all is tried on a target that failed so many times in a row: 5 s, 30 s, 5 min."""
    return _PAUSES[min(max(consecutive_failures, 0), len(_PAUSES) - 1)]
