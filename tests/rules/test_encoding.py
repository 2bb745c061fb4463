"""Text forms of instants."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.encoding import format_datetime, format_datetimes

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))])


@pytest.mark.parametrize(
    "instants",
    [
        [],
        [NOON],
        [NOON, NOON + timedelta.resolution],
        [NOON.replace(year=1, microsecond=1), NOON.replace(year=9999, microsecond=999_999)],
        [NOON.astimezone(timezone(timedelta(hours=2))) + timedelta.resolution],
    ],
)
def test_instants_formatted_together_have_the_same_text(instants: list[datetime]) -> None:
    assert format_datetimes(instants) == [format_datetime(instant) for instant in instants]


# In other zones, the first and the last year reach beyond the calendar.
INSTANTS = st.builds(
    lambda instant, year: instant.replace(year=year, day=min(instant.day, 28)),
    st.datetimes(timezones=ZONES),
    st.integers(2, 9_998),
)


@given(st.lists(INSTANTS))
def test_any_instants_formatted_together_have_the_same_text(instants: list[datetime]) -> None:
    assert format_datetimes(instants) == [format_datetime(instant) for instant in instants]
