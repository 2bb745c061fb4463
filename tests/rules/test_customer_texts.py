import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.customer_texts import (
    AROUND_THE_CLOCK,
    DEFAULT_CONFIRMATION,
    confirmation_text,
    response_time_in_words,
)

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
def test_a_time_is_said_in_its_two_largest_units(minutes: int, words: str) -> None:
    assert response_time_in_words(minutes) == words


@given(st.integers(1, 525_600))
def test_the_words_say_the_time_but_for_what_is_left_out(minutes: int) -> None:
    words = response_time_in_words(minutes)
    said = [(int(count), unit) for count, unit in re.findall(r"(\d+) (week|day|hour|minute)", words)]

    left_out = minutes - sum(count * MINUTES[unit] for count, unit in said)
    assert 1 <= len(said) <= 2
    assert 0 <= left_out < MINUTES[said[-1][1]]
    assert len(said) == 2 or left_out == 0


def test_the_default_leaves_out_business_hours_when_there_are_none() -> None:
    begun = "Your request has been escalated to our support team. We typically respond within"

    assert confirmation_text(DEFAULT_CONFIRMATION, 120, AROUND_THE_CLOCK) == f"{begun} 2 hours."
    assert (
        confirmation_text(DEFAULT_CONFIRMATION, 30, "Monday to Friday")
        == f"{begun} 30 minutes during business hours."
    )


def test_a_team_has_its_own_words() -> None:
    template = "{response_time}, {response_time}! ({business_hours}) {name} {0} {{}} %s"

    assert confirmation_text(template, 60, "Mon 9–17") == "1 hour, 1 hour! (Mon 9–17) {name} {0} {{}} %s"


@given(st.text())
def test_any_template_is_taken(template: str) -> None:
    text = confirmation_text(template, 60, "Mon 9–17")

    assert "{response_time}" not in text
    assert "{business_hours}" not in text
