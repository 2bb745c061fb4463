"""The back-off of deliveries and failing targets. The caller supplies the random number."""

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

# The cooldown after consecutive failures is short at first, because most faults pass quickly.
_PAUSES = (timedelta(0), timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5))


def next_attempt(
    attempts_made: int, failed_at: datetime, chance: float, retry_after: timedelta | None = None
) -> datetime | None:
    """Return the time of the next attempt, or None when the schedule has ended.

    `attempts_made` includes the attempt that failed at `failed_at`; with 0 the delivery is due immediately.
    `chance`, from 0 to 1, spreads the pause by ±10 %, so that deliveries that failed together do not repeat
    together. `retry_after` is the receiver's request, up to a day: it only moves the attempt later.
    """
    if attempts_made < 0 or not 0 <= chance <= 1:
        raise ValueError("attempts are counted from 0, and chance is from 0 to 1")
    if attempts_made >= ATTEMPTS:
        return None
    pause = SCHEDULE[attempts_made] * (1 + SPREAD * (2 * chance - 1))
    return failed_at + max(pause, min(retry_after or timedelta(0), MAX_RETRY_AFTER))


def target_cooldown(consecutive_failures: int) -> timedelta:
    """Return the pause of a target after so many consecutive failures: 5 s, 30 s, then 5 min."""
    return _PAUSES[min(max(consecutive_failures, 0), len(_PAUSES) - 1)]
