"""
What belongs to many rows at once, each by one statement.

These are for rows that were reached through a visible one.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, any_, bindparam, select

from models.agent import Agent
from models.compiled_select import CompiledSelect
from models.conversation import Conversation
from models.delivery import DeliveryAttempt
from models.escalation import Escalation, EscalationNote, TriggerEvent
from models.log import Stream
from models.member import Member
from models.message import Message
from models.pending_escalation import PendingEscalation
from models.slack_connection import SlackConnection
from models.webhook_endpoint import WebhookEndpoint
from models.workspace import Workspace
from realtime.cursor import Cursor
from resolvers.actor import Actor, ActorKind
from resolvers.context import Context
from resolvers.visibility import (
    bind_values,
    template_actor,
    visible_agents,
    visible_conversations,
    visible_escalations,
    visible_messages,
    visible_webhook_endpoints,
)
from rules.agent_settings import EscalationSettings
from rules.escalation import EscalationStatus
from rules.pending_escalation import PendingOutcome

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


_IDS = any_(bindparam("ids", type_=ARRAY(Uuid)))


def _for_each(ask: Callable[[Actor], Select[*Ts]]) -> dict[ActorKind, CompiledSelect[*Ts]]:
    return {kind: CompiledSelect(ask(template_actor(kind))) for kind in ActorKind}


# What live events and lists are made of.
_CONVERSATIONS = _for_each(
    lambda actor: (
        visible_conversations(actor)
        .join(Agent, Agent.id == Conversation.agent_id)
        .join(Stream, Stream.id == Conversation.id)
        .where(Conversation.id == _IDS)
        .add_columns(Agent.settings, Stream.head, Stream.head_at)
    )
)
_MESSAGES = _for_each(lambda actor: visible_messages(actor).where(Message.id == _IDS))
_ESCALATIONS = _for_each(lambda actor: visible_escalations(actor).where(Escalation.id == _IDS))
_ACTIVE = _for_each(
    lambda actor: visible_escalations(actor).where(
        Escalation.conversation_id == _IDS, Escalation.status != EscalationStatus.RESOLVED
    )
)
_MEMBERS = CompiledSelect(
    select(Member).where(Member.workspace_id == bindparam("workspace_id"), Member.id == _IDS)
)


async def _visible(
    context: Context, kept: dict[ActorKind, CompiledSelect[*Ts]], ids: Sequence[UUID]
) -> list[tuple[*Ts]]:
    actor = context.actor
    return await kept[actor.kind].rows(context.database, **bind_values(actor), ids=ids)


@dataclass(frozen=True, slots=True)
class ConversationState:
    """A conversation, its agent's settings, and the head of its log from the same instant."""

    row: Conversation
    settings: EscalationSettings
    cursor: str


async def conversations_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, ConversationState]:
    """The visible ones of them."""
    known: dict[UUID, EscalationSettings] = {}
    states = {}
    for row, settings, head, head_at in await _visible(context, _CONVERSATIONS, ids):
        if row.agent_id not in known:
            known[row.agent_id] = EscalationSettings.model_validate(settings)
        cursor = str(Cursor(row.id, head, head_at))
        states[row.id] = ConversationState(row, known[row.agent_id], cursor)
    return states


async def messages_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, Message]:
    """The visible ones of them."""
    return {row.id: row for (row,) in await _visible(context, _MESSAGES, ids)}


async def escalations_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, Escalation]:
    """The visible ones of them."""
    return {row.id: row for (row,) in await _visible(context, _ESCALATIONS, ids)}


async def active_escalations(context: Context, ids: Sequence[UUID]) -> dict[UUID, Escalation]:
    """By the conversation: its active escalation."""
    return {row.conversation_id: row for (row,) in await _visible(context, _ACTIVE, ids)}


async def pending_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, PendingEscalation]:
    """Those of them that wait still."""
    found = select(PendingEscalation).where(
        PendingEscalation.workspace_id == context.actor.workspace_id,
        PendingEscalation.id.in_(ids),
        PendingEscalation.outcome == PendingOutcome.WAITING,
    )
    async with context.database.autocommit_session() as session:
        return {row.id: row for row in await session.scalars(found)}


async def webhook_endpoints_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, list[WebhookEndpoint]]:
    """By the AI agent: its endpoints, oldest first."""
    found = (
        visible_webhook_endpoints(context.actor)
        .where(WebhookEndpoint.agent_id.in_(ids))
        .order_by(WebhookEndpoint.id)
    )
    async with context.database.autocommit_session() as session:
        return _gathered([(row.agent_id, row) for row in await session.scalars(found)])


async def slack_connections_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, SlackConnection]:
    """By the AI agent: its Slack bot."""
    found = select(SlackConnection).where(
        SlackConnection.workspace_id == context.actor.workspace_id, SlackConnection.agent_id.in_(ids)
    )
    async with context.database.autocommit_session() as session:
        return {row.agent_id: row for row in await session.scalars(found)}


async def attempts_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, list[DeliveryAttempt]]:
    """By the delivery: its attempts that have come to an end, oldest first."""
    found = (
        select(DeliveryAttempt)
        .where(DeliveryAttempt.delivery_id.in_(ids))
        .order_by(DeliveryAttempt.attempted_at, DeliveryAttempt.id)
    )
    async with context.database.autocommit_session() as session:
        return _gathered([(row.delivery_id, row) for row in await session.scalars(found)])


async def agents_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, Agent]:
    """The visible ones of them."""
    async with context.database.autocommit_session() as session:
        found = await session.scalars(visible_agents(context.actor).where(Agent.id.in_(ids)))
        return {row.id: row for row in found}


async def members_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, Member]:
    """Authors and assignees, also for customers: they see who answers them."""
    rows = await _MEMBERS.rows(context.database, workspace_id=context.actor.workspace_id, ids=ids)
    return {row.id: row for (row,) in rows}


async def workspaces_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, Workspace]:
    """The caller's own, if it is among them."""
    async with context.database.autocommit_session() as session:
        found = await session.scalars(
            select(Workspace).where(Workspace.id == context.actor.workspace_id, Workspace.id.in_(ids))
        )
        return {row.id: row for row in found}


async def triggers_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, list[TriggerEvent]]:
    """By the escalation: what fired while it was active, oldest first."""
    found = (
        select(TriggerEvent)
        .where(TriggerEvent.escalation_id.in_(ids))
        .order_by(TriggerEvent.occurred_at, TriggerEvent.id)
    )
    async with context.database.autocommit_session() as session:
        return _gathered([(row.escalation_id, row) for row in await session.scalars(found)])


async def notes_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, list[EscalationNote]]:
    """By the escalation: its notes, oldest first."""
    found = (
        select(EscalationNote)
        .where(EscalationNote.escalation_id.in_(ids))
        .order_by(EscalationNote.created_at, EscalationNote.id)
    )
    async with context.database.autocommit_session() as session:
        return _gathered([(row.escalation_id, row) for row in await session.scalars(found)])


def _gathered(pairs: Sequence[tuple[UUID, T]]) -> dict[UUID, list[T]]:
    lists: dict[UUID, list[T]] = defaultdict(list)
    for key, row in pairs:
        lists[key].append(row)
    return lists
