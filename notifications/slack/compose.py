"""
Slack messages: the body of chat.postMessage.

Control sequences (<…>: mentions, links, dates) come only from the settings and from this module. Text that
other people wrote is one line, escaped, and without a sign that Slack reads as formatting.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson

from notifications.content.snapshots import ConversationSnapshot, EscalationSnapshot, NotificationContent
from rules.events import TEST, EventType
from rules.message import MessageRole
from rules.slack_format import (
    CONTROL,
    DEFAULT_FORMAT,
    PLACEHOLDER,
    channel_in_full,
    mention_of,
    slack_format_error,
)

# Slack's limits: a section's text has 3,000 characters. Counted in UTF-16, the most that it can mean.
SECTION_LIMIT = 3_000
# The escaped value of one placeholder at most: five of them leave space for the rest.
VALUE_LIMIT = 550

EVENTS = {
    EventType.CREATED: "New escalation",
    EventType.REOPENED: "Escalation reopened",
    EventType.SLA_AT_RISK: "First reply at risk",
    EventType.SLA_BREACHED: "First reply overdue",
    TEST: "Test of a new escalation",
}
TEST_NOTE = "This is a test, and there is nothing to do."

_CUT = "…"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BARE_AMPERSAND = re.compile("&(?!amp;|lt;|gt;)")
# Units that are never cut in half: a control sequence, a placeholder, an entity, a character.
_UNITS = re.compile(rf"{CONTROL.pattern}|{PLACEHOLDER.pattern}|&(?:amp|lt|gt);|.")

# mrkdwn has no escape for its marks, and reads the fullwidth ones too, but not lookalikes.
_LOOKALIKES = str.maketrans({"*": "∗", "＊": "∗", "~": "∼", "`": "ˋ", "｀": "ˋ", "＿": "ˍ"})
# An underscore within a word is no mark: low_confidence and jane_doe@example.com stay as they are.
_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_QUOTE = re.compile("^[>＞]+")
# The end counts as a colon, as another text may follow; times and addresses keep theirs.
_EMOJI = re.compile(r":(?=[0-9]*(?:[^\W0-9]|[+'-])[\w+'-]{0,100}(?::|$))")
# Control characters, directional overrides and halves of characters, which could show what is not there.
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def compose(
    content: NotificationContent, *, channel: str, message_format: str, mentions: Sequence[str]
) -> bytes:
    """
    Return the message of `content`, which must have an escalation.

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
    text = _filled(message_format, values, _address(escalation.link))
    mentioned = [f"{mention} " for mention in map(mention_of, mentions) if mention]
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": f"{event}: {priority}", "emoji": False}},
        *note,
        *_section(_cut(mentioned).rstrip()),
        *_section(text),
        *_section(f"<{_address(escalation.link)}|Open the escalation>"),
        {"type": "context", "elements": [_mrkdwn(_small_print(content, values))]},
    ]
    message: dict[str, Any] = {
        "channel": channel_in_full(channel),
        "text": f"{event}, {priority}. {values['customer']}: {values['reason']}",
        "blocks": blocks,
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


def _escaped(text: str) -> str:
    """Return a text as one line without formatting for Slack, cut visibly between its escapes."""
    # One sign more than fits, so that the cut is visible.
    line = " ".join(_INVISIBLE.sub("", text).split())[: VALUE_LIMIT + 1]
    line = _UNDERSCORE.sub("ˍ", line.translate(_LOOKALIKES))
    line = _EMOJI.sub("∶", _QUOTE.sub(lambda match: "›" * len(match[0]), line))
    return _cut([_ESCAPES.get(sign, sign) for sign in line], VALUE_LIMIT)


def _values(content: NotificationContent, escalation: EscalationSnapshot, event: str) -> dict[str, str]:
    """Return the escaped value of each of rules.slack_format.PLACEHOLDERS, except the link."""
    messages = [
        message.content for message in content.conversation.transcript if message.role is MessageRole.USER
    ]
    confidence = escalation.confidence
    written = {
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
    dates = {"created": _date(escalation.created_at), "due": _date(escalation.due_at)}
    return {name: _escaped(value) for name, value in written.items()} | dates


def _customer(conversation: ConversationSnapshot) -> str:
    name, email = conversation.customer_name, conversation.customer_email
    if name and email:
        return f"{name} ({email})"
    return name or email or conversation.customer_external_id or "Unknown customer"


def _date(at: datetime) -> str:
    """Return a date that each reader sees in their own time zone."""
    words = f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{words}>"


def _address(link: str) -> str:
    # BATON_PUBLIC_URL may hold any characters: none of them may end the control sequence.
    return quote(link, safe="%/:?#[]@!$&'()*+,;=").replace("&", "&amp;")


def _small_print(content: NotificationContent, values: Mapping[str, str]) -> str:
    return f"{values['workspace']} · {values['agent']} · {values['id']} · {_date(content.occurred_at)}"


def _filled(message_format: str, values: Mapping[str, str], address: str) -> str:
    """Return the format with its placeholders filled, without lines whose placeholders are all empty."""
    if slack_format_error(message_format):
        message_format = DEFAULT_FORMAT
    values = {**values, "link": f"<{address}>"}
    units: list[str] = []
    for line in _BARE_AMPERSAND.sub("&amp;", message_format).replace("\r", "").split("\n"):
        names = PLACEHOLDER.findall(line)
        if not names or any(values[name] for name in names):
            units += [*_units(line, values, address), "\n"]
    return _cut(units).strip()


def _units(line: str, values: Mapping[str, str], address: str) -> Iterable[str]:
    for match in _UNITS.finditer(line):
        unit = match[0]
        if unit.startswith("<"):
            yield unit.replace("{link}", address)
        elif unit.startswith("{") and len(unit) > 1:
            yield from (inner[0] for inner in _UNITS.finditer(values[unit[1:-1]]))
        else:
            yield unit


def _cut(units: Sequence[str], limit: int = SECTION_LIMIT) -> str:
    """Join `units`; if that is longer than `limit`, join as many as fit and add a sign of the cut."""
    if sum(map(_size, units)) <= limit:
        return "".join(units)
    taken, space = [], limit - _size(_CUT)
    for unit in units:
        space -= _size(unit)
        if space < 0:
            break
        taken.append(unit)
    return "".join(taken).rstrip() + _CUT


def _size(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _mrkdwn(text: str) -> dict[str, Any]:
    # Verbatim: Slack turns no text into links and mentions.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _section(text: str) -> list[dict[str, Any]]:
    return [{"type": "section", "text": _mrkdwn(text)}] if text.strip() else []
