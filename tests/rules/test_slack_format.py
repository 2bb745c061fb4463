"""Slack settings: format, mentions, channel and token, and the error messages."""

import pytest

from rules.slack_format import (
    DEFAULT_FORMAT,
    FORMAT_LIMIT,
    channel_error,
    mention_error,
    slack_format_error,
    token_error,
)


@pytest.mark.parametrize(
    "text",
    [
        DEFAULT_FORMAT,
        "*{event}* {priority}: {reason}",
        "words alone",
        "{link} <{link}> <{link}|Open it>",
        "<https://example.com> <http://example.com/a?b=1|x y> <mailto:a@example.com|write>",
        "<@U0JANE> <@W0ANN> <!subteam^S0TEAM> <!here> <!channel> <#C0123>",
        "> {message}\na > b, &lt;b&gt;, lone } and {",
        "x" * FORMAT_LIMIT,
    ],
)
def test_valid_format_is_accepted(text: str) -> None:
    assert slack_format_error(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("x" * (FORMAT_LIMIT + 1), "at most 2,000"),
        ("a\x00b", "NUL"),
        ("{Reason}", "unknown placeholder {Reason}; the known ones are {event}, {reason}, {detail}"),
        ("{reason }", "unknown placeholder"),
        ("{}", "unknown placeholder {}"),
        ("{" + "x" * 500 + "}", "unknown placeholder {" + "x" * 40 + "};"),
        ("<{customer}>", "has <{customer}>, which is none of"),
        ("<@{customer}>", "which is none of"),
        ("<!{reason}>", "which is none of"),
        ("<https://example.com/{customer}|x>", "which is none of"),
        ("<{link}|{customer}>", "which is none of"),
        ("<{link}{reason}>", "which is none of"),
        ("<!everyone>", "which is none of"),
        ("<javascript:alert(1)|x>", "which is none of"),
        ("a < b", "write &lt;"),
        ("<{link}\n|x>", "write &lt;"),
        ("<<{link}>>", "write &lt;"),
    ],
)
def test_invalid_format_is_refused_in_words(text: str, words: str) -> None:
    fault = slack_format_error(text)

    assert fault is not None
    assert words in fault
    assert len(fault) < 400


@pytest.mark.parametrize("text", ["U024BE7LH", "W012A3CDE", "S0614TZR7", "UABCDEFGH", "here", "channel"])
def test_valid_mention_is_accepted(text: str) -> None:
    assert mention_error(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@here",
        "<!here>",
        "everyone",
        "Here",
        "jane",
        "@jane",
        "u024be7lh",
        "USERS",
        "SUPPORT",
        "C024BE7LH",
        "U024BE7LH ",
        "U024BE7LH\n",
        "U024BE7LH|x",
        "U024BE7LH> <!everyone",
        "U" + "0" * 40,
        "U٠٢٤BE7LH",
    ],
)
def test_invalid_mention_is_refused(text: str) -> None:
    fault = mention_error(text)

    assert fault is not None
    assert "user id" in fault


@pytest.mark.parametrize(
    "text",
    [
        "C024BE91L",
        "G012AC86C",
        "D0C0F7S8Y",
        "#support",
        "support",
        "team-42_b",
        "日本語",
        "पार्सल",
        "#2024",
        "x" * 80,
    ],
)
def test_valid_channel_is_accepted(text: str) -> None:
    assert channel_error(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        "##a",
        "Support",
        "GENERAL",
        "a b",
        "a.b",
        "a,b",
        "<#C024BE91L>",
        "#-_",
        "a\n",
        "x" * 81,
        "a😀",
        "@jane",
        "U024BE7LH",
        "c024BE91L",
        "\u200bsupport",
    ],
)
def test_invalid_channel_is_refused(text: str) -> None:
    fault = channel_error(text)

    assert fault is not None
    assert "channel's name" in fault


@pytest.mark.parametrize("text", ["xoxb-1", "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"])
def test_valid_token_is_accepted(text: str) -> None:
    assert token_error(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not look like"),
        ("xoxb-", "does not look like"),
        ("xoxb_1-a", "does not look like"),
        ("secret", "does not look like"),
        ("xoxb-é", "does not look like"),
        ("xoxb-" + "1" * 300, "does not look like"),
        ("xoxp-123-abc", "a user's token; the bot's token begins with xoxb-"),
        ("xapp-1-123-abc", "an app-level token"),
        ("xoxe.xoxb-1-abc", "rotates"),
        (" xoxb-123-abc", "white space"),
        ("xoxb-123-abc\n", "control characters"),
        ("xoxb-123\r\nX-Injected: 1", "control characters"),
        ("xoxb-123\x00", "control characters"),
        ("xoxb-123\u202eabc", "control characters"),
    ],
)
def test_invalid_token_is_refused_without_being_repeated(text: str, words: str) -> None:
    fault = token_error(text)

    assert fault is not None
    assert words in fault
    assert "123" not in fault
