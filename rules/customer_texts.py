"""Texts for the customer: the confirmation of an escalation, and the notices of a change of control."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from rules.business_hours import Hours, Opening, Weekday, hours_of, united
from rules.locale_data import LocaleData, locale_data
from rules.text import CONTENT_LIMIT

DEFAULT_CONFIRMATION = (
    "Your request has been escalated to our support team. "
    "We typically respond within {response_time} during business hours."
)
AROUND_THE_CLOCK_CONFIRMATION = (
    "Your request has been escalated to our support team. We typically respond within {response_time}."
)
PEOPLE_NOTICE = "A member of our team is taking over this conversation."
HAND_BACK_NOTICE = "Our AI assistant is answering in this conversation again."
AROUND_THE_CLOCK = "around the clock"

WORKING_DAY = "working day"
# A semicolon would be a question mark in Greek.
GROUPS_BETWEEN = " · "

CONFIRMATION_PLACEHOLDERS = ("response_time", "business_hours")

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_MINUTE, _HOUR = ("minute", 1), ("hour", 60)
_ELAPSED = (("week", 7 * 24 * 60), ("day", 24 * 60), _HOUR, _MINUTE)
_MIDNIGHT = 24 * 60

# Counts of units, at most two: the largest ones.
_Parts: TypeAlias = Sequence[tuple[int, str]]


def duration_in_words(minutes: int) -> str:
    """Return elapsed minutes in at most two units: 120 is “2 hours”, 90 “1 hour and 30 minutes”."""
    return _in_english(_in_units(minutes, *_ELAPSED))


def response_time_in_words(minutes: int, business_hours: Mapping[str, Any]) -> str:
    """Return a target in business minutes in words.

    Around the clock 1,440 minutes are “1 day”. With business hours, whole working days are counted:
    with eight hours a day 1,440 minutes are “3 working days”. Any other target is in hours.

    `business_hours` is the document of `rules.business_hours.hours_of`.
    """
    return _in_english(_response_time(minutes, hours_of(business_hours)))


def _response_time(minutes: int, hours: Hours, *, in_working_days: bool = True) -> _Parts:
    if hours.around_the_clock:
        return _in_units(minutes, *_ELAPSED)
    length = hours.working_day_minutes
    if in_working_days and length and minutes % length == 0:
        return _in_units(minutes, (WORKING_DAY, length))
    return _in_units(minutes, _HOUR, _MINUTE)


def _in_units(minutes: int, *units: tuple[str, int]) -> _Parts:
    parts = []
    for name, size in units:
        count, minutes = divmod(minutes, size)
        if count:
            parts.append((count, name))
    return parts[:2] or [(1, "minute")]


def _in_english(parts: _Parts) -> str:
    return " and ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts)


def confirmation_text(
    template: str, target_minutes: int, business_hours: Mapping[str, Any], language: str | None = None
) -> str:
    """Return the confirmation with its placeholders filled in `language`, or in English.

    The default text is English. It omits “during business hours” around the clock and after working days.
    A text longer than a message may be is cut.
    """
    words = None if template == DEFAULT_CONFIRMATION else locale_data(language)
    if words:
        response_time = _localized_response_time(words, target_minutes, hours_of(business_hours))
        schedule = _localized_schedule(words, hours_of(business_hours))
    else:
        response_time = response_time_in_words(target_minutes, business_hours)
        schedule = business_hours_in_words(business_hours)
    if template == DEFAULT_CONFIRMATION and (schedule == AROUND_THE_CLOCK or WORKING_DAY in response_time):
        template = AROUND_THE_CLOCK_CONFIRMATION
    filled = template.replace("{response_time}", response_time).replace("{business_hours}", schedule)
    return filled[:CONTENT_LIMIT]


def _localized_response_time(words: LocaleData, minutes: int, hours: Hours) -> str:
    return words.duration(_response_time(minutes, hours, in_working_days=WORKING_DAY in words.units))


def _localized_schedule(words: LocaleData, hours: Hours) -> str:
    """Return the schedule, in which a night belongs to the day on which it begins.

    CLDR has neither “every day” nor “all day” nor “the next day”, so ranges say all: “00:00–24:00”.
    """
    groups: dict[str, list[int]] = {}
    for day, intervals in enumerate(_nights_joined(_days_apart(hours))):
        if intervals:
            times = words.listed([words.times_between(*interval) for interval in intervals])
            groups.setdefault(times, []).append(day)
    named = [words.scheduled(_localized_days(words, days), times) for times, days in groups.items()]
    schedule = GROUPS_BETWEEN.join(named)
    return schedule if hours.around_the_clock else f"{schedule} ({hours.timezone.replace('_', ' ')})"


def _days_apart(hours: Hours) -> list[list[tuple[int, int]]]:
    """Return the intervals of each weekday from midnight to midnight."""
    days: list[list[tuple[int, int]]] = [[] for _ in Weekday]
    for number, weekday in enumerate(Weekday):
        for opening in hours.week:
            if opening.day is weekday:
                days[number].append((opening.opens, min(opening.ends, _MIDNIGHT)))
                if opening.ends > _MIDNIGHT:
                    days[(number + 1) % 7].append((0, opening.ends - _MIDNIGHT))
    return [united(day) if hours.week else [(0, _MIDNIGHT)] for day in days]


def _nights_joined(days: Sequence[Sequence[tuple[int, int]]]) -> list[list[tuple[int, int]]]:
    """Return the intervals with those of one night joined, unless they are 24 hours or longer."""
    joined = [list(day) for day in days]
    for number, day in enumerate(days):
        following = days[(number + 1) % 7]
        if day and following:
            (start, end), (begin, morning) = day[-1], following[0]
            if end == _MIDNIGHT and begin == 0 and morning < start:
                joined[number][-1] = (start, morning)
                joined[(number + 1) % 7].remove(following[0])
    return joined


def _localized_days(words: LocaleData, days: Sequence[int]) -> str:
    names: list[str] = []
    for run in _runs(days):
        if len(run) > 2:
            names.append(words.days_between(run[0], run[-1]))
        else:
            names += [words.days[day] for day in run]
    return words.listed(names)


def placeholder_error(template: str, allowed: Sequence[str]) -> str | None:
    """Return why a text for customers has a placeholder that would not be filled, or None."""
    for name in _PLACEHOLDER.findall(template):
        if name not in allowed:
            listed = " and ".join(f"{{{placeholder}}}" for placeholder in allowed)
            hint = f"the known ones are {listed}" if allowed else "this text has none"
            return f"has the unknown placeholder {{{name[:40]}}}; {hint}"
    return None


def business_hours_in_words(business_hours: Mapping[str, Any]) -> str:
    """Return the schedule in words: “Monday to Friday 09:00 to 17:00 (Europe/Berlin time)”.

    A schedule that closes only on holidays is AROUND_THE_CLOCK.
    `business_hours` is the document of `rules.business_hours.hours_of`. Semicolons separate groups of days.
    """
    hours = hours_of(business_hours)
    if hours.around_the_clock:
        return AROUND_THE_CLOCK
    groups: dict[str, list[int]] = {}
    for number, weekday in enumerate(Weekday):
        if times := _times_in_words([opening for opening in hours.week if opening.day is weekday]):
            groups.setdefault(times, []).append(number)
    words = "; ".join(f"{_days_in_words(days)} {times}" for times, days in groups.items())
    zone = hours.timezone.replace("_", " ")
    return f"{words} ({zone})" if zone == "UTC" else f"{words} ({zone} time)"


def _times_in_words(openings: Sequence[Opening]) -> str:
    intervals = united((opening.opens, opening.ends) for opening in openings)
    return _joined([_time_in_words(*interval) for interval in intervals])


def _time_in_words(opens: int, ends: int) -> str:
    if (opens, ends) == (0, 1_440):
        return "all day"
    close = _clock_time(ends) if ends <= 1_440 else f"{_clock_time(ends - 1_440)} the next day"
    return f"{_clock_time(opens)} to {close}"


def _clock_time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _days_in_words(days: Sequence[int]) -> str:
    """Return consecutive days as “Saturday to Monday”, also across the end of the week."""
    if len(days) == len(Weekday):
        return "every day"
    names = [weekday.capitalize() for weekday in Weekday]
    words: list[str] = []
    for run in _runs(days):
        named = [names[day] for day in run]
        words += [f"{named[0]} to {named[-1]}"] if len(run) > 2 else named
    return _joined(words)


def _runs(days: Sequence[int]) -> list[list[int]]:
    """Return the consecutive days, also across the end of the week."""
    first = next((day for day in days if (day - 1) % 7 not in days), 0)
    runs: list[list[int]] = []
    for day in sorted(days, key=lambda day: (day - first) % 7):
        if runs and day == (runs[-1][-1] + 1) % 7:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
