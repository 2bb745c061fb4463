"""Business hours: open instants and open durations of a schedule.

An instant is open when its local date is no holiday and its local time is in an interval of that weekday, or
in the rest of an overnight interval of the previous weekday. All arithmetic is in UTC, in whole
microseconds: an hour that daylight saving skips does not exist, and a repeated hour counts twice.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import orjson

from rules.public_holidays import public_holidays

# An instant is a count of microseconds whose origin makes the number of whole days the date's ordinal.
_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_DAY = 24 * 60 * _MINUTE
_FIRST_DAY = datetime.min.replace(tzinfo=UTC)
_FIRST_YEAR, _LAST_YEAR = 1, 9_999
_SEARCHED_YEARS = 200
_OFFSET_STEP = 3 * _DAY

_Stretch: TypeAlias = tuple[int, int, bool, str]


class Weekday(StrEnum):
    """A day of the week."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


@dataclass(frozen=True, slots=True)
class Opening:
    """An interval of a weekday, in minutes of the local day: `opens` 0 to 1,439, `closes` 0 to 1,440.

    A close at or before the opening is on the next day.
    """

    day: Weekday
    opens: int
    closes: int

    @property
    def ends(self) -> int:
        """The close in minutes of the opening's day: over 1,440 when it is on the next day."""
        return self.closes if self.closes > self.opens else self.closes + 1_440


@dataclass(frozen=True, slots=True)
class Segment:
    """An open or closed stretch; the label is “business_hours”, “closed” or the holiday's name."""

    start: datetime
    end: datetime
    running: bool
    label: str


class OutOfReachError(ArithmeticError):
    """The schedule is not open for that long within 200 years."""


class Hours:
    """A weekly schedule in a time zone, with holidays by date and a public calendar, such as DE or DE-BY.

    Without an interval it is open around the clock, except for holidays. Instants are aware datetimes.
    """

    def __init__(
        self,
        timezone: str,
        week: Iterable[Opening] = (),
        holidays: Mapping[date, str] | None = None,
        calendar: str | None = None,
    ) -> None:
        self.timezone = timezone
        self.week = tuple(week)
        self.calendar = calendar
        self._holidays = {day.toordinal(): name for day, name in (holidays or {}).items()}
        self._days = _days_of(self.week)
        self._openings = _days_of(self.week, split_at_midnight=False)
        self.around_the_clock = all(day == [(0, _DAY)] for day in self._days)
        self._always = self.around_the_clock and not self._holidays and calendar is None

    def add(self, start: datetime, duration: timedelta) -> datetime:
        """Return the first instant by which the schedule was open for `duration` (0 or more) since `start`.

        Raises OutOfReachError when that is not within 200 years, or after the year 9999.
        """
        if duration < timedelta(0):
            raise ValueError("a duration is never negative")
        if not duration:
            return start
        begun, wanted = _micros(start), _length(duration)
        if self._always:
            return _instant(begun + wanted)
        first = _year_at(begun)
        wanted += _table(self, first).until(begun)
        for year in range(first, min(first + _SEARCHED_YEARS, _LAST_YEAR) + 1):
            table = _table(self, year)
            if wanted <= table.total:
                return _instant(table.when(wanted))
            wanted -= table.total
        raise OutOfReachError("the schedule is not open for that long")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return the open time from `start` to `end`; negative when `end` is before `start`."""
        if self._always:
            return end - start
        begun, ended = _micros(start), _micros(end)
        if ended < begun:
            return -self.between(end, start)
        first, last = _year_at(begun), _year_at(ended)
        passed = sum(_table(self, year).total for year in range(first, last))
        passed += _table(self, last).until(ended) - _table(self, first).until(begun)
        return timedelta(microseconds=passed)

    def opening(self, now: datetime) -> datetime | None:
        """Return `now` while the schedule is open, else its next opening; None if it never opens again."""
        try:
            return self.add(now, timedelta.resolution) - timedelta.resolution
        except OutOfReachError:
            return None

    def segments(self, start: datetime, end: datetime, limit: int | None = None) -> list[Segment]:
        """Return the consecutive stretches from `start` to `end`; a holiday closes its whole local date.

        With `limit`, only the first stretches are computed.
        """
        merged: list[_Stretch] = []
        for stretch in self._stretches(_micros(start), _micros(end)):
            if merged and merged[-1][2:] == stretch[2:]:
                merged[-1] = (merged[-1][0], *stretch[1:])
            elif len(merged) == limit:
                break
            else:
                merged.append(stretch)
        return [
            Segment(_instant(begun), _instant(ended), running, label)
            for begun, ended, running, label in merged
        ]

    @property
    def working_day_minutes(self) -> int | None:
        """The minutes of a working day, where all weekdays that open at all open equally long, else None."""
        lengths = {sum(end - start for start, end in day) // _MINUTE for day in self._openings if day}
        return lengths.pop() if len(lengths) == 1 else None

    def _stretches(self, begun: int, ended: int) -> Iterator[_Stretch]:
        if begun >= ended:
            return
        if self._always:
            yield begun, ended, True, "business_hours"
            return
        reached = begun
        for year in range(_year_at(begun), _year_at(ended) + 1):
            for stretch in _table(self, year).stretches(begun, ended):
                if reached < stretch[0]:
                    yield reached, stretch[0], False, "closed"
                yield stretch
                reached = stretch[1]
        if reached < ended:
            yield reached, ended, False, "closed"

    def open_on(self, day: int) -> Sequence[tuple[int, int]]:
        """Return the open intervals of a local date's weekday, from its midnight; `day` is its ordinal."""
        return self._days[(day - 1) % 7]

    def holidays_in(self, days: range) -> Mapping[int, str]:
        """Return at least the holidays of these local dates; the schedule's own names win."""
        if self.calendar is None:
            return self._holidays
        public: dict[int, str] = {}
        for year in range(_year_of(days[0]), _year_of(days[-1]) + 1):
            public |= public_holidays(self.calendar, year)
        return public | self._holidays


def hours_of(document: Mapping[str, Any]) -> Hours:
    """Return the hours of a `business_hours` document of the settings or of an escalation."""
    return _hours_of(orjson.dumps(dict(document), option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=256)
def _hours_of(canonical: bytes) -> Hours:
    document = orjson.loads(canonical)
    week = [
        Opening(Weekday(interval["day"]), _minutes(interval["opens"]), _minutes(interval["closes"]))
        for interval in document["week"]
    ]
    holidays = {date.fromisoformat(holiday["date"]): holiday["name"] for holiday in document["holidays"]}
    return Hours(document["timezone"], week, holidays, document["holiday_calendar"])


def _minutes(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def _days_of(week: Sequence[Opening], *, split_at_midnight: bool = True) -> list[list[tuple[int, int]]]:
    """Return the open intervals of each weekday from its midnight.

    The part of an overnight interval after midnight belongs to the next day, unless it is not split.
    """
    if not week:
        return [[(0, _DAY)] for _ in Weekday]
    days: list[list[tuple[int, int]]] = [[] for _ in Weekday]
    numbers = {weekday: number for number, weekday in enumerate(Weekday)}
    for opening in week:
        number, opens, ends = numbers[opening.day], opening.opens * _MINUTE, opening.ends * _MINUTE
        days[number].append((opens, min(ends, _DAY) if split_at_midnight else ends))
        if ends > _DAY and split_at_midnight:
            days[(number + 1) % 7].append((0, ends - _DAY))
    return [united(day) for day in days]


def united(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the intervals in order; those that overlap or touch are merged."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


class _Table:
    """A year in UTC: its open intervals, the open time up to the end of each, and its holidays."""

    __slots__ = ("_ends", "_holidays", "_passed", "_starts", "total")

    def __init__(self, opened: Iterable[tuple[int, int]], holidays: list[_Stretch]) -> None:
        self._starts, self._ends, self._passed = array("q"), array("q"), array("q")
        self._holidays = holidays
        self.total = 0
        for start, end in opened:
            self.total += end - start
            self._starts.append(start)
            self._ends.append(end)
            self._passed.append(self.total)

    def until(self, instant: int) -> int:
        """Return the open time before `instant`."""
        index = bisect_right(self._starts, instant) - 1
        return 0 if index < 0 else self._passed[index] - max(self._ends[index] - instant, 0)

    def when(self, passed: int) -> int:
        """Return the earliest instant by which the open time is `passed`: over 0, at most the total."""
        index = bisect_left(self._passed, passed)
        return self._ends[index] - (self._passed[index] - passed)

    def stretches(self, begun: int, ended: int) -> list[_Stretch]:
        """Return the open stretches and the holidays between two instants, in order."""
        indexes = range(bisect_right(self._ends, begun), bisect_left(self._starts, ended))
        opened = [(self._starts[index], self._ends[index], True, "business_hours") for index in indexes]
        return [
            (max(start, begun), min(end, ended), running, label)
            for start, end, running, label in sorted(opened + self._holidays)
            if start < ended and end > begun
        ]


# A table takes 6 KB as a rule, and at most 130 KB with 100 intervals per week.
@lru_cache(maxsize=1024)
def _table(hours: Hours, year: int) -> _Table:
    opened: list[tuple[int, int]] = []
    closed: list[_Stretch] = []
    for begun, ended, offset in _offsets(hours.timezone, year):
        days = range((begun + offset) // _DAY, (ended + offset - 1) // _DAY + 1)
        holidays = hours.holidays_in(days)
        for day in days:
            midnight = day * _DAY - offset
            if day in holidays:
                closed.append((max(midnight, begun), min(midnight + _DAY, ended), False, holidays[day]))
                continue
            for opens, closes in hours.open_on(day):
                start, end = max(midnight + opens, begun), min(midnight + closes, ended)
                if start < end:
                    opened.append((start, end))
    return _Table(united(opened), closed)


@lru_cache(maxsize=4096)
def _offsets(timezone: str, year: int) -> Sequence[tuple[int, int, int]]:
    """Return the stretches of a year, in UTC, in which the zone keeps one offset: from, to, offset.

    zoneinfo does not list them, so every third day is probed: no zone keeps an offset for less than six.
    """
    zone, begun, ended = ZoneInfo(timezone), _begin(year), _begin(year + 1)
    offsets = [(begun, _offset(zone, begun))]
    for probed in range(begun, ended, _OFFSET_STEP):
        offset = _offset(zone, probed + _OFFSET_STEP)
        if offset != (before := offsets[-1][1]):
            seconds = range(probed, probed + _OFFSET_STEP, _SECOND)
            later = bisect_left(seconds, True, key=lambda second: _offset(zone, second) != before)
            offsets.append((probed + later * _SECOND, offset))
    changes = [(start, offset) for start, offset in offsets if start < ended]
    return [(start, end, offset) for (start, offset), (end, _) in pairwise([*changes, (ended, 0)])]


def _offset(zone: ZoneInfo, instant: int) -> int:
    # At the ends of the calendar there are instants without a local time.
    clamped = min(max(instant, _begin(_FIRST_YEAR) + _DAY), _begin(_LAST_YEAR + 1) - 2 * _DAY)
    local = zone.fromutc(_instant(clamped).replace(tzinfo=zone))
    return _length(local.utcoffset() or timedelta(0))


def _micros(instant: datetime) -> int:
    return _length(instant - _FIRST_DAY) + _DAY


def _instant(micros: int) -> datetime:
    try:
        return _FIRST_DAY + timedelta(microseconds=micros - _DAY)
    except OverflowError:
        raise OutOfReachError("there is no such year") from None


def _length(duration: timedelta) -> int:
    return (duration.days * 86_400 + duration.seconds) * _SECOND + duration.microseconds


def _begin(year: int) -> int:
    before = year - 1
    return (before * 365 + before // 4 - before // 100 + before // 400 + 1) * _DAY


def _year_at(instant: int) -> int:
    return _year_of(instant // _DAY)


def _year_of(day: int) -> int:
    return date.fromordinal(min(max(day, date.min.toordinal()), date.max.toordinal())).year
