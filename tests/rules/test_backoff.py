"""When a delivery that failed is attempted again, and when it is given up."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.backoff import ATTEMPTS, next_attempt, target_cooldown

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
# In seconds: immediately, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.
PAUSES = [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
DAY = timedelta(days=1)

chances = st.floats(0, 1)
waits = st.none() | st.timedeltas(timedelta(days=-2), timedelta(days=400))


@pytest.mark.parametrize(("made", "seconds"), list(enumerate(PAUSES)))
def test_each_attempt_waits_its_pause_give_or_take_a_tenth(made: int, seconds: int) -> None:
    pauses = [next_attempt(made, NOON, chance) for chance in (0, 0.5, 1)]

    assert pauses == [NOON + timedelta(seconds=seconds) * spread for spread in (0.9, 1.0, 1.1)]


def test_tenth_attempt_is_the_last() -> None:
    assert ATTEMPTS == len(PAUSES) == 10
    assert [next_attempt(made, NOON, 0.5) for made in (10, 11, 1_000)] == [None, None, None]
    assert next_attempt(10, NOON, 0.5, timedelta(hours=1)) is None


def test_requested_wait_moves_the_attempt_later() -> None:
    assert next_attempt(1, NOON, 0.5, timedelta(seconds=90)) == NOON + timedelta(seconds=90)
    assert next_attempt(1, NOON, 0.5, timedelta(days=30)) == NOON + DAY


def test_requested_wait_never_moves_the_attempt_earlier() -> None:
    assert next_attempt(9, NOON, 1, timedelta(seconds=1)) == NOON + 1.1 * DAY
    assert next_attempt(2, NOON, 0.5, timedelta(days=-1)) == NOON + timedelta(minutes=5)


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 9), chances, waits)
def test_requested_wait_is_kept_up_to_a_day_and_changes_nothing_else(
    made: int, chance: float, wish: timedelta | None
) -> None:
    alone, wished = next_attempt(made, NOON, chance), next_attempt(made, NOON, chance, wish)

    assert alone is not None
    assert wished == max(alone, NOON + min(wish or timedelta(0), DAY))


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 7), chances, chances)
def test_pauses_grow_for_any_random_number(made: int, chance: float, other: float) -> None:
    sooner, later = next_attempt(made, NOON, chance), next_attempt(made + 1, NOON, other)

    assert sooner is not None
    assert later is not None
    assert later > sooner


@pytest.mark.parametrize(("made", "chance"), [(-1, 0.5), (1, -0.1), (1, 1.1), (1, float("nan"))])
def test_attempts_not_counted_from_zero_are_refused(made: int, chance: float) -> None:
    with pytest.raises(ValueError, match="counted from 0"):
        next_attempt(made, NOON, chance)


def test_failing_target_is_attempted_ever_less_often() -> None:
    pauses = [target_cooldown(failures) for failures in (0, 1, 2, 3, 4, 1_000_000)]

    assert [pause.total_seconds() for pause in pauses] == [0, 5, 30, 300, 300, 300]
