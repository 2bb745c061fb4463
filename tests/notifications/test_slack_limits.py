"""The limits of Slack messages: long values are cut visibly."""

import re
from dataclasses import replace
from typing import Any

import pytest

from rules.slack_format import slack_format_error
from tests.support.slack_samples import (
    CONTROLS,
    DUE,
    ESCALATION,
    LINK_IN_SLACK,
    STORY,
    body_of,
    load_content,
    message_of,
    rendered,
    spelled,
    texts_of,
)


def size(text: str) -> int:
    """Return the length in UTF-16 units, as JavaScript counts."""
    return len(text.encode("utf-16-le")) // 2


def check_limits(message: dict[str, Any]) -> None:
    assert len(message["blocks"]) <= 50
    assert size(message["blocks"][0]["text"]["text"]) <= 150
    assert size(message["text"]) < 40_000
    body = body_of(message)
    elements = [element for part in (body["elements"] if body else []) for element in part["elements"]]
    texts = [element.get("text") or element.get("fallback") or element["url"] for element in elements]
    assert sum(map(size, texts)) <= 3_000
    for text in texts_of(message):
        assert 1 <= size(text) <= 3_000
        assert re.search("&(?!amp;|lt;|gt;)", text) is None
        assert text.count("<") == text.count(">") == 0 or CONTROLS.search(text)
        assert not re.search("[<>]", CONTROLS.sub("", text))


@pytest.mark.parametrize("text", ["&" * 20_000, "😀" * 20_000, "<" * 20_000, "word " * 4_000, "é" * 551])
def test_long_words_are_cut_visibly(text: str) -> None:
    message = message_of(load_content(text))
    body = body_of(message)
    assert body
    section = spelled(body)

    check_limits(message)
    # Each is cut by itself, so that none pushes another out.
    assert [line[-1] for line in section.split("\n")] == ["…", "…", "…", "%", "…", "…", "]"]
    assert DUE in section


def test_text_at_the_limit_is_not_cut() -> None:
    for text in ("x" * 550, "&" * 550, "😀" * 275):
        result = rendered("{reason}", load_content(text))
        assert result is not None
        assert size(result) == 550
        assert not result.endswith("…")


@pytest.mark.parametrize(
    "message_format",
    ["{message}" * 200, "{due}" * 400, "{link}" * 300, "😀" * 2_000],
)
def test_long_message_is_cut_visibly(message_format: str) -> None:
    assert slack_format_error(message_format) is None
    message = message_of(load_content("&<😀 words " * 3), message_format)

    check_limits(message)
    body = body_of(message)
    assert body
    assert spelled(body).endswith("…")
    assert texts_of(message)[1] == f"<{LINK_IN_SLACK}|Open the escalation>"


def test_many_mentions_are_cut_whole() -> None:
    message = message_of(mentions=[f"U{number:030}" for number in range(200)])

    check_limits(message)
    assert set(CONTROLS.sub("", texts_of(message)[0])) == {" ", "…"}


def test_strange_address_stays_within_its_link() -> None:
    strange = replace(STORY, escalation=replace(ESCALATION, link='https://x.example/a|b> <!channel>\n"é'))
    (link,) = CONTROLS.findall(texts_of(message_of(strange))[1])

    assert link == "<https://x.example/a%7Cb%3E%20%3C!channel%3E%0A%22%C3%A9|Open the escalation>"
