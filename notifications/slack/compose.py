"""Slack messages: the body of chat.postMessage.

Mentions and links come only from the settings and from this module. Text that other people wrote is shown
with its own characters: in `rich_text` and `plain_text`, which have no formatting, and escaped in the text of
the notification, whose formatting is switched off.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from notifications.content.snapshots import ConversationSnapshot, EscalationSnapshot, NotificationContent
from notifications.content.text import closing, one_line
from notifications.content.times import clock_time, local
from notifications.slack.rich_text import Element, cut_text, rich_text, size, text_element
from rules.events import TEST, EventType
from rules.message import MessageRole
from rules.slack_format import DEFAULT_FORMAT, channel_in_full, mention_of, slack_format_error

# Slack's limits: a section's text has 3,000 characters. Counted in UTF-16, the most that it can mean.
SECTION_LIMIT = 3_000
# The value of one placeholder at most: five of them leave space for the rest.
VALUE_LIMIT = 550
NAME_LIMIT = 150

EVENTS = {
    EventType.CREATED: "New escalation",
    EventType.REOPENED: "Escalation reopened",
    EventType.SLA_AT_RISK: "First reply at risk",
    EventType.SLA_BREACHED: "First reply overdue",
    TEST: "Test of a new escalation",
}
TEST_NOTE = "This is a test, and there is nothing to do."

_CUT = "…"
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def compose(
    content: NotificationContent, *, channel: str, message_format: str, mentions: Sequence[str]
) -> bytes:
    """Return the message of `content`, which must have an escalation.

    `message_format` and `mentions` are settings, see rules.slack_format; values that it refuses have no
    effect.
    """
    return _composed(content, channel, message_format, mentions)


def compose_test(
    content: NotificationContent, *, channel: str, message_format: str, mentions: Sequence[str]
) -> bytes:
    """Return the message of a sample, with a note that it is a test."""
    return _composed(replace(content, type=TEST), channel, message_format, mentions, _section(TEST_NOTE))


def _composed(
    content: NotificationContent,
    channel: str,
    message_format: str,
    mentions: Sequence[str],
    note: Sequence[dict[str, Any]] = (),
) -> bytes:
    if (escalation := content.escalation) is None:
        raise ValueError(f"{content.type} has no escalation")
    event, priority = EVENTS[content.type], f"{escalation.priority.lower()} priority"
    values = _values(content, escalation, event)
    link = _quoted(escalation.link)
    message: dict[str, Any] = {
        "channel": channel_in_full(channel),
        "text": f"{event}, {priority}. {values['customer']}: {values['reason']}".translate(_ESCAPES),
        "blocks": [
            {"type": "header", "text": _plain(f"{event}: {priority}")},
            *note,
            *_mentions(mentions),
            *_body(message_format, values, content, escalation, link),
            *_section(f"<{link.replace('&', '&amp;')}|Open the escalation>"),
            {"type": "context", "elements": _small_print(content, escalation)},
        ],
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        # The same at every attempt, so that a program can recognise a repeated message.
        "metadata": {
            "event_type": content.type.replace(".", "_"),
            "event_payload": {"delivery_id": content.id, "escalation_id": escalation.id},
        },
    }
    return orjson.dumps(message)


def _values(content: NotificationContent, escalation: EscalationSnapshot, event: str) -> dict[str, str]:
    """Return the value of each of rules.slack_format.PLACEHOLDERS that is a text, in one line."""
    messages = [
        message.content for message in content.conversation.transcript if message.role is MessageRole.USER
    ]
    confidence = escalation.confidence
    values = {
        "event": event,
        "reason": escalation.reason,
        "detail": escalation.detail or "",
        "confidence": "" if confidence is None else f"{round(confidence, 1):g} %",
        "priority": escalation.priority.capitalize(),
        "status": escalation.status.capitalize().replace("_", " "),
        "customer": _customer(content.conversation),
        "message": messages[-1] if messages else "",
        "assignee": escalation.assignee_name or escalation.assignee_email or "",
        "agent": content.agent_name,
        "workspace": content.workspace_name,
        "id": escalation.id,
    }
    return {name: _shortened(value, VALUE_LIMIT) for name, value in values.items()}


def _shortened(text: str, limit: int) -> str:
    line = one_line(text)
    if size(line) <= limit:
        return line
    cut = cut_text(line, limit - size(_CUT)) + _CUT
    return cut + closing(cut)


def _customer(conversation: ConversationSnapshot) -> str:
    name, email = conversation.customer_name, conversation.customer_email
    if name and email:
        return f"{one_line(name)} ({email})"
    return name or email or conversation.customer_external_id or "Unknown customer"


def _body(
    message_format: str,
    values: dict[str, str],
    content: NotificationContent,
    escalation: EscalationSnapshot,
    link: str,
) -> list[Element]:
    if slack_format_error(message_format):
        message_format = DEFAULT_FORMAT
    elements: dict[str, Element | None] = {
        name: text_element(value) if value else None for name, value in values.items()
    }
    elements |= {
        "created": _date(escalation.created_at, content.time_zone),
        "due": _date(escalation.due_at, content.time_zone),
        "link": {"type": "link", "url": link},
    }
    return rich_text(message_format, elements, link, SECTION_LIMIT)


def _date(at: datetime, zone: str) -> Element:
    """Return a date that each reader sees in their own time zone."""
    return {
        "type": "date",
        "timestamp": int(at.timestamp()),
        "format": "{date_short_pretty} {time}",
        "fallback": _fallback(at, zone),
    }


def _fallback(at: datetime, zone: str) -> str:
    shown = local(at, zone)
    return f"{shown:%Y-%m-%d} {clock_time(shown)} {zone}"


def _mentions(mentions: Sequence[str]) -> list[Element]:
    sequences = [sequence for mention in mentions if (sequence := mention_of(mention))]
    shown: list[str] = []
    for sequence in sequences:
        if size(" ".join([*shown, sequence])) > SECTION_LIMIT - 2:
            return _section(" ".join([*shown, _CUT]))
        shown.append(sequence)
    return _section(" ".join(shown))


def _quoted(link: str) -> str:
    # BATON_PUBLIC_URL may hold any characters: none of them may end a control sequence.
    return quote(link, safe="%/:?#[]@!$&'()*+,;=")


def _small_print(content: NotificationContent, escalation: EscalationSnapshot) -> list[Element]:
    workspace, agent = (_shortened(name, NAME_LIMIT) for name in (content.workspace_name, content.agent_name))
    at = content.occurred_at
    date = f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{_fallback(at, content.time_zone)}>"
    return [_plain(f"{workspace} · {agent} · {escalation.id}"), _mrkdwn(date)]


def _plain(text: str) -> Element:
    return {"type": "plain_text", "text": text, "emoji": False}


def _mrkdwn(text: str) -> Element:
    # Verbatim: Slack turns no text into links and mentions.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _section(text: str) -> list[Element]:
    return [{"type": "section", "text": _mrkdwn(text)}] if text.strip() else []
