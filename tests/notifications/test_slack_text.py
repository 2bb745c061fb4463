"""Slack messages: valid blocks, a link, and no markup from foreign text."""

import re
from dataclasses import replace
from html import unescape
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
    CREATED_IN_MRKDWN,
    DUE,
    ESCALATION,
    LINK,
    LINK_IN_SLACK,
    MENTIONS,
    STORY,
    body_of,
    load_content,
    message_of,
    rendered,
    spelled,
    texts_of,
)


def test_new_escalation_is_composed_in_blocks() -> None:
    message = message_of()

    def text(words: str) -> dict[str, Any]:
        return {"type": "mrkdwn", "text": words, "verbatim": True}

    assert message["blocks"] == [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": "New escalation: high priority", "emoji": False},
        },
        {"type": "section", "text": text("<!here> <@U0JANE> <!subteam^S0TEAM>")},
        body_of(message),
        {"type": "section", "text": text(f"<{LINK_IN_SLACK}|Open the escalation>")},
        {
            "type": "context",
            "elements": [
                {"type": "plain_text", "text": "Acme · Shop helper · esc_1", "emoji": False},
                text(CREATED_IN_MRKDWN),
            ],
        },
    ]
    assert rendered(DEFAULT_FORMAT) == (
        "*Customer:* Jane Doe (jane_doe@example.com)\n"
        "*Reason:* low_confidence\n"
        "*Detail:* a detail\n"
        "*Confidence:* 35 %\n"
        "*Last message:* My parcel is late\n"
        "*Assigned to:* Bo\n"
        f"*First reply due:* {DUE}"
    )
    assert {name: message[name] for name in message if name != "blocks"} == {
        "channel": "C0123",
        "text": "New escalation, high priority. Jane Doe (jane_doe@example.com): low_confidence",
        "mrkdwn": False,
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
    assert rendered("{event}", replace(STORY, type=type_)) == words


def test_sample_is_marked_as_one() -> None:
    message = orjson.loads(compose_test(STORY, channel="C0123", message_format=DEFAULT_FORMAT, mentions=[]))

    assert message["text"].startswith("Test of a new escalation")
    assert message["blocks"][0]["text"]["text"].startswith("Test of a new escalation")
    assert texts_of(message)[0] == "This is a test, and there is nothing to do."
    body = body_of(message)
    assert body
    assert "*Reason:* low_confidence" in spelled(body)
    assert message["metadata"]["event_type"] == "test"


def test_body_is_the_same_for_the_same_story() -> None:
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
        ("link", f"[{LINK}]"),
    ],
)
def test_every_placeholder_is_filled(name: str, words: str) -> None:
    assert name in PLACEHOLDERS
    assert rendered(f"({{{name}}})") == f"({words})"


def test_cases_name_every_placeholder() -> None:
    (cases,) = [mark for mark in test_every_placeholder_is_filled.pytestmark if mark.name == "parametrize"]  # type: ignore[attr-defined]

    assert [name for name, _ in cases.args[1]] == list(PLACEHOLDERS)


def test_unknown_value_is_omitted_with_its_line() -> None:
    unknown = replace(
        STORY,
        escalation=replace(
            ESCALATION, detail=None, confidence=None, assignee_name=None, assignee_email=None, reason="VIP"
        ),
        conversation=replace(CONVERSATION, customer_name=None, customer_email=None, transcript=()),
    )

    assert rendered(DEFAULT_FORMAT, unknown) == f"*Customer:* crm-7\n*Reason:* VIP\n*First reply due:* {DUE}"
    assert rendered("a\n\nb {detail}{confidence}\nc {detail}{reason}", unknown) == "a\n\nc VIP"
    assert rendered("{detail}", unknown) is None
    assert len(message_of(unknown, "{detail}")["blocks"]) == 4


def test_customer_is_named_by_known_details() -> None:
    def customer(**details: Any) -> str | None:
        nobody = replace(CONVERSATION, customer_name=None, customer_email=None, customer_external_id=None)
        return rendered("{customer}", replace(STORY, conversation=replace(nobody, **details)))

    assert customer(customer_name="Jane") == "Jane"
    assert customer(customer_email="jane@example.com") == "jane@example.com"
    assert customer(customer_external_id="crm-7", customer_email="jane@example.com") == "jane@example.com"
    assert customer(customer_external_id="crm-7") == "crm-7"
    assert customer() == "Unknown customer"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("R&D &lt;3 {\n> {message}\nx }\\x", "R&D <3 {\n> My parcel is late\nx }\\x"),
        ("&gt; {message}\n> more\n\nx", "> My parcel is late\nmore\n\nx"),
        ("<{link}|Look>: {reason}", f"[{LINK}|Look]: low_confidence"),
        ("<https://wiki.example.com/a?b&amp;c|R&amp;D>", "[https://wiki.example.com/a?b&c|R&D]"),
        (
            "<@U0BO> <!subteam^S0TEAM> <!here> <#C0123>",
            "[user U0BO] [usergroup S0TEAM] [broadcast here] [channel C0123]",
        ),
        ("*bold _both {reason}_* ~old~ `{id}`", "*bold **_both low_confidence_* ~old~ `esc_1`"),
        (":rotating_light: at 10:30:45", "[emoji rotating_light] at 10:30:45"),
        ("snake_case_id 2*3*4 * a *", "snake_case_id 2*3*4 * a *"),
        ("`code *as it is*`", "`code *as it is*`"),
    ],
)
def test_marks_links_and_mentions_of_a_format_keep_their_meaning(given: str, shown: str) -> None:
    assert slack_format_error(given) is None
    assert rendered(given) == shown


def test_unusable_format_falls_back_to_the_default() -> None:
    for unusable in ("<{customer}|Open>", "{nobody}", "<!everyone>", " "):
        assert message_of(message_format=unusable) == message_of()


@pytest.mark.parametrize(
    ("channel", "sent"), [("C0123", "C0123"), ("#support", "#support"), ("support", "#support")]
)
def test_channel_is_named_by_id_or_name(channel: str, sent: str) -> None:
    assert message_of(channel=channel)["channel"] == sent


# ------------------------------------------------------------- what others write keeps its characters

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
_CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def structure(message: dict[str, Any]) -> list[Any]:
    """Return a message's structure: its blocks, elements, styles and mrkdwn."""
    body = body_of(message)
    elements = [
        {name: value for name, value in element.items() if element["type"] != "text" or name != "text"}
        for part in (body["elements"] if body else [])
        for element in part["elements"]
    ]
    return [[block["type"] for block in message["blocks"]], elements, texts_of(message)]


def words_of(text: str) -> str:
    """Return the characters of a text that must arrive, without white space."""
    return "".join(re.sub("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]", "", text).split())


def check_only_words(story: NotificationContent, message_format: str) -> None:
    message, harmless = message_of(story, message_format), message_of(load_content("words"), message_format)
    assert structure(message) == structure(harmless)
    assert message["mrkdwn"] is False
    assert "<" not in message["text"]
    assert not re.search("&(?!amp;|lt;|gt;)", message["text"])
    assert not _CONTROL_CHARACTERS.search(message["text"])


@settings(deadline=None, derandomize=True, max_examples=300)
@given(hostile_texts)
def test_every_character_arrives_as_it_was_written(text: str) -> None:
    story = load_content(f"x{text}x")
    message = message_of(story, "{reason}")
    body = body_of(message)
    assert body
    [part] = body["elements"]
    [element] = part["elements"]
    assert element == {"type": "text", "text": element["text"]}
    assert words_of(element["text"]).rstrip("\u202c\u2069") == words_of(f"x{text}x")
    assert words_of(unescape(message["text"])).rstrip("\u202c\u2069").endswith(words_of(f"x{text}x"))


@settings(deadline=None, derandomize=True, max_examples=400)
@given(hostile_texts, st.sampled_from(FORMATS))
def test_text_of_others_is_plain_words(text: str, message_format: str) -> None:
    # A word before and after: nothing at all would be left out with its line.
    check_only_words(load_content(f"{text}x", name=f"x{text}"), message_format)


@pytest.mark.parametrize("message_format", FORMATS)
@pytest.mark.parametrize("text", HOSTILE)
def test_known_tricks_do_not_work(text: str, message_format: str) -> None:
    check_only_words(load_content(text), message_format)


def test_only_settings_mention() -> None:
    alone = message_of(load_content("<!channel> @here <@U0BO>"), mentions=[])
    mentioned = message_of(mentions=["channel", "W0ANN", "<!everyone>", "everyone", "U1> <!everyone"])

    assert not re.search("<[!@](?!date)", "".join(texts_of(alone)))
    body = body_of(alone)
    assert body
    kinds = {element["type"] for part in body["elements"] for element in part["elements"]}
    assert kinds == {"text", "date"}
    assert texts_of(mentioned)[0] == "<!channel> <@W0ANN>"
    assert "everyone" not in orjson.dumps(mentioned).decode()


@pytest.mark.parametrize(
    "text",
    [
        "R&D < 3 > 2 &amp; more",
        "order_id 7, __init__, jane_doe@example.com",
        "esc_01m8jy6kzxewk8qqr9hk594w9q",
        "it's 10:30 – 100 % “fine” (ok) [1] #7 @ 5€",
        "see https://example.com/a:b?c=d&e, or http://[::1]:8000/x",
        "مرحبا, 你好, 👩‍👩‍👧 नमस्ते, Jose\u0301 José",
        "*no* `code` _it_ ~x~ :smile: > quote ＊",
    ],
)
def test_words_markup_and_ids_stay_as_they_are(text: str) -> None:
    assert rendered("{reason}", replace(STORY, escalation=replace(ESCALATION, reason=text))) == text


def test_lines_become_one() -> None:
    escalation = replace(ESCALATION, reason="one\n\n two\tthree ")
    assert rendered("{reason}", replace(STORY, escalation=escalation)) == "one two three"


def test_open_writing_direction_ends_with_its_text() -> None:
    escalation = replace(ESCALATION, reason="\u202egnp.exe")
    assert rendered("{reason} end", replace(STORY, escalation=escalation)) == "\u202egnp.exe\u202c end"


def test_dates_are_in_the_schedules_zone_where_slack_cannot_convert_them() -> None:
    story = replace(STORY, time_zone="America/New_York")
    assert rendered("{due}", story) == DUE.replace("14:00 UTC", "09:00 America/New_York")
