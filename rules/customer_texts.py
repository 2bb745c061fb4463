"""Texts for the customer: the confirmation of an escalation, and the notices of a change of control."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rules.business_hours import Opening, Weekday, hours_of, united
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

CONFIRMATION_PLACEHOLDERS = ("response_time", "business_hours")

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_MINUTE, _HOUR, _DAY, _WEEK = ("minute", 1), ("hour", 60), ("day", 24 * 60), ("week", 7 * 24 * 60)


def duration_in_words(minutes: int) -> str:
    """Return elapsed minutes in at most two units: 120 is “2 hours”, 90 “1 hour and 30 minutes”."""
    return _in_units(minutes, _WEEK, _DAY, _HOUR, _MINUTE)


def response_time_in_words(minutes: int, business_hours: Mapping[str, Any]) -> str:
    """Return a target in business minutes in words.

    Around the clock 1,440 minutes are “1 day”. With business hours, whole working days are counted:
    with eight hours a day 1,440 minutes are “3 working days”. Any other target is in hours.

    `business_hours` is the document of `rules.business_hours.hours_of`.
    """
    hours = hours_of(business_hours)
    if hours.around_the_clock:
        return duration_in_words(minutes)
    if (length := hours.working_day_minutes) and minutes % length == 0:
        return _in_units(minutes, ("working day", length))
    return _in_units(minutes, _HOUR, _MINUTE)


def _in_units(minutes: int, *units: tuple[str, int]) -> str:
    parts = []
    for name, size in units:
        count, minutes = divmod(minutes, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " and ".join(parts[:2]) or "1 minute"


def confirmation_text(template: str, target_minutes: int, business_hours: Mapping[str, Any]) -> str:
    """Return the confirmation with its placeholders filled.

    The default text omits “during business hours” around the clock and after working days. A text longer
    than a message may be is cut.
    """
    response_time = response_time_in_words(target_minutes, business_hours)
    schedule = business_hours_in_words(business_hours)
    if template == DEFAULT_CONFIRMATION and (schedule == AROUND_THE_CLOCK or "working day" in response_time):
        template = AROUND_THE_CLOCK_CONFIRMATION
    filled = template.replace("{response_time}", response_time).replace("{business_hours}", schedule)
    return filled[:CONTENT_LIMIT]


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
    first = next(day for day in days if (day - 1) % 7 not in days)
    runs: list[list[int]] = []
    for day in sorted(days, key=lambda day: (day - first) % 7):
        if runs and day == (runs[-1][-1] + 1) % 7:
            runs[-1].append(day)
        else:
            runs.append([day])
    names = [weekday.capitalize() for weekday in Weekday]
    words: list[str] = []
    for run in runs:
        named = [names[day] for day in run]
        words += [f"{named[0]} to {named[-1]}"] if len(run) > 2 else named
    return _joined(words)


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
