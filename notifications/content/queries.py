"""Queries for the content of deliveries, and the check whether an event is still true."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models.agent import Agent
from models.conversation import Conversation
from models.delivery import Delivery
from models.digest import Digest, DigestEntry
from models.escalation import Escalation
from models.member import Member
from models.message import Message
from models.workspace import Workspace
from notifications.content.changes import load_changed_field
from notifications.content.snapshots import (
    ConversationSnapshot,
    EscalationSnapshot,
    NotificationContent,
    TranscriptMessage,
)
from rules.agent_settings import EscalationSettings
from rules.ai_control import AiState
from rules.events import EventType
from rules.message import SPOKEN_ROLES, MessageRole, MessageStatus
from rules.sla_clock import SlaStatus
from rules.stored_settings import stored_settings
from rules.typeid import AGENT, CONVERSATION, DELIVERY, ESCALATION, MESSAGE, format_id

TRANSCRIPT = 200  # messages at most, the newest
DIGEST_LIMIT = 30  # escalations that a digest shows, the most urgent ones

_CLOCKS: dict[str, SlaStatus] = {
    EventType.SLA_AT_RISK: SlaStatus.AT_RISK,
    EventType.SLA_BREACHED: SlaStatus.BREACHED,
}


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """An AI agent: its global id, its name, that of its workspace, and its settings."""

    global_id: str
    name: str
    workspace_name: str
    settings: EscalationSettings

    @property
    def time_zone(self) -> str:
        """The time zone of the AI agent's schedule."""
        return self.settings.sla.business_hours.timezone


@dataclass(frozen=True, slots=True)
class _Subject:
    """The rows that an event is about: its conversation, and its escalation with the assignee."""

    conversation: Conversation
    escalation: Escalation | None = None
    assignee_name: str | None = None
    assignee_email: str | None = None


# Statements of deliveries are built once: building one takes longer than executing it.
_AGENT = (
    select(Agent.name, Workspace.name, Agent.settings)
    .join(Workspace, Workspace.id == Agent.workspace_id)
    .where(Agent.id == bindparam("agent"))
)
_ASSIGNEE = aliased(Member)
_SUBJECTS = (
    select(Conversation, Escalation, _ASSIGNEE.name, _ASSIGNEE.email)
    .join(Escalation, Escalation.conversation_id == Conversation.id)
    .outerjoin(_ASSIGNEE, _ASSIGNEE.id == Escalation.assignee_id)
    .where(Escalation.id == any_(bindparam("escalations", type_=ARRAY(Uuid))))
)
_MESSAGE = select(
    Message.id, Message.role, Message.content, Message.created_at, Member.name, Message.intents
).outerjoin(Member, Member.id == Message.author_id)
_ONE_MESSAGE = _MESSAGE.where(Message.id == bindparam("message"))
_TRANSCRIPT = (
    _MESSAGE.where(
        Message.conversation_id == bindparam("conversation"),
        Message.role.in_(SPOKEN_ROLES),
        Message.status == MessageStatus.DELIVERED,
    )
    .order_by(Message.position.desc())
    .limit(TRANSCRIPT)
)
_NEWEST_OF_CUSTOMER = (
    select(Message.id)
    .where(Message.conversation_id == bindparam("conversation"), Message.role == MessageRole.USER)
    .order_by(Message.position.desc())
    .limit(1)
)


async def load_agent(session: AsyncSession, agent_id: UUID) -> AgentInfo:
    """Return the names and settings of the AI agent."""
    rows = await session.execute(_AGENT, {"agent": agent_id})
    name, workspace_name, settings = rows.one()
    return AgentInfo(format_id(AGENT, agent_id), name, workspace_name, stored_settings(settings))


async def load_content(
    session: AsyncSession, delivery: Delivery, agent: AgentInfo, url: str, now: datetime
) -> NotificationContent:
    """Return the content of an event's delivery at `now`; `url` is the public address of Baton."""
    if delivery.escalation_id:
        [subject] = await _subjects(session, [delivery.escalation_id])
    else:
        subject = _Subject(await session.get_one(Conversation, delivery.conversation_id))
    transcripts = await _transcripts(session, [subject.conversation.id])
    message = await _message(session, delivery.message_id) if delivery.message_id else None
    turn = delivery.event_type == EventType.TURN_REQUESTED
    content = _content(delivery.event_type, delivery.occurred_at, agent, subject, url, now)
    return replace(
        _with_transcript(content, transcripts),
        id=format_id(DELIVERY, delivery.id),
        change=delivery.change,
        message=message,
        epoch=delivery.epoch,
        latest=await _is_latest(session, delivery) if turn else True,
        changed=await load_changed_field(session, delivery) if delivery.change else None,
    )


async def digest_start(session: AsyncSession, delivery: Delivery) -> datetime:
    """Return the time from which a digest has events: earlier than its hour, if they were planned late."""
    first = select(func.min(DigestEntry.occurred_at)).where(DigestEntry.digest_id == delivery.digest_id)
    since = await session.scalar(
        select(func.least(Digest.since, first.scalar_subquery())).where(Digest.id == delivery.digest_id)
    )
    return since or delivery.occurred_at - timedelta(hours=1)


async def load_digest_content(
    session: AsyncSession, delivery: Delivery, agent: AgentInfo, url: str, now: datetime
) -> list[NotificationContent]:
    """Return the events of a digest that are still true, oldest first.

    Only the escalations that the digest shows have transcripts.
    """
    events = await session.execute(
        select(DigestEntry.escalation_id, DigestEntry.event_type, DigestEntry.occurred_at)
        .where(DigestEntry.digest_id == delivery.digest_id)
        .order_by(DigestEntry.position)
    )
    entries = events.tuples().all()
    subjects = {
        subject.escalation.id: subject
        for subject in await _subjects(session, {escalation_id for escalation_id, *_ in entries})
        if subject.escalation
    }
    contents = [
        _content(event_type, occurred_at, agent, subjects[escalation_id], url, now)
        for escalation_id, event_type, occurred_at in entries
    ]
    current = [content for content in contents if obsolete_reason(content) is None]
    shown = _conversations_of_most_urgent(current)
    transcripts = await _transcripts(
        session, {subject.conversation.id for subject in subjects.values()}, only=shown
    )
    return [_with_transcript(content, transcripts) for content in current]


def obsolete_reason(content: NotificationContent) -> str | None:
    """Return why an event need not be delivered any more, in words, or None while it is true."""
    control = (content.conversation.ai_state, content.conversation.ai_epoch)
    if content.type == EventType.TURN_REQUESTED and control != (AiState.ACTIVE, content.epoch):
        return "The AI may not answer this turn any more."
    announced = _CLOCKS.get(content.type)
    if announced is None or content.escalation is None:
        return None
    if announced is SlaStatus.AT_RISK and (
        content.escalation.first_responded_at or content.escalation.resolved_at
    ):
        return "The escalation was answered or resolved before this was sent."
    status = content.escalation.sla_status
    if status is announced:
        return None
    return f"The clock has another status now: {status.lower().replace('_', ' ')}."


async def _subjects(session: AsyncSession, escalation_ids: Iterable[UUID]) -> list[_Subject]:
    rows = await session.execute(_SUBJECTS, {"escalations": list(escalation_ids)})
    return [_Subject(*row) for row in rows]


def _conversations_of_most_urgent(contents: Sequence[NotificationContent]) -> set[str]:
    # The same escalation is in the digest once for each of its events.
    conversations = {
        content.escalation.urgency: content.conversation.id for content in contents if content.escalation
    }
    return {conversations[urgency] for urgency in sorted(conversations)[:DIGEST_LIMIT]}


async def _transcripts(
    session: AsyncSession, conversation_ids: Iterable[UUID], only: set[str] | None = None
) -> dict[str, tuple[TranscriptMessage, ...]]:
    """Return the newest messages of each conversation by its global id, oldest first."""
    ids = {format_id(CONVERSATION, id_): id_ for id_ in conversation_ids}
    transcripts: dict[str, tuple[TranscriptMessage, ...]] = {}
    for global_id, conversation_id in ids.items():
        if only is None or global_id in only:
            rows = await session.execute(_TRANSCRIPT, {"conversation": conversation_id})
            transcripts[global_id] = tuple(_transcript_message(*row) for row in rows.all()[::-1])
    return transcripts


async def _message(session: AsyncSession, message_id: UUID) -> TranscriptMessage:
    rows = await session.execute(_ONE_MESSAGE, {"message": message_id})
    return _transcript_message(*rows.one())


def _transcript_message(
    message_id: UUID, role: MessageRole, content: str, at: datetime, author: str | None, intents: list[str]
) -> TranscriptMessage:
    return TranscriptMessage(format_id(MESSAGE, message_id), role, content, at, author, tuple(intents))


async def _is_latest(session: AsyncSession, delivery: Delivery) -> bool:
    """Return whether the customer has written nothing since the message of a turn."""
    newest = await session.scalar(_NEWEST_OF_CUSTOMER, {"conversation": delivery.conversation_id})
    return newest == delivery.message_id


def _with_transcript(
    content: NotificationContent, transcripts: Mapping[str, tuple[TranscriptMessage, ...]]
) -> NotificationContent:
    transcript = transcripts.get(content.conversation.id, ())
    return replace(content, conversation=replace(content.conversation, transcript=transcript))


def _content(
    event_type: str, occurred_at: datetime, agent: AgentInfo, subject: _Subject, url: str, now: datetime
) -> NotificationContent:
    conversation = subject.conversation
    return NotificationContent(
        id="",
        type=event_type,
        occurred_at=occurred_at,
        workspace_name=agent.workspace_name,
        agent_id=agent.global_id,
        agent_name=agent.name,
        time_zone=agent.time_zone,
        conversation=ConversationSnapshot(
            id=format_id(CONVERSATION, conversation.id),
            customer_external_id=conversation.customer_external_id,
            customer_name=conversation.customer_name,
            customer_email=conversation.customer_email,
            ai_state=conversation.ai_state,
            ai_epoch=conversation.ai_epoch,
            transcript=(),
            metadata=conversation.details,
        ),
        escalation=_escalation(subject, subject.escalation, url, now) if subject.escalation else None,
    )


def _escalation(subject: _Subject, row: Escalation, url: str, now: datetime) -> EscalationSnapshot:
    global_id = format_id(ESCALATION, row.id)
    return EscalationSnapshot(
        id=global_id,
        link=f"{url}/app/escalations/{global_id}",
        status=row.status,
        priority=row.priority,
        trigger=row.trigger,
        reason=row.reason,
        detail=row.detail,
        confidence=row.confidence,
        assignee_name=subject.assignee_name,
        assignee_email=subject.assignee_email,
        created_at=row.created_at,
        target_minutes=row.sla_target_minutes,
        at_risk_at=row.sla_at_risk_at,
        due_at=row.sla_due_at,
        sla_status=row.clock.status(now),
        first_responded_at=row.first_responded_at,
        resolved_at=row.resolved_at,
        resolution_note=row.resolution_note,
        business_hours=row.sla_policy["business_hours"],
        version=row.version,
        summary=row.summary,
        metadata=row.details,
    )
