"""What the customer is told when an escalation is raised, and when control passes."""

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

_UNITS = (("week", 7 * 24 * 60), ("day", 24 * 60), ("hour", 60), ("minute", 1))


def response_time_in_words(minutes: int) -> str:
    """120 is “2 hours”, 90 “1 hour and 30 minutes”, 1,440 “1 day”: the two largest units that are needed."""
    parts = []
    for name, size in _UNITS:
        count, minutes = divmod(minutes, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " and ".join(parts[:2]) or "1 minute"


def confirmation_text(template: str, target_minutes: int, business_hours: str) -> str:
    """
    The confirmation with its placeholders filled; any other brace is the team's own and stays.

    The default text leaves out “during business hours” when there are none. What would be longer than a
    message may be is cut.
    """
    if template == DEFAULT_CONFIRMATION and business_hours == AROUND_THE_CLOCK:
        template = AROUND_THE_CLOCK_CONFIRMATION
    words = response_time_in_words(target_minutes)
    filled = template.replace("{response_time}", words).replace("{business_hours}", business_hours)
    return filled[:CONTENT_LIMIT]


def business_hours_in_words(business_hours: Mapping[str, Any]) -> str:
    """
    “Monday to Friday 09:00 to 17:00 (Europe/Berlin time)”; AROUND_THE_CLOCK when that is so but for holidays.

    `business_hours` is the document of `rules.business_hours.hours_of`. Semicolons separate groups of days.
    """
    hours = hours_of(business_hours)
    if hours.around_the_clock:
        return AROUND_THE_CLOCK
    groups: dict[str, list[int]] = {}
    for place, weekday in enumerate(Weekday):
        if times := _times_in_words([one for one in hours.week if one.day is weekday]):
            groups.setdefault(times, []).append(place)
    words = "; ".join(f"{_days_in_words(days)} {times}" for times, days in groups.items())
    zone = hours.timezone.replace("_", " ")
    return f"{words} ({zone})" if zone == "UTC" else f"{words} ({zone} time)"


def _times_in_words(openings: Sequence[Opening]) -> str:
    return _joined([_time_in_words(*one) for one in united((one.opens, one.ends) for one in openings)])


def _time_in_words(opens: int, ends: int) -> str:
    if (opens, ends) == (0, 1_440):
        return "all day"
    close = _spell(ends) if ends <= 1_440 else f"{_spell(ends - 1_440)} the next day"
    return f"{_spell(opens)} to {close}"


def _spell(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _days_in_words(days: Sequence[int]) -> str:
    """Days in a row as “Saturday to Monday”: a week has no end."""
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
