"""The content of a notification, read when it is first sent; each channel renders it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rules.ai_control import AiState
from rules.escalation import EscalationStatus, EscalationTrigger, Priority
from rules.message import MessageRole
from rules.sla_clock import SlaStatus


@dataclass(frozen=True, slots=True)
class TranscriptMessage:
    """A message that the customer sees or wrote.

    `author` names the team member of a HUMAN one. `intents` are those that its caller recorded.
    """

    id: str
    role: MessageRole
    content: str
    at: datetime
    author: str | None = None
    intents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConversationSnapshot:
    """A conversation when it is read.

    `transcript` holds the messages of customer, AI and team, oldest first, but no notes, drafts or notices.
    """

    id: str
    customer_external_id: str | None
    customer_name: str | None
    customer_email: str | None
    ai_state: AiState
    ai_epoch: int
    transcript: tuple[TranscriptMessage, ...]
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class EscalationSnapshot:
    """An escalation when it is read. `confidence` is in percent; `link` leads to it.

    `summary` and `metadata` are the caller's: words for the person who answers, and data of its own.

    `business_hours` are those of its clock, as a document of the settings. Without them the clock runs
    around the clock.
    """

    id: str
    link: str
    status: EscalationStatus
    priority: Priority
    trigger: EscalationTrigger
    reason: str
    detail: str | None
    confidence: float | None
    assignee_name: str | None
    assignee_email: str | None
    created_at: datetime
    target_minutes: int
    at_risk_at: datetime
    due_at: datetime
    sla_status: SlaStatus
    first_responded_at: datetime | None
    resolved_at: datetime | None
    resolution_note: str | None
    business_hours: Mapping[str, Any] | None = None
    version: int = 1
    summary: str | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def urgency(self) -> tuple[int, datetime, str]:
        """The sort key that puts the most urgent escalation first."""
        return -self.priority.rank, self.due_at, self.id


@dataclass(frozen=True, slots=True)
class ChangedField:
    """The change of an escalation.updated: a field with its values before and after.

    `field` is one of `notifications.content.changes.CHANGED_FIELDS`. The values of assignee are email
    addresses. The text of a note is internal and left out. `version` is that of the escalation after the
    change.
    """

    field: str
    before: str | None = None
    after: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class NotificationContent:
    """One event. `type` is its public name, such as escalation.created; `id` is the delivery's, dlv_….

    `change` is the kind of an escalation.updated, a key of `notifications.content.changes.CHANGED_FIELDS`.
    `message` is the reply, or the message that the AI should answer. It is `latest` if the customer has
    written nothing since. `epoch` is that of the event. `time_zone` is that of the AI agent's schedule, in
    which people read times.
    """

    id: str
    type: str
    occurred_at: datetime
    workspace_name: str
    agent_id: str
    agent_name: str
    conversation: ConversationSnapshot
    escalation: EscalationSnapshot | None = None
    change: str | None = None
    message: TranscriptMessage | None = None
    epoch: int | None = None
    time_zone: str = "UTC"
    changed: ChangedField | None = None
    latest: bool = True
