"""A made-up escalation, to try a channel with."""

from datetime import timedelta

from models.delivery import Delivery
from models.ids import new_id
from notifications.content.queries import AgentInfo
from notifications.content.snapshots import (
    ConversationSnapshot,
    EscalationSnapshot,
    NotificationContent,
    TranscriptMessage,
)
from rules.ai_control import AiState
from rules.escalation import EscalationStatus, EscalationTrigger, Priority
from rules.message import MessageRole
from rules.sla_clock import SlaStatus
from rules.typeid import CONVERSATION, DELIVERY, ESCALATION, MESSAGE, format_id

_MESSAGES = (
    (MessageRole.USER, "This is a sample: can I talk to a person?"),
    (MessageRole.ASSISTANT, "Of course."),
)


def sample_content(delivery: Delivery, agent: AgentInfo, url: str) -> NotificationContent:
    """Return the content of a sample's delivery; `url` is the public address of Baton."""
    transcript = tuple(
        TranscriptMessage(format_id(MESSAGE, new_id()), role, content, delivery.occurred_at)
        for role, content in _MESSAGES
    )
    return NotificationContent(
        id=format_id(DELIVERY, delivery.id),
        type=delivery.event_type,
        occurred_at=delivery.occurred_at,
        workspace_name=agent.workspace_name,
        agent_id=agent.global_id,
        agent_name=agent.name,
        time_zone=agent.time_zone,
        conversation=ConversationSnapshot(
            id=format_id(CONVERSATION, delivery.id),
            customer_external_id="sample",
            customer_name="Sample Customer",
            customer_email="customer@example.com",
            ai_state=AiState.PAUSED,
            ai_epoch=2,
            transcript=transcript,
        ),
        escalation=_escalation(delivery, agent, url),
    )


def _escalation(delivery: Delivery, agent: AgentInfo, url: str) -> EscalationSnapshot:
    return EscalationSnapshot(
        id=format_id(ESCALATION, delivery.id),
        link=f"{url}/app",
        status=EscalationStatus.OPEN,
        priority=Priority.MEDIUM,
        trigger=EscalationTrigger.PHRASE,
        reason="user_phrase",
        detail="talk to a person",
        confidence=None,
        assignee_name=None,
        assignee_email=None,
        created_at=delivery.occurred_at,
        target_minutes=120,
        at_risk_at=delivery.occurred_at + timedelta(minutes=96),
        due_at=delivery.occurred_at + timedelta(minutes=120),
        sla_status=SlaStatus.ON_TRACK,
        first_responded_at=None,
        resolved_at=None,
        resolution_note=None,
        business_hours=agent.settings.sla.business_hours.model_dump(mode="json"),
    )
