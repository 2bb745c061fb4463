import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.business_hours import Weekday
from rules.customer_texts import (
    CONFIRMATION_PLACEHOLDERS,
    DEFAULT_CONFIRMATION,
    confirmation_text,
    duration_in_words,
    placeholder_error,
    response_time_in_words,
)

WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")


def document(*intervals: tuple[str, str], days: tuple[str, ...] = WEEKDAYS) -> dict[str, Any]:
    """Return a business_hours document that opens at these intervals on these days."""
    week = [{"day": day, "opens": opens, "closes": closes} for day in days for opens, closes in intervals]
    return {"timezone": "UTC", "week": week, "holidays": [], "holiday_calendar": None}


AROUND_THE_CLOCK = document()
NINE_TO_FIVE = document(("09:00", "17:00"))

MINUTES = {"week": 10_080, "day": 1_440, "hour": 60, "minute": 1}


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (1, "1 minute"),
        (15, "15 minutes"),
        (60, "1 hour"),
        (61, "1 hour and 1 minute"),
        (90, "1 hour and 30 minutes"),
        (120, "2 hours"),
        (1_440, "1 day"),
        (1_500, "1 day and 1 hour"),
        (2_881, "2 days and 1 minute"),
        (10_080, "1 week"),
        (10_080 + 1_440 + 60 + 1, "1 week and 1 day"),
        (525_600, "52 weeks and 1 day"),
    ],
)
def test_duration_is_written_in_its_two_largest_units(minutes: int, words: str) -> None:
    assert duration_in_words(minutes) == words
    assert response_time_in_words(minutes, AROUND_THE_CLOCK) == words


@given(st.integers(1, 525_600))
def test_duration_omits_less_than_its_smallest_written_unit(minutes: int) -> None:
    words = duration_in_words(minutes)
    said = [(int(count), unit) for count, unit in re.findall(r"(\d+) (week|day|hour|minute)", words)]

    left_out = minutes - sum(count * MINUTES[unit] for count, unit in said)
    assert 1 <= len(said) <= 2
    assert 0 <= left_out < MINUTES[said[-1][1]]
    assert len(said) == 2 or left_out == 0


@pytest.mark.parametrize(
    ("business_hours", "minutes", "words"),
    [
        (NINE_TO_FIVE, 480, "1 working day"),
        (NINE_TO_FIVE, 1_440, "3 working days"),
        (NINE_TO_FIVE, 120, "2 hours"),
        (NINE_TO_FIVE, 510, "8 hours and 30 minutes"),
        (NINE_TO_FIVE, 10_080, "21 working days"),
        (document(("09:00", "12:00"), ("13:00", "18:00")), 960, "2 working days"),
        (document(("22:00", "06:00")), 960, "2 working days"),
        (document(("00:00", "24:00")), 1_440, "1 working day"),
        (document(("09:00", "24:00"), days=("MONDAY",)), 900, "1 working day"),
        (
            {**NINE_TO_FIVE, "week": NINE_TO_FIVE["week"][1:] + document(("09:00", "12:00"))["week"][:1]},
            1_440,
            "24 hours",
        ),
    ],
)
def test_response_time_with_business_hours_counts_working_days_or_hours(
    business_hours: dict[str, Any], minutes: int, words: str
) -> None:
    assert response_time_in_words(minutes, business_hours) == words


BEGINNING = "Your request has been escalated to our support team. We typically respond within"


@pytest.mark.parametrize(
    ("business_hours", "minutes", "end"),
    [
        (AROUND_THE_CLOCK, 120, "2 hours."),
        (NINE_TO_FIVE, 30, "30 minutes during business hours."),
        (NINE_TO_FIVE, 1_440, "3 working days."),
    ],
)
def test_default_confirmation_mentions_business_hours_only_with_hours(
    business_hours: dict[str, Any], minutes: int, end: str
) -> None:
    assert confirmation_text(DEFAULT_CONFIRMATION, minutes, business_hours) == f"{BEGINNING} {end}"


def test_confirmation_fills_every_placeholder() -> None:
    template = "{response_time}, {response_time}! ({business_hours}) %s {"
    filled = "1 hour, 1 hour! (Monday to Friday 09:00 to 17:00 (UTC)) %s {"

    assert confirmation_text(template, 60, NINE_TO_FIVE) == filled
    assert placeholder_error(template, CONFIRMATION_PLACEHOLDERS) is None


@pytest.mark.parametrize("name", ["respone_time", " response_time ", "Response_Time", "", "0", "customer"])
def test_unknown_placeholder_is_refused_with_the_known_ones(name: str) -> None:
    fault = placeholder_error(f"Within {{{name}}}.", CONFIRMATION_PLACEHOLDERS)

    assert fault == (
        f"has the unknown placeholder {{{name}}}; the known ones are {{response_time}} and {{business_hours}}"
    )


@given(st.text())
def test_any_stored_template_renders(template: str) -> None:
    text = confirmation_text(template, 60, NINE_TO_FIVE)

    assert "{response_time}" not in text
    assert "{business_hours}" not in text


GERMAN_DAYS = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")
EVERY_DAY = tuple(day.value for day in Weekday)
TIMES = st.integers(0, 47).map(lambda half: f"{half // 2:02}:{half % 2 * 30:02}")


@pytest.mark.parametrize(
    ("business_hours", "words"),
    [
        (document(), "Montag\u2009–\u2009Sonntag, 00:00–24:00 Uhr"),
        (document(("08:00", "20:00"), days=EVERY_DAY), "Montag\u2009–\u2009Sonntag, 08:00–20:00 Uhr (UTC)"),
        (document(("00:00", "24:00"), days=("SATURDAY",)), "Samstag, 00:00–24:00 Uhr (UTC)"),
        (
            document(("09:00", "12:00"), ("13:00", "17:00"), days=("MONDAY", "FRIDAY")),
            "Montag und Freitag, 09:00–12:00 Uhr und 13:00–17:00 Uhr (UTC)",
        ),
        (
            document(("22:00", "06:00"), days=("SATURDAY", "SUNDAY", "MONDAY")),
            "Samstag\u2009–\u2009Montag, 22:00–06:00 Uhr (UTC)",
        ),
        (
            document(("00:00", "24:00"), ("20:00", "02:00"), days=("FRIDAY",)),
            "Freitag, 00:00–24:00 Uhr · Samstag, 00:00–02:00 Uhr (UTC)",
        ),
        (
            document(("09:00", "09:00"), days=("MONDAY",)),
            "Montag, 09:00–24:00 Uhr · Dienstag, 00:00–09:00 Uhr (UTC)",
        ),
    ],
)
def test_business_hours_are_written_in_a_language(business_hours: dict[str, Any], words: str) -> None:
    assert confirmation_text("{business_hours}", 60, business_hours, "de") == words


@given(st.lists(st.tuples(st.sampled_from(EVERY_DAY), TIMES, TIMES), min_size=1, max_size=12))
def test_localized_business_hours_say_exactly_when_it_is_open(intervals: list[tuple[str, str, str]]) -> None:
    week = [{"day": day, "opens": opens, "closes": closes} for day, opens, closes in intervals]
    given = {"timezone": "UTC", "week": week, "holidays": [], "holiday_calendar": None}
    written = confirmation_text("{business_hours}", 60, given, "de")

    expected: set[int] = set()
    for day, opens, closes in intervals:
        start, end = minutes_of(opens), minutes_of(closes)
        first = EVERY_DAY.index(day) * 1_440
        expected |= open_minutes(first + start, first + (end if end > start else end + 1_440))
    assert minutes_in_german(written.removesuffix(" (UTC)")) == expected


def minutes_of(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def open_minutes(start: int, end: int) -> set[int]:
    return {minute % (7 * 1_440) for minute in range(start, end)}


def minutes_in_german(text: str) -> set[int]:
    """Return the minutes of the week that a reader of German understands."""
    minutes: set[int] = set()
    for group in text.split(" · "):
        days: set[int] = set()
        for first, last in re.findall(r"([A-Z][a-z]+tag|Mittwoch)(?:\u2009–\u2009(\w+))?", group):
            day, until = GERMAN_DAYS.index(first), GERMAN_DAYS.index(last or first)
            days |= {number % 7 for number in range(day, until + 1 if until >= day else until + 8)}
        for opens, closes in re.findall(r"(\d\d:\d\d)–(\d\d:\d\d) Uhr", group):
            start, end = minutes_of(opens), minutes_of(closes)
            for day in days:
                minutes |= open_minutes(
                    day * 1_440 + start, day * 1_440 + (end if end > start else end + 1_440)
                )
    return minutes


def test_default_text_is_filled_in_english_in_every_language() -> None:
    english = confirmation_text(DEFAULT_CONFIRMATION, 1_440, NINE_TO_FIVE)
    assert confirmation_text(DEFAULT_CONFIRMATION, 1_440, NINE_TO_FIVE, "de") == english
