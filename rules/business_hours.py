"""
Business hours: when a schedule is open, and for how long.

An instant is open when its local date is no holiday and its local time is in an interval of that weekday, or
in what an overnight interval of the weekday before has left over. All is reckoned in UTC, in whole
microseconds: an hour that daylight saving skips does not exist, and one that it repeats counts twice.
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

# An instant is a count of microseconds, begun so that a whole day's number is its date's ordinal.
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
    """
    An interval of a weekday, in minutes of the local day: `opens` 0 to 1,439, `closes` 0 to 1,440.

    A close at or before the open is one of the next day.
    """

    day: Weekday
    opens: int
    closes: int

    @property
    def ends(self) -> int:
        """The close, in minutes of the day of the open: over 1,440 when it is on the next."""
        return self.closes if self.closes > self.opens else self.closes + 1_440


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch that is open or not; the label is “business_hours”, “closed” or the holiday's name."""

    start: datetime
    end: datetime
    running: bool
    label: str


class OutOfReachError(ArithmeticError):
    """The schedule is not open for that long, as far ahead as is looked."""


class Hours:
    """
    A weekly schedule in a time zone, with holidays by date and a public calendar, such as DE or DE-BY.

    Without an interval it is open around the clock, but for holidays. Instants are aware datetimes.
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
        self.around_the_clock = all(day == [(0, _DAY)] for day in self._days)
        self._always = self.around_the_clock and not self._holidays and calendar is None

    def add(self, start: datetime, duration: timedelta) -> datetime:
        """
        The earliest instant by which the schedule has been open for `duration` (0 or more) since `start`.

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
        """How long the schedule is open from `start` to `end`; negative when `end` is before `start`."""
        begun, ended = _micros(start), _micros(end)
        if self._always:
            return timedelta(microseconds=ended - begun)
        if ended < begun:
            return -self.between(end, start)
        first, last = _year_at(begun), _year_at(ended)
        passed = sum(_table(self, year).total for year in range(first, last))
        passed += _table(self, last).until(ended) - _table(self, first).until(begun)
        return timedelta(microseconds=passed)

    def segments(self, start: datetime, end: datetime) -> list[Segment]:
        """The stretches from `start` to `end`, one after another; a holiday takes its whole local date."""
        found: list[_Stretch] = []
        for stretch in self._stretches(_micros(start), _micros(end)):
            if found and found[-1][2:] == stretch[2:]:
                found[-1] = (found[-1][0], *stretch[1:])
            else:
                found.append(stretch)
        return [Segment(_instant(one[0]), _instant(one[1]), one[2], one[3]) for one in found]

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
        """The weekly schedule of a local date, from its midnight, holiday or not; `day` is its ordinal."""
        return self._days[(day - 1) % 7]

    def holidays_in(self, days: range) -> Mapping[int, str]:
        """The holidays of these local dates, and of others; a name of one's own goes before a public one."""
        if self.calendar is None:
            return self._holidays
        public: dict[int, str] = {}
        for year in range(_year_of(days[0]), _year_of(days[-1]) + 1):
            public |= public_holidays(self.calendar, year)
        return public | self._holidays


def hours_of(document: Mapping[str, Any]) -> Hours:
    """The hours of a `business_hours` document, as settings have it and an escalation's policy keeps it."""
    return _hours_of(orjson.dumps(dict(document), option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=256)
def _hours_of(canonical: bytes) -> Hours:
    document = orjson.loads(canonical)
    week = [
        Opening(Weekday(one["day"]), _read(one["opens"]), _read(one["closes"])) for one in document["week"]
    ]
    holidays = {date.fromisoformat(one["date"]): one["name"] for one in document["holidays"]}
    return Hours(document["timezone"], week, holidays, document["holiday_calendar"])


def _read(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def _days_of(week: Sequence[Opening]) -> list[list[tuple[int, int]]]:
    """What is open on each weekday, from its midnight, with what the day before has left over."""
    if not week:
        return [[(0, _DAY)] for _ in Weekday]
    days: list[list[tuple[int, int]]] = [[] for _ in Weekday]
    places = {weekday: place for place, weekday in enumerate(Weekday)}
    for opening in week:
        place, opens, ends = places[opening.day], opening.opens * _MINUTE, opening.ends * _MINUTE
        days[place].append((opens, min(ends, _DAY)))
        if ends > _DAY:
            days[(place + 1) % 7].append((0, ends - _DAY))
    return [united(day) for day in days]


def united(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The intervals in order; those that overlap or touch are made one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


class _Table:
    """A year, in UTC: when it is open, how much of it has been open by the end of each, and the holidays."""

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
        """How long it is open before `instant`."""
        place = bisect_right(self._starts, instant) - 1
        return 0 if place < 0 else self._passed[place] - max(self._ends[place] - instant, 0)

    def when(self, passed: int) -> int:
        """The earliest instant by which it has been open for `passed`: more than 0, at most the total."""
        place = bisect_left(self._passed, passed)
        return self._ends[place] - (self._passed[place] - passed)

    def stretches(self, begun: int, ended: int) -> list[_Stretch]:
        """What is open and what is a holiday between two instants, in order."""
        places = range(bisect_right(self._ends, begun), bisect_left(self._starts, ended))
        opened = [(self._starts[place], self._ends[place], True, "business_hours") for place in places]
        return [
            (max(start, begun), min(end, ended), running, label)
            for start, end, running, label in sorted(opened + self._holidays)
            if start < ended and end > begun
        ]


# A table takes 6 KB as a rule, and at most 130 KB: with 100 intervals a week.
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
    """
    The stretches of a year, in UTC, in which the zone keeps one offset: from, to, offset.

    zoneinfo does not show them, so every third day is looked at: no zone keeps an offset for less than six.
    """
    zone, begun, ended = ZoneInfo(timezone), _begin(year), _begin(year + 1)
    found = [(begun, _offset(zone, begun))]
    for looked in range(begun, ended, _OFFSET_STEP):
        offset = _offset(zone, looked + _OFFSET_STEP)
        if offset != (before := found[-1][1]):
            seconds = range(looked, looked + _OFFSET_STEP, _SECOND)
            later = bisect_left(seconds, True, key=lambda second: _offset(zone, second) != before)
            found.append((looked + later * _SECOND, offset))
    changes = [(start, offset) for start, offset in found if start < ended]
    return [(start, end, offset) for (start, offset), (end, _) in pairwise([*changes, (ended, 0)])]


def _offset(zone: ZoneInfo, instant: int) -> int:
    # Next to the ends of all time there are instants that have no local time.
    known = min(max(instant, _begin(_FIRST_YEAR) + _DAY), _begin(_LAST_YEAR + 1) - 2 * _DAY)
    local = zone.fromutc(_instant(known).replace(tzinfo=zone))
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
