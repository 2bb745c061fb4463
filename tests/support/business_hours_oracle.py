"""Business hours straight from their definition, a local minute at a time: slow, and right by reading it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

from rules.business_hours import Hours, Opening, Weekday

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
WEEKDAYS = list(Weekday)


@dataclass(frozen=True)
class Schedule:
    """The input of `Hours`."""

    timezone: str
    week: tuple[Opening, ...] = ()
    holidays: dict[date, str] = field(default_factory=dict)

    @property
    def hours(self) -> Hours:
        """Return the implementation under test."""
        return Hours(self.timezone, self.week, self.holidays)

    def label(self, instant: datetime) -> str:
        """Return the kind of an instant: business hours, closed, or a holiday."""
        local = instant.astimezone(ZoneInfo(self.timezone))
        if local.date() in self.holidays:
            return self.holidays[local.date()]
        return "business_hours" if self._in_the_week(local) else "closed"

    def _in_the_week(self, local: datetime) -> bool:
        today, minute = local.weekday(), local.hour * 60 + local.minute
        for opening in self.week:
            overnight = opening.closes <= opening.opens
            if (
                WEEKDAYS[today] is opening.day
                and minute >= opening.opens
                and (overnight or minute < opening.closes)
            ):
                return True
            if WEEKDAYS[today - 1] is opening.day and overnight and minute < opening.closes:
                return True
        return not self.week

    def steps(self, start: datetime) -> Iterator[tuple[datetime, timedelta, str]]:
        """Yield instants, each with its kind and the time during which the kind cannot change."""
        zone, instant = ZoneInfo(self.timezone), start
        while True:
            local = instant.astimezone(zone)
            step = MINUTE - timedelta(seconds=local.second, microseconds=local.microsecond)
            if (instant + step - SECOND).astimezone(zone).utcoffset() != local.utcoffset():
                step = SECOND - timedelta(microseconds=local.microsecond)
            yield instant, step, self.label(instant)
            instant += step

    def add(self, start: datetime, duration: timedelta) -> datetime:
        """Return the earliest instant after `duration` of open time."""
        left = duration
        for instant, step, label in self.steps(start):
            if label == "business_hours":
                if left <= step:
                    return instant + left
                left -= step
        raise AssertionError("time has no end")

    def stretches(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime, str]]:
        """From, to, and what is in between."""
        result: list[tuple[datetime, datetime, str]] = []
        for instant, step, label in self.steps(start):
            if instant >= end:
                break
            begun = result.pop()[0] if result and result[-1][2] == label else instant
            result.append((begun, min(instant + step, end), label))
        return result

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return the open time."""
        lengths = [to - from_ for from_, to, label in self.stretches(start, end) if label == "business_hours"]
        return sum(lengths, timedelta(0))


@cache
def zones_of_different_rules() -> list[str]:
    """Return a zone for each different file of rules: two in five zones are copies of another."""
    zones = sorted(available_timezones() - {"localtime"}, reverse=True)
    return sorted({_rules_of(zone): zone for zone in zones}.values())


def _rules_of(zone: str) -> bytes:
    file = files("tzdata.zoneinfo").joinpath(*zone.split("/"))
    return file.read_bytes() if file.is_file() else zone.encode()


def changes(timezone: str, before: datetime) -> Iterator[datetime]:
    """Yield the zone's clock changes, to the second, latest first, back to 1840."""
    zone, step, instant = ZoneInfo(timezone), timedelta(days=6), before
    while instant.year > 1840:
        earlier = instant - step
        if earlier.astimezone(zone).utcoffset() != instant.astimezone(zone).utcoffset():
            low, high = earlier, instant
            while high - low > SECOND:
                middle = low + (high - low) // 2 // SECOND * SECOND
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            yield high
        instant = earlier
