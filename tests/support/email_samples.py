"""Notification contents for emails, and mails parsed as mail programs do."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any

from notifications.content.snapshots import (
    ConversationSnapshot,
    EscalationSnapshot,
    NotificationContent,
    TranscriptMessage,
)
from notifications.email.compose import compose
from rules.ai_control import AiState
from rules.escalation import EscalationStatus, EscalationTrigger, Priority
from rules.message import MessageRole
from rules.sla_clock import SlaStatus

AT = datetime(2026, 3, 4, 14, 30, 5, tzinfo=UTC)
SENDER = "Baton <baton@example.com>"
TEAM = "team@example.com"
LINK = "https://baton.example.com/app/escalations/esc_1?a=1&b=2"
CREATED, REOPENED, AT_RISK, BREACHED = (
    f"escalation.{kind}" for kind in ("created", "reopened", "sla_at_risk", "sla_breached")
)
HEADERS = {
    "From": "Baton <baton@example.com>",
    "To": TEAM,
    "Subject": "[HIGH] Jane Doe: asked for a person",
    "Date": "Wed, 04 Mar 2026 14:30:05 +0000",
    "In-Reply-To": "<esc_1@example.com>",
    "References": "<esc_1@example.com>",
    "Auto-Submitted": "auto-generated",
    "X-Auto-Response-Suppress": "All",
    "MIME-Version": "1.0",
}


def create_said(
    content: str, role: MessageRole = MessageRole.USER, minute: int = 0, author: str | None = None
) -> TranscriptMessage:
    return TranscriptMessage(f"msg_{minute}", role, content, AT - timedelta(minutes=60 - minute), author)


def create_escalation(**changes: Any) -> EscalationSnapshot:
    escalation = EscalationSnapshot(
        id="esc_1",
        link=LINK,
        status=EscalationStatus.OPEN,
        priority=Priority.HIGH,
        trigger=EscalationTrigger.PHRASE,
        reason="user_phrase",
        detail="talk to a human",
        confidence=None,
        assignee_name=None,
        assignee_email=None,
        created_at=AT,
        target_minutes=120,
        at_risk_at=AT + timedelta(minutes=96),
        due_at=AT + timedelta(minutes=120),
        sla_status=SlaStatus.ON_TRACK,
        first_responded_at=None,
        resolved_at=None,
        resolution_note=None,
    )
    return replace(escalation, **changes)


def create_story(
    *said: TranscriptMessage,
    id_: str = "dlv_1",
    type_: str = CREATED,
    name: str | None = "Jane Doe",
    **changes: Any,
) -> NotificationContent:
    conversation = ConversationSnapshot(
        id="cnv_1",
        customer_external_id="crm-7",
        customer_name=name,
        customer_email="jane@customer.example",
        ai_state=AiState.PAUSED,
        ai_epoch=2,
        transcript=said,
    )
    escalation = create_escalation(**changes)
    return NotificationContent(id_, type_, AT, "Shop Inc", "agt_1", "Support AI", conversation, escalation)


def composed(story: NotificationContent, *, transcript: bool = True, recipient: str = TEAM) -> EmailMessage:
    return read(compose(story, sender=SENDER, recipient=recipient, include_transcript=transcript))


def read(raw: bytes) -> EmailMessage:
    """Parse a message like a mail program, and check its form."""
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", raw) is None
    assert max(map(len, raw.split(b"\r\n"))) <= 200
    assert raw.isascii()
    assert b"\0" not in raw
    message = message_from_bytes(raw, policy=default)
    assert [part.defects for part in message.walk()] == [[], [], []]
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    return message


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    part = message.get_body((kind,))
    assert part is not None
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


class Page(HTMLParser):
    """The elements, links and texts of an HTML page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str | None] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name in ("href", "src", "action")]
        kind = dict(attrs).get("class") or tag
        if tag == "br":
            self.texts[self._open[-1]][-1] += "\n"
        elif tag not in ("meta",):
            self._open.append(kind)
            self.texts.setdefault(kind, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]][-1] += data


def page_of(message: EmailMessage) -> Page:
    return Page(text_of(message, "html"))


def sizes(raw: bytes) -> tuple[int, int]:
    return len(raw), len(text_of(read(raw), "html").encode())
