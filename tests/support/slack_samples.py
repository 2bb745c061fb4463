"""A notification content for Slack, and one with hostile text in every writable place."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from notifications.content.snapshots import (
    ConversationSnapshot,
    EscalationSnapshot,
    NotificationContent,
    TranscriptMessage,
)
from notifications.slack.compose import compose
from rules.ai_control import AiState
from rules.escalation import EscalationStatus, EscalationTrigger, Priority
from rules.message import MessageRole
from rules.sla_clock import SlaStatus
from rules.slack_format import DEFAULT_FORMAT

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LINK = "https://baton.example.com/app/escalations/esc_1?a=1&b=2"
LINK_IN_SLACK = LINK.replace("&", "&amp;")
DUE = f"[date {int(NOON.timestamp()) + 7_200}, 2026-03-02 14:00 UTC]"
CREATED = f"[date {int(NOON.timestamp())}, 2026-03-02 12:00 UTC]"
CREATED_IN_MRKDWN = f"<!date^{int(NOON.timestamp())}^{{date_short_pretty}} {{time}}|2026-03-02 12:00 UTC>"

ESCALATION = EscalationSnapshot(
    id="esc_1",
    link=LINK,
    status=EscalationStatus.IN_PROGRESS,
    priority=Priority.HIGH,
    trigger=EscalationTrigger.LOW_CONFIDENCE,
    reason="low_confidence",
    detail="a detail",
    confidence=35.0,
    assignee_name="Bo",
    assignee_email="bo@example.com",
    created_at=NOON,
    target_minutes=120,
    at_risk_at=NOON + timedelta(minutes=96),
    due_at=NOON + timedelta(minutes=120),
    sla_status=SlaStatus.ON_TRACK,
    first_responded_at=None,
    resolved_at=None,
    resolution_note=None,
)
CONVERSATION = ConversationSnapshot(
    id="conv_1",
    customer_external_id="crm-7",
    customer_name="Jane Doe",
    customer_email="jane_doe@example.com",
    ai_state=AiState.PAUSED,
    ai_epoch=2,
    transcript=(
        TranscriptMessage("msg_1", MessageRole.USER, "hello", NOON),
        TranscriptMessage("msg_2", MessageRole.USER, "My parcel is late", NOON),
        TranscriptMessage("msg_3", MessageRole.ASSISTANT, "It is on its way.", NOON),
    ),
)
STORY = NotificationContent(
    id="dlv_1",
    type="escalation.created",
    occurred_at=NOON,
    workspace_name="Acme",
    agent_id="agent_1",
    agent_name="Shop helper",
    conversation=CONVERSATION,
    escalation=ESCALATION,
)


def load_content(
    text: str, *, name: str | None = None, escalation: EscalationSnapshot = ESCALATION, **changes: Any
) -> NotificationContent:
    """Return a content with `text` wherever a customer, a caller or a member can write."""
    said = (TranscriptMessage("msg_1", MessageRole.USER, text, NOON),)
    conversation = replace(
        CONVERSATION,
        customer_name=name or text,
        customer_email=text,
        customer_external_id=text,
        transcript=said,
    )
    escalation = replace(escalation, reason=text, detail=text, assignee_name=text)
    return replace(
        STORY, conversation=conversation, escalation=escalation, agent_name=text, workspace_name=text
    )


_MARKS = {"bold": "*", "italic": "_", "strike": "~", "code": "`"}


def spelled(block: dict[str, Any]) -> str:
    """Return a rich_text block as text: styles as marks, quotes as “> ”, other elements in brackets."""
    parts = []
    for part in block["elements"]:
        text = "".join(map(_spelled_element, part["elements"]))
        parts.append(f"> {text}" if part["type"] == "rich_text_quote" else text)
    return "\n".join(parts)


def _spelled_element(element: dict[str, Any]) -> str:
    match element["type"]:
        case "text":
            marks = "".join(_MARKS[style] for style in element.get("style", {}))
            return f"{marks}{element['text']}{marks[::-1]}"
        case "link":
            return f"[{element['url']}{'|' + element['text'] if 'text' in element else ''}]"
        case "date":
            assert element["format"] == "{date_short_pretty} {time}"
            return f"[date {element['timestamp']}, {element['fallback']}]"
        case kind:
            [(_, value)] = [item for item in element.items() if item[0] not in ("type", "style")]
            return f"[{kind} {value}]"


CONTROLS = re.compile("<[^<>]*>")
MENTIONS = ["here", "U0JANE", "S0TEAM"]


def message_of(
    story: NotificationContent = STORY,
    message_format: str = DEFAULT_FORMAT,
    mentions: list[str] = MENTIONS,
    channel: str = "C0123",
) -> dict[str, Any]:
    """Return the message as Slack receives it."""
    body = compose(story, channel=channel, message_format=message_format, mentions=mentions)
    message: dict[str, Any] = orjson.loads(body)
    return message


def texts_of(message: dict[str, Any]) -> list[str]:
    """Everything in a message that Slack reads as mrkdwn."""
    *blocks, small_print = message["blocks"]
    parts = [block.get("text") or {} for block in blocks] + small_print["elements"]
    return [part["text"] for part in parts if part.get("type") == "mrkdwn"]


def body_of(message: dict[str, Any]) -> dict[str, Any] | None:
    """Return the block of the message format, or None."""
    return next((block for block in message["blocks"] if block["type"] == "rich_text"), None)


def rendered(message_format: str, story: NotificationContent = STORY) -> str | None:
    """Render a format and return its text, or None."""
    block = body_of(message_of(story, message_format))
    return spelled(block) if block else None
