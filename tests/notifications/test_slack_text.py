"""What Slack is told: in blocks that it takes, with a link, and with nobody else's words getting through."""

import re
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifications.content.snapshots import NotificationContent
from notifications.slack.compose import compose, compose_test
from rules.slack_format import DEFAULT_FORMAT, PLACEHOLDERS, slack_format_error
from tests.support.slack_samples import (
    CONVERSATION,
    CREATED,
    DUE,
    ESCALATION,
    LINK_IN_SLACK,
    STORY,
    load_content,
)

MENTIONS = ["here", "U0JANE", "S0TEAM"]


def message_of(
    story: NotificationContent = STORY,
    message_format: str = DEFAULT_FORMAT,
    mentions: list[str] = MENTIONS,
    channel: str = "C0123",
) -> dict[str, Any]:
    """The message as Slack gets it."""
    body = compose(story, channel=channel, message_format=message_format, mentions=mentions)
    message: dict[str, Any] = orjson.loads(body)
    return message


def texts_of(message: dict[str, Any]) -> list[str]:
    """Everything in a message that Slack reads as mrkdwn."""
    parts = [block.get("text") or block["elements"][0] for block in message["blocks"]]
    return [message["text"], *(part["text"] for part in parts if part["type"] == "mrkdwn")]


def told(message_format: str, story: NotificationContent = STORY) -> str | None:
    """What becomes of a format: the section after the mentions; None when there is none."""
    sections = [
        block["text"]["text"]
        for block in message_of(story, message_format)["blocks"]
        if block["type"] == "section"
    ]
    return sections[1] if len(sections) == 3 else None


def test_a_new_escalation_is_told_in_blocks() -> None:
    message = message_of()

    def text(words: str) -> dict[str, Any]:
        return {"type": "mrkdwn", "text": words, "verbatim": True}

    assert message["blocks"] == [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": "New escalation: high priority", "emoji": False},
        },
        {"type": "section", "text": text("<!here> <@U0JANE> <!subteam^S0TEAM>")},
        {
            "type": "section",
            "text": text(
                "*Customer:* Jane Doe (jane_doe@example.com)\n"
                "*Reason:* low_confidence\n"
                "*Detail:* a detail\n"
                "*Confidence:* 35 %\n"
                "*Last message:* My parcel is late\n"
                "*Assigned to:* Bo\n"
                f"*First reply due:* {DUE}"
            ),
        },
        {"type": "section", "text": text(f"<{LINK_IN_SLACK}|Open the escalation>")},
        {"type": "context", "elements": [text(f"Acme · Shop helper · esc_1 · {CREATED}")]},
    ]
    assert {name: message[name] for name in message if name != "blocks"} == {
        "channel": "C0123",
        "text": "New escalation, high priority. Jane Doe (jane_doe@example.com): low_confidence",
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {
            "event_type": "escalation_created",
            "event_payload": {"delivery_id": "dlv_1", "escalation_id": "esc_1"},
        },
    }


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        ("escalation.created", "New escalation"),
        ("escalation.reopened", "Escalation reopened"),
        ("escalation.sla_at_risk", "First reply at risk"),
        ("escalation.sla_breached", "First reply overdue"),
    ],
)
def test_each_event_has_its_words(type_: str, words: str) -> None:
    message = message_of(replace(STORY, type=type_))

    assert message["blocks"][0]["text"]["text"] == f"{words}: high priority"
    assert message["text"].startswith(f"{words}, high priority.")
    assert told("{event}", replace(STORY, type=type_)) == words


def test_a_test_says_that_it_is_one() -> None:
    body = compose_test(STORY, channel="C0123", message_format=DEFAULT_FORMAT, mentions=[])
    message = orjson.loads(body)

    assert message["text"].startswith("Test of a new escalation")
    assert message["blocks"][0]["text"]["text"].startswith("Test of a new escalation")
    assert texts_of(message)[1] == "This is a test, and there is nothing to do."
    assert "*Reason:* low_confidence" in texts_of(message)[2]
    assert message["metadata"]["event_type"] == "test"


def test_the_body_is_the_same_for_the_same_story() -> None:
    bodies = {
        compose(STORY, channel="C1", message_format=DEFAULT_FORMAT, mentions=MENTIONS) for _ in range(3)
    }

    assert len(bodies) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("event", "New escalation"),
        ("reason", "low_confidence"),
        ("detail", "a detail"),
        ("confidence", "35 %"),
        ("priority", "High"),
        ("status", "In progress"),
        ("customer", "Jane Doe (jane_doe@example.com)"),
        ("message", "My parcel is late"),
        ("assignee", "Bo"),
        ("created", CREATED),
        ("due", DUE),
        ("agent", "Shop helper"),
        ("workspace", "Acme"),
        ("id", "esc_1"),
        ("link", f"<{LINK_IN_SLACK}>"),
    ],
)
def test_every_placeholder_is_filled(name: str, words: str) -> None:
    assert name in PLACEHOLDERS
    assert told(f"({{{name}}})") == f"({words})"


def test_the_cases_name_every_placeholder() -> None:
    (cases,) = [mark for mark in test_every_placeholder_is_filled.pytestmark if mark.name == "parametrize"]  # type: ignore[attr-defined]

    assert [name for name, _ in cases.args[1]] == list(PLACEHOLDERS)


def test_what_is_unknown_is_left_out_with_its_line() -> None:
    unknown = replace(
        STORY,
        escalation=replace(
            ESCALATION, detail=None, confidence=None, assignee_name=None, assignee_email=None, reason="VIP"
        ),
        conversation=replace(CONVERSATION, customer_name=None, customer_email=None, transcript=()),
    )

    assert told(DEFAULT_FORMAT, unknown) == f"*Customer:* crm-7\n*Reason:* VIP\n*First reply due:* {DUE}"
    assert told("a\n\nb {detail}{confidence}\nc {detail}{reason}", unknown) == "a\n\nc VIP"
    assert told("{detail}", unknown) is None
    assert len(message_of(unknown, "{detail}")["blocks"]) == 4


def test_a_customer_goes_by_what_is_known() -> None:
    def customer(**known: Any) -> str | None:
        nobody = replace(CONVERSATION, customer_name=None, customer_email=None, customer_external_id=None)
        return told("{customer}", replace(STORY, conversation=replace(nobody, **known)))

    assert customer(customer_name="Jane") == "Jane"
    assert customer(customer_email="jane@example.com") == "jane@example.com"
    assert customer(customer_external_id="crm-7", customer_email="jane@example.com") == "jane@example.com"
    assert customer(customer_external_id="crm-7") == "crm-7"
    assert customer() == "Unknown customer"


def test_a_format_may_have_links_quotes_and_signs_of_its_own() -> None:
    given = (
        "R&D &lt;3 {\n> {message}\n<{link}|Look> <https://wiki.example.com/a?b&amp;c|Runbook> <@U0BO> }\\x"
    )

    assert slack_format_error(given) is None
    assert told(given) == (
        "R&amp;D &lt;3 {\n> My parcel is late\n"
        f"<{LINK_IN_SLACK}|Look> <https://wiki.example.com/a?b&amp;c|Runbook> <@U0BO> }}\\x"
    )


def test_a_format_that_cannot_be_used_is_the_default() -> None:
    for unusable in ("<{customer}|Open>", "{nobody}", "<!everyone>", " "):
        assert message_of(message_format=unusable) == message_of()


@pytest.mark.parametrize(
    ("channel", "sent"), [("C0123", "C0123"), ("#support", "#support"), ("support", "#support")]
)
def test_a_channel_goes_by_id_or_name(channel: str, sent: str) -> None:
    assert message_of(channel=channel)["channel"] == sent


# ------------------------------------------------------------------------------ what others write stays words

HOSTILE = [
    "<!channel> <!here|x> <!everyone>",
    "<@U0JANE>",
    "<!subteam^S0TEAM|@team>",
    "<https://evil.example|Open the escalation>",
    "&lt;!channel&gt; &amp;lt;!channel&amp;gt;",
    "@channel @here @everyone #general",
    "> quoted\n>>> all of it",
    "＞ quoted ＊bold＊ ＿it＿ ｀code｀",
    "*bold* _it_ ~gone~ `code`",
    "```\nno more formatting",
    ":white_check_mark: :rotating_light: 10:30:45",
    "\n\n*Priority:* low\r\n\x0b\x0c\x85\u2028\u2029*Assigned to:* nobody",
    "{link} {reason} {{customer}}",
    "x|y>z<a",
    "\u202egnp.exe\u2066\x00\x1b[31m",
    "\ud800 half a sign",
    "<!date^1^{date}|<!channel>>",
    "a_b_c snake_case __init__ _x",
]
# Where Slack looks for meaning, mixed with what stands around it.
hostile_texts = st.one_of(
    st.text(st.sampled_from("<>&|@!#*_~`:;^{}\n\r\t aU0/-="), min_size=1, max_size=40),
    st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=2).map("".join),
    st.text(min_size=1, max_size=40),
)
FORMATS = [
    DEFAULT_FORMAT,
    "{customer}{reason}{detail}\n{message}\n> {message}\n`{detail}` *{reason}* <{link}|Look>\n{link}&{id};",
]
_CONTROLS = re.compile("<[^<>]*>")
_MARKS = re.compile("[*~`＊｀＿]")


def structure(message: dict[str, Any], first_format_sign: str = ">") -> list[Any]:
    """What Slack would see in a message beside words: its blocks, control sequences, marks and quotes."""
    texts = texts_of(message)
    return [
        [block["type"] for block in message["blocks"]],
        [_CONTROLS.findall(text) for text in texts],
        [_MARKS.findall(_CONTROLS.sub("", text)) for text in texts],
        [[line[:1] == first_format_sign for line in text.split("\n")] for text in texts],
    ]


def check_only_words(story: NotificationContent, message_format: str) -> None:
    message, harmless = message_of(story, message_format), message_of(load_content("words"), message_format)
    assert structure(message) == structure(harmless)
    for text in texts_of(message):
        words = _CONTROLS.sub("", text)
        assert "<" not in words
        assert not re.search("&(?!amp;|lt;|gt;)", words)
        assert not re.search("^(&gt;|＞)", words, re.MULTILINE)
        assert not re.search(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", words)
        assert not re.search(r":[a-z+'_-][a-z0-9+'_-]*:", words)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", words)


@settings(deadline=None, derandomize=True, max_examples=400)
@given(hostile_texts, st.sampled_from(FORMATS))
def test_what_others_write_is_words_and_nothing_else(text: str, message_format: str) -> None:
    # A word before and after: nothing at all would be left out with its line.
    check_only_words(load_content(f"{text}x", name=f"x{text}"), message_format)


@pytest.mark.parametrize("message_format", FORMATS)
@pytest.mark.parametrize("text", HOSTILE)
def test_known_tricks_do_not_work(text: str, message_format: str) -> None:
    check_only_words(load_content(text), message_format)


def test_only_settings_mention() -> None:
    alone = message_of(load_content("<!channel> @here <@U0BO>"), mentions=[])
    mentioned = message_of(mentions=["channel", "W0ANN", "<!everyone>", "everyone", "U1> <!everyone"])

    assert not re.search("<[!@](?!date)", orjson.dumps(alone).decode())
    assert texts_of(mentioned)[1] == "<!channel> <@W0ANN>"
    assert "everyone" not in orjson.dumps(mentioned).decode()


def test_words_stay_readable() -> None:
    def reason(text: str) -> str | None:
        return told("{reason}", replace(STORY, escalation=replace(ESCALATION, reason=text)))

    assert reason("R&D < 3 > 2") == "R&amp;D &lt; 3 &gt; 2"
    assert reason("order_id 7, jane_doe@example.com") == "order_id 7, jane_doe@example.com"
    assert (
        reason("it's 10:30 – 100 % “fine” (ok) [1] #7 @ 5€") == "it's 10:30 – 100 % “fine” (ok) [1] #7 @ 5€"
    )
    assert reason("see https://example.com/a:b?c=d, or http://[::1]:8000/x") == (
        "see https://example.com/a:b?c=d, or http://[::1]:8000/x"
    )
    assert reason("مرحبا, 你好, 👩‍👩‍👧 नमस्ते") == "مرحبا, 你好, 👩‍👩‍👧 नमस्ते"
    assert reason("*no* `code` _it_ ~x~ :smile:") == "∗no∗ ˋcodeˋ ˍitˍ ∼x∼ ∶smile:"
    assert reason("one\n\n two\tthree ") == "one two three"


# ------------------------------------------------------------------------------------------- Slack's limits


def size(text: str) -> int:
    """Counted as JavaScript does, where a sign beyond the first plane is two."""
    return len(text.encode("utf-16-le")) // 2


def check_limits(message: dict[str, Any]) -> None:
    assert len(message["blocks"]) <= 50
    assert size(message["blocks"][0]["text"]["text"]) <= 150
    assert size(message["text"]) < 40_000
    for text in texts_of(message):
        assert 1 <= size(text) <= 3_000
        assert re.search("&(?!amp;|lt;|gt;)", text) is None
        assert text.count("<") == text.count(">") == 0 or _CONTROLS.search(text)
        assert not re.search("[<>]", _CONTROLS.sub("", text))


@pytest.mark.parametrize("text", ["&" * 20_000, "😀" * 20_000, "<" * 20_000, "word " * 4_000, "é" * 551])
def test_long_words_are_cut_where_it_shows(text: str) -> None:
    message = message_of(load_content(text))
    section = texts_of(message)[2]

    check_limits(message)
    # Each is cut by itself, so that none pushes another out.
    assert [line[-1] for line in section.split("\n")] == ["…", "…", "…", "%", "…", "…", ">"]
    assert DUE in section


def test_what_just_fits_is_not_cut() -> None:
    for text in ("x" * 550, "&" * 110, "😀" * 275):
        result = told("{reason}", load_content(text))
        assert result is not None
        assert size(result) == 550
        assert not result.endswith("…")


@pytest.mark.parametrize(
    "message_format",
    ["{message}" * 200, "{due}" * 400, "{link}" * 300, "&" * 2_000, "<{link}|Open>" * 150, "😀" * 2_000],
)
def test_a_long_message_is_cut_where_it_shows(message_format: str) -> None:
    assert slack_format_error(message_format) is None
    message = message_of(load_content("&<😀 words"), message_format)

    check_limits(message)
    section = texts_of(message)[2]
    assert section.endswith("…")
    assert size(section) > 2_800
    assert texts_of(message)[3] == f"<{LINK_IN_SLACK}|Open the escalation>"


def test_many_mentions_are_cut_whole() -> None:
    message = message_of(mentions=[f"U{number:030}" for number in range(200)])

    check_limits(message)
    assert set(_CONTROLS.sub("", texts_of(message)[1])) == {" ", "…"}


def test_a_strange_address_stays_within_its_link() -> None:
    strange = replace(STORY, escalation=replace(ESCALATION, link='https://x.example/a|b> <!channel>\n"é'))
    (link,) = _CONTROLS.findall(texts_of(message_of(strange))[3])

    assert link == "<https://x.example/a%7Cb%3E%20%3C!channel%3E%0A%22%C3%A9|Open the escalation>"
