"""Reading what a delivery has to tell, as it is when it is told, and whether it is still true."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.agent import Agent
from models.conversation import Conversation
from models.delivery import Delivery
from models.digest import DigestEntry
from models.escalation import Escalation
from models.ids import new_id
from models.member import Member
from models.message import Message
from models.workspace import Workspace
from notifications.content.snapshots import (
    ConversationSnapshot,
    EscalationSnapshot,
    NotificationContent,
    TranscriptMessage,
)
from rules.ai_control import AiState
from rules.escalation import EscalationStatus, EscalationTrigger, Priority
from rules.events import EventType
from rules.message import MessageRole, MessageStatus
from rules.sla_clock import SlaStatus
from rules.typeid import AGENT, CONVERSATION, DELIVERY, ESCALATION, MESSAGE, format_id

TRANSCRIPT = 200  # messages at most, the newest
_CLOCKS: dict[str, SlaStatus] = {
    EventType.SLA_AT_RISK: SlaStatus.AT_RISK,
    EventType.SLA_BREACHED: SlaStatus.BREACHED,
}
_SPOKEN = (MessageRole.USER, MessageRole.ASSISTANT, MessageRole.HUMAN)


async def load_content(
    session: AsyncSession, delivery: Delivery, url: str, now: datetime
) -> NotificationContent:
    """What the delivery of an event has to tell, read at `now`; `url` is where people reach Baton."""
    return await _Reader(session, url, now).read(
        delivery,
        format_id(DELIVERY, delivery.id),
        delivery.event_type,
        delivery.occurred_at,
        delivery.escalation_id,
    )


async def load_digest_content(
    session: AsyncSession, delivery: Delivery, url: str, now: datetime
) -> list[NotificationContent]:
    """What the delivery of a digest has to tell: its events that are still true, oldest first."""
    reader = _Reader(session, url, now)
    entries = await session.scalars(
        select(DigestEntry).where(DigestEntry.digest_id == delivery.digest_id).order_by(DigestEntry.position)
    )
    stories = [
        await reader.read(
            delivery,
            f"{format_id(DELIVERY, delivery.id)}.{one.position}",
            one.event_type,
            one.occurred_at,
            one.escalation_id,
        )
        for one in entries
    ]
    return [content for content in stories if obsolete_reason(content) is None]


async def sample_content(
    session: AsyncSession, delivery: Delivery, url: str, now: datetime
) -> NotificationContent:
    """A made-up escalation, to try a channel with."""
    agent = await session.get_one(Agent, delivery.agent_id)
    workspace = await session.get_one(Workspace, delivery.workspace_id)
    said = (
        (MessageRole.USER, "This is a sample: can I talk to a person?"),
        (MessageRole.ASSISTANT, "Of course."),
    )
    return NotificationContent(
        id=format_id(DELIVERY, delivery.id),
        type=delivery.event_type,
        occurred_at=delivery.occurred_at,
        workspace_name=workspace.name,
        agent_id=format_id(AGENT, agent.id),
        agent_name=agent.name,
        conversation=ConversationSnapshot(
            id=format_id(CONVERSATION, delivery.id),
            customer_external_id="sample",
            customer_name="Sample Customer",
            customer_email="customer@example.com",
            ai_state=AiState.PAUSED,
            ai_epoch=2,
            transcript=tuple(
                TranscriptMessage(format_id(MESSAGE, new_id()), role, content, delivery.occurred_at)
                for role, content in said
            ),
        ),
        escalation=_sample_escalation(delivery, url),
    )


def _sample_escalation(delivery: Delivery, url: str) -> EscalationSnapshot:
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
    )


def obsolete_reason(content: NotificationContent) -> str | None:
    """Why an event need not be told any more, in words; None while it is true."""
    ai = (content.conversation.ai_state, content.conversation.ai_epoch)
    if content.type == EventType.TURN_REQUESTED and ai != (AiState.ACTIVE, content.epoch):
        return "The AI may not answer this turn any more."
    told = _CLOCKS.get(content.type)
    if told is None or content.escalation is None:
        return None
    if told is SlaStatus.AT_RISK and (
        content.escalation.first_responded_at or content.escalation.resolved_at
    ):
        return "The escalation was answered or resolved before this was sent."
    stands = content.escalation.sla_status
    if stands is told:
        return None
    return f"The clock stands otherwise by now: {stands.lower().replace('_', ' ')}."


class _Reader:
    """Reads stories in one session."""

    def __init__(self, session: AsyncSession, url: str, now: datetime) -> None:
        self._session = session
        self._url = url
        self._now = now

    async def read(
        self, delivery: Delivery, id_: str, type_: str, occurred_at: datetime, escalation_id: UUID | None
    ) -> NotificationContent:
        escalation = await self._session.get(Escalation, escalation_id) if escalation_id else None
        conversation_id = escalation.conversation_id if escalation else delivery.conversation_id
        conversation = await self._session.get_one(Conversation, conversation_id)
        agent = await self._session.get_one(Agent, delivery.agent_id)
        workspace = await self._session.get_one(Workspace, delivery.workspace_id)
        message = await self._session.get(Message, delivery.message_id) if delivery.message_id else None
        return NotificationContent(
            id=id_,
            type=type_,
            occurred_at=occurred_at,
            workspace_name=workspace.name,
            agent_id=format_id(AGENT, agent.id),
            agent_name=agent.name,
            conversation=await self._conversation(conversation),
            escalation=await self._escalation(escalation) if escalation else None,
            change=delivery.change,
            message=(await self._said([message]))[0] if message else None,
            epoch=delivery.epoch,
        )

    async def _conversation(self, row: Conversation) -> ConversationSnapshot:
        newest = await self._session.scalars(
            select(Message)
            .where(
                Message.conversation_id == row.id,
                Message.role.in_(_SPOKEN),
                Message.status == MessageStatus.DELIVERED,
            )
            .order_by(Message.position.desc())
            .limit(TRANSCRIPT)
        )
        return ConversationSnapshot(
            id=format_id(CONVERSATION, row.id),
            customer_external_id=row.customer_external_id,
            customer_name=row.customer_name,
            customer_email=row.customer_email,
            ai_state=row.ai_state,
            ai_epoch=row.ai_epoch,
            transcript=tuple(await self._said(list(newest)[::-1])),
        )

    async def _said(self, messages: Sequence[Message]) -> list[TranscriptMessage]:
        names = await self._names({one.author_id for one in messages if one.author_id})
        return [
            TranscriptMessage(
                id=format_id(MESSAGE, one.id),
                role=one.role,
                content=one.content,
                at=one.created_at,
                author=names.get(one.author_id) if one.author_id else None,
            )
            for one in messages
        ]

    async def _names(self, ids: set[UUID]) -> dict[UUID, str]:
        if not ids:
            return {}
        found = await self._session.execute(select(Member.id, Member.name).where(Member.id.in_(ids)))
        return dict(found.tuples().all())

    async def _escalation(self, row: Escalation) -> EscalationSnapshot:
        assignee = await self._session.get(Member, row.assignee_id) if row.assignee_id else None
        spelled = format_id(ESCALATION, row.id)
        return EscalationSnapshot(
            id=spelled,
            link=f"{self._url}/app/escalations/{spelled}",
            status=row.status,
            priority=row.priority,
            trigger=row.trigger,
            reason=row.reason,
            detail=row.detail,
            confidence=row.confidence,
            assignee_name=assignee.name if assignee else None,
            assignee_email=assignee.email if assignee else None,
            created_at=row.created_at,
            target_minutes=row.sla_target_minutes,
            at_risk_at=row.sla_at_risk_at,
            due_at=row.sla_due_at,
            sla_status=row.clock.status(self._now),
            first_responded_at=row.first_responded_at,
            resolved_at=row.resolved_at,
            resolution_note=row.resolution_note,
        )
