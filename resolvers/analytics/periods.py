"""Periods of the analytics, and the borders of the steps of a series in a time zone."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from resolvers.analytics.facts import instant, micros
from resolvers.errors import BadInputError
from rules.agent_settings import timezone_error
from rules.analytics import SECOND, AnalyticsInterval

LONGEST = timedelta(days=3_653)
MOST_POINTS = 2_000
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9990, 1, 1, tzinfo=UTC)
_HOUR = 3_600 * SECOND


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to `end`, exclusively, in microseconds since 1970."""

    start: int
    end: int


def check_period(start: datetime, end: datetime) -> Period:
    """Return a period of at most ten years; raises BadInputError."""
    if not _FIRST <= start <= _LAST:
        raise BadInputError("from", "must be in the years 1970 to 9989")
    if end <= start:
        raise BadInputError("to", "must be after `from`")
    if end - start > LONGEST:
        raise BadInputError("to", "must be at most 10 years after `from`")
    return Period(micros(start), micros(end))


def check_timezone(name: str, field: str = "timezone") -> ZoneInfo:
    """Return the time zone of an IANA name; raises BadInputError."""
    if error := timezone_error(name):
        raise BadInputError(field, error)
    return ZoneInfo(name)


def series_borders(period: Period, interval: AnalyticsInterval, zone: ZoneInfo) -> list[int]:
    """Return the starts of the steps of a series; the first is at or before the period's start.

    Steps begin at full hours, midnights, Mondays or first days of months, by local time. An hour that is
    skipped has no step, one that is repeated has two. Raises BadInputError for more than 2,000 steps.
    """
    if interval is AnalyticsInterval.HOUR:
        hours = takewhile(lambda border: border < period.end, _hours(period, zone))
        borders = list(islice(hours, MOST_POINTS + 4))
    else:
        # From the year before: the first step may have begun there.
        years = range(instant(period.start).year - 1, instant(period.end).year + 2)
        borders = [border for year in years for border in _borders_of_year(zone, interval, year)]
    borders = borders[bisect_right(borders, period.start) - 1 : bisect_left(borders, period.end)]
    if len(borders) > MOST_POINTS:
        raise BadInputError("interval", f"makes more than {MOST_POINTS:,} points; take a longer one")
    return borders


@lru_cache(maxsize=1_000)
def _borders_of_year(zone: ZoneInfo, interval: AnalyticsInterval, year: int) -> tuple[int, ...]:
    """Return the starts of the days, weeks or months of a year."""
    borders: list[int] = []
    day = _floor(date(year, 1, 1), interval)
    while day.year <= year:
        border = micros(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC))
        # A date that a zone skips has no first instant of its own.
        if day.year == year and borders[-1:] != [border]:
            borders.append(border)
        day = _next(day, interval)
    return tuple(borders)


def _floor(day: date, interval: AnalyticsInterval) -> date:
    if interval is AnalyticsInterval.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval is AnalyticsInterval.MONTH else day


def _next(day: date, interval: AnalyticsInterval) -> date:
    if interval is AnalyticsInterval.MONTH:
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=7 if interval is AnalyticsInterval.WEEK else 1)


def _hours(period: Period, zone: ZoneInfo) -> Iterator[int]:
    """Yield the instants at which a local hour begins, from two hours before the period."""
    quarter = _HOUR // 4
    at = (period.start // quarter) * quarter - 2 * _HOUR
    while True:
        offset = instant(at).astimezone(zone).utcoffset() or timedelta()
        past = (at + offset // timedelta(microseconds=1)) % _HOUR
        if past == 0:
            yield at
            at += quarter
        else:
            # Offsets change at quarters of an hour; others are met by the second.
            at += (
                min(_HOUR - past, quarter)
                if past % quarter == 0
                else min(_HOUR - past, quarter - at % quarter)
            )
