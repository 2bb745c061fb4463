"""Periods of the analytics, and the borders of the steps of a series in a time zone."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
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
    """
    Return the starts of the steps of a series; the first is at or before the period's start.

    Steps begin at full hours, midnights, Mondays or first days of months, by local time. An hour that is
    skipped has no step, one that is repeated has two. Raises BadInputError for more than 2,000 steps.
    """
    borders: list[int] = []
    for border in _borders(period, interval, zone):
        if border >= period.end:
            break
        if borders and border <= period.start:
            borders.clear()
        if not borders or border > borders[-1]:
            borders.append(border)
        if len(borders) > MOST_POINTS:
            raise BadInputError(
                "interval", f"{interval} makes more than {MOST_POINTS:,} points; take a longer one"
            )
    return borders


def _borders(period: Period, interval: AnalyticsInterval, zone: ZoneInfo) -> Iterator[int]:
    if interval is AnalyticsInterval.HOUR:
        yield from _hours(period, zone)
        return
    # Two days earlier: no offset is longer, and a date that a zone skips has no first instant of its own.
    day = instant(period.start).astimezone(zone).date() - timedelta(days=2)
    day = _floor(day, interval)
    while True:
        yield micros(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC))
        day = _next(day, interval)


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


def points_of(starts: list[int], at: int) -> int:
    """Return the step that an instant is in."""
    return bisect_right(starts, at) - 1
