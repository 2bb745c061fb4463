"""The next opening of a schedule: now while it is open."""

from datetime import UTC, datetime, timedelta

import pytest

from rules.business_hours import Hours, Opening, Weekday

TINY = timedelta.resolution
WEEKDAYS = [Opening(day, 9 * 60, 17 * 60) for day in list(Weekday)[:5]]
OFFICE = Hours("Europe/Berlin", WEEKDAYS)
SKIPPED = Hours("Europe/Berlin", [Opening(Weekday.SUNDAY, 2 * 60, 5 * 60)])


def utc(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "now", "expected"),
    [
        (OFFICE, utc(3, 6, 8), utc(3, 6, 8)),  # 9:00 in Berlin, a Friday
        (OFFICE, utc(3, 6, 8) - TINY, utc(3, 6, 8)),
        (OFFICE, utc(3, 6, 16) - TINY, utc(3, 6, 16) - TINY),
        (OFFICE, utc(3, 6, 16), utc(3, 9, 8)),  # closed until Monday
        (OFFICE, utc(3, 28, 12), utc(3, 30, 7)),  # over the change of the clocks
        (SKIPPED, utc(3, 29, 0), utc(3, 29, 1)),  # 2:00 does not exist on this Sunday
        (Hours("UTC"), utc(3, 6, 3), utc(3, 6, 3)),
    ],
)
def test_opening_is_now_or_the_next(hours: Hours, now: datetime, expected: datetime) -> None:
    assert hours.opening(now) == expected


def test_schedule_that_never_opens_has_no_opening() -> None:
    skipped = Hours("UTC", holidays={datetime(9999, 12, 31, tzinfo=UTC).date(): "The end"})
    assert skipped.opening(datetime(9999, 12, 31, 1, tzinfo=UTC)) is None
