"""Hostile customer messages take time that is linear in their length."""

import time
from collections.abc import Callable

import pytest

from rules.agent_settings import TopicRule, TriggerSettings
from rules.handoff.detector import decide_handoff, find_handoff_request
from rules.handoff.phrases import find_phrase
from rules.quoted_text import strip_quoted_text
from rules.triggers import triggers_of_customer_message

SETTINGS = TriggerSettings(
    extra_phrases=["a a a b", "'''''", "é\u0301", "human"],
    topics=[TopicRule(name="legal", keywords=["lawyer", "aaaa", ">>>>"])],
)


def raise_triggers(text: str) -> None:
    triggers_of_customer_message(SETTINGS, text, [])


# Each unit is repeated up to the length of a message, and an "x" ends it.
HOSTILE = {
    "one long word": "a",
    "long words": "a" * 50 + " ",
    "punctuation before a letter": "!",
    "mixed punctuation": "?!.,:;…",
    "quoted lines": "> let me talk to a human\n",
    "empty quoted lines": ">\n",
    "quote marks": ">",
    "line ends": "\n",
    "spaces": " ",
    "tabs and line ends": "\t\r\n",
    "apostrophes": "'",
    "apostrophes in a word": "a'’ʼ",
    "emoji": "👩\u200d👩\u200d👧",
    "unordered combining marks": "\u0301\u0316",
    "marks that appear by normalisation": "\u0301\uff9e",
    "invisible characters": "\u200b\u00ad",
    "expanding ligatures": "\ufdfa",
    "dashes": "-",
    "dashes and a separator": "---original message ",
    "separators": "original message--",
    "rules of underscores": "_ ",
    "attributions without an end": "on ",
    "attributions over lines": "On a\n",
    "verbs of attributions": "wrote ",
    "mail headers": "From: a@\n",
    "labels": "[Assistant]: a\n",
    "open brackets": "[",
    "labels without an end": "[a ",
    "times": "1:",
    "stars": "*",
    "list items": "- a\n",
    "nouns": "real agent service ",
    "adjectives": "real ",
    "request words": "i want to talk to an agent and ",
    "numbers to call": "what number do i have to call to get through to ",
    "roles": "radiologist ",
    "conditions and negations": "if i do not get this without ",
    "request words without spaces": "iwanttotalktoanagent",
    "commas": "please, thank you, ",
    "polite words": "please ",
    "negations": "not no do not without ",
    "possessives": "person's ",
    "keys held down": "huuuuuuuuuuumaaaaaaan ",
    "misspelt words": "representativve supervisorr ",
    "repeats of a phrase's beginning": "a ",
}
SHORT, LONG = 5_000, 20_000
# Linear time gives a factor of 4, quadratic time one of 16.
MAX_FACTOR = 9
NEGLIGIBLE_SECONDS = 0.005


def cpu_seconds(action: Callable[[str], object], text: str) -> float:
    durations = []
    for _ in range(3):
        start = time.process_time()
        action(text)
        durations.append(time.process_time() - start)
    return min(durations)


@pytest.mark.parametrize("action", [raise_triggers, find_handoff_request, decide_handoff, strip_quoted_text])
@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_takes_linear_time(unit: str, action: Callable[[str], object]) -> None:
    def repeat(length: int) -> str:
        return (unit * length)[: length - 1] + "x"

    action(repeat(SHORT))
    short, long = cpu_seconds(action, repeat(SHORT)), cpu_seconds(action, repeat(LONG))

    assert long < MAX_FACTOR * max(short, NEGLIGIBLE_SECONDS / MAX_FACTOR)


def test_hostile_phrase_takes_linear_time() -> None:
    phrase = "a " * 99 + "b"
    short, long = (cpu_seconds(lambda text: find_phrase(text, [phrase]), "a " * n) for n in (SHORT, LONG))

    assert long < MAX_FACTOR * max(short, NEGLIGIBLE_SECONDS / MAX_FACTOR)
