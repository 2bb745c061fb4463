"""Batch look-ups for many rows with one statement each.

They are meant for ids that were reached through a visible row.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, TypeVarTuple, cast
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import InstrumentedAttribute

from models.agent import Agent
from models.compiled_look_up import CompiledLookUp
from models.conversation import Conversation
from models.delivery import DeliveryAttempt, DeliveryTarget
from models.escalation import Escalation, EscalationNote, TriggerEvent
from models.log import Stream
from models.member import Member
from models.message import Message
from models.pending_escalation import PendingEscalation
from models.slack_connection import SlackConnection
from models.viewing import Viewing
from models.webhook_endpoint import WebhookEndpoint
from models.words import folded
from models.workspace import Workspace
from realtime.cursor import Cursor
from realtime.recipients import unconfirmed
from resolvers.context import Context
from resolvers.pagination import LISTED, VIEWERS
from resolvers.visibility import (
    Visibility,
    bind_values,
    visible_agents,
    visible_conversations,
    visible_escalations,
    visible_messages,
    visible_webhook_endpoints,
)
from rules.agent_settings import EscalationSettings
from rules.escalation import EscalationStatus
from rules.message import MessageRole
from rules.pending_escalation import PendingOutcome
from rules.stored_settings import stored_settings

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def _look_ups(
    build: Callable[[Visibility], Select[*Ts]], column: InstrumentedAttribute[UUID]
) -> dict[bool, CompiledLookUp[*Ts]]:
    """Compile look-ups by a column for team and customers; the key is True for customers."""
    return {
        customer: CompiledLookUp(build(Visibility.template(customer=customer)), column)
        for customer in (False, True)
    }


# The rows of live events and lists.
_CONVERSATIONS = _look_ups(
    lambda seen: (
        visible_conversations(seen)
        .join(Agent, Agent.id == Conversation.agent_id)
        .join(Stream, Stream.id == Conversation.id)
        .add_columns(Agent.settings, Stream.head, Stream.head_at)
    ),
    Conversation.id,
)
_ONLY_CONVERSATIONS = _look_ups(visible_conversations, Conversation.id)
_MESSAGES = _look_ups(visible_messages, Message.id)
_ESCALATIONS = _look_ups(visible_escalations, Escalation.id)
_ACTIVE = _look_ups(
    lambda seen: visible_escalations(seen).where(Escalation.status != EscalationStatus.RESOLVED),
    Escalation.conversation_id,
)
_MEMBERS = CompiledLookUp(select(Member).where(Member.workspace_id == bindparam("workspace_id")), Member.id)

_VIEWERS = CompiledLookUp(
    select(Viewing.conversation_id, Member)
    .join(Member, Member.id == Viewing.member_id)
    .where(
        Viewing.ends_at > func.clock_timestamp(),
        Member.workspace_id == bindparam("workspace_id"),
        Member.removed_at.is_(None),
    )
    .order_by(folded(Member.name), Member.id),
    Viewing.conversation_id,
)

_UNREAD = CompiledLookUp(
    select(Message.conversation_id, func.count())
    .join(Conversation, Conversation.id == Message.conversation_id)
    .where(
        Conversation.workspace_id == bindparam("workspace_id"),
        Message.role == MessageRole.USER,
        Message.position > Conversation.team_read_position,
    )
    .group_by(Message.conversation_id),
    Message.conversation_id,
)


async def _visible(
    context: Context, look_ups: dict[bool, CompiledLookUp[*Ts]], ids: Sequence[UUID]
) -> list[tuple[*Ts]]:
    look_up = look_ups[context.actor.is_customer]
    return await look_up.rows(context.database, ids, context.shown, **bind_values(context.actor))


@dataclass(frozen=True, slots=True)
class ConversationState:
    """A conversation, its agent's settings, and the head of its log from the same instant.

    Settings and cursor are None if the result shows nothing of them.
    """

    row: Conversation
    settings: EscalationSettings | None
    cursor: str | None


# Names among the shown columns of conversations, of what other tables have.
SETTINGS, CURSOR = "settings", "cursor"


async def conversations_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, ConversationState]:
    """Return the visible conversations by id, with settings and cursor."""
    if not context.shown.get(Conversation, {SETTINGS, CURSOR}) & {SETTINGS, CURSOR}:
        rows = await _visible(context, _ONLY_CONVERSATIONS, ids)
        return {row.id: ConversationState(row, None, None) for (row,) in rows}
    states = {}
    for row, settings, head, head_at in await _visible(context, _CONVERSATIONS, ids):
        cursor = str(Cursor(row.id, head, head_at))
        states[row.id] = ConversationState(row, stored_settings(settings), cursor)
    return states


async def messages_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, Message]:
    """Return the visible messages by id."""
    return {row.id: row for (row,) in await _visible(context, _MESSAGES, ids)}


async def escalations_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, Escalation]:
    """Return the visible escalations by id."""
    return {row.id: row for (row,) in await _visible(context, _ESCALATIONS, ids)}


async def active_escalations(context: Context, ids: Sequence[UUID]) -> dict[UUID, Escalation]:
    """Return the active escalation of each conversation."""
    return {row.conversation_id: row for (row,) in await _visible(context, _ACTIVE, ids)}


async def pending_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, PendingEscalation]:
    """Return the pending escalations by id."""
    rows = select(PendingEscalation).where(
        PendingEscalation.workspace_id == context.actor.workspace_id,
        PendingEscalation.id.in_(ids),
        PendingEscalation.outcome == PendingOutcome.WAITING,
    )
    async with context.database.autocommit_session() as session:
        return {row.id: row for row in await session.scalars(rows)}


async def webhook_endpoints_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, list[WebhookEndpoint]]:
    """Return the endpoints of each AI agent, oldest first."""
    rows = (
        visible_webhook_endpoints(Visibility.of(context.actor))
        .where(WebhookEndpoint.agent_id.in_(ids))
        .order_by(WebhookEndpoint.id)
    )
    async with context.database.autocommit_session() as session:
        return _grouped([(row.agent_id, row) for row in await session.scalars(rows)])


async def slack_connections_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, SlackConnection]:
    """Return the Slack connection of each AI agent."""
    rows = select(SlackConnection).where(
        SlackConnection.workspace_id == context.actor.workspace_id, SlackConnection.agent_id.in_(ids)
    )
    async with context.database.autocommit_session() as session:
        return {row.agent_id: row for row in await session.scalars(rows)}


async def unconfirmed_recipients_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Return the recipients of each AI agent who have not confirmed their address."""
    recipients = {
        agent.id: stored_settings(agent.settings).notifications.email.recipients
        for agent in (await agents_by_id(context, ids)).values()
    }
    async with context.database.autocommit_session() as session:
        addresses = await unconfirmed(
            session,
            context.actor.workspace_id,
            {address for listed in recipients.values() for address in listed},
            context.services.external.confirmed_domains,
        )
    return {
        agent_id: [address for address in listed if address in addresses]
        for agent_id, listed in recipients.items()
    }


async def attempts_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, list[DeliveryAttempt]]:
    """Return the latest finished attempts of each delivery, oldest first."""
    rows = _latest(DeliveryAttempt, DeliveryAttempt.delivery_id, DeliveryAttempt.attempted_at, ids)
    async with context.database.autocommit_session() as session:
        return _grouped([(row.delivery_id, row) for row in await session.scalars(rows)])


async def pauses_of_targets(context: Context, ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """Return the end of the pause of each target that has failed."""
    pauses = select(DeliveryTarget.id, DeliveryTarget.paused_until).where(
        DeliveryTarget.id.in_(ids), DeliveryTarget.paused_until.is_not(None)
    )
    async with context.database.autocommit_session() as session:
        return {id_: until for id_, until in await session.execute(pauses) if until}


async def agents_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, Agent]:
    """Return the visible AI agents by id."""
    async with context.database.autocommit_session() as session:
        rows = await session.scalars(visible_agents(Visibility.of(context.actor)).where(Agent.id.in_(ids)))
        return {row.id: row for row in rows}


async def members_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, Member]:
    """Return members by id. Customers may see the names of authors and assignees."""
    own = context.actor.workspace_id
    rows = await _MEMBERS.rows(context.database, ids, context.shown, workspace_id=own)
    return {row.id: row for (row,) in rows}


async def viewers_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, list[Member]]:
    """Return the members who have each conversation open, by name."""
    own = context.actor.workspace_id
    rows = await _VIEWERS.rows(context.database, ids, context.shown, workspace_id=own)
    return {conversation_id: members[:VIEWERS] for conversation_id, members in _grouped(rows).items()}


async def unread_messages_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the number of customer messages that no team member has read, by conversation; 0 is left out."""
    return dict(await _UNREAD.rows(context.database, ids, workspace_id=context.actor.workspace_id))


async def workspaces_by_id(context: Context, ids: Sequence[UUID]) -> dict[UUID, Workspace]:
    """Return the caller's own workspace, if its id is given."""
    async with context.database.autocommit_session() as session:
        rows = await session.scalars(
            select(Workspace).where(Workspace.id == context.actor.workspace_id, Workspace.id.in_(ids))
        )
        return {row.id: row for row in rows}


async def triggers_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, list[TriggerEvent]]:
    """Return the latest triggers that fired while each escalation was active, oldest first."""
    rows = _latest(TriggerEvent, TriggerEvent.escalation_id, TriggerEvent.occurred_at, ids)
    async with context.database.autocommit_session() as session:
        return _grouped([(row.escalation_id, row) for row in await session.scalars(rows)])


async def notes_of(context: Context, ids: Sequence[UUID]) -> dict[UUID, list[EscalationNote]]:
    """Return the latest notes of each escalation, oldest first."""
    rows = _latest(EscalationNote, EscalationNote.escalation_id, EscalationNote.created_at, ids)
    async with context.database.autocommit_session() as session:
        return _grouped([(row.escalation_id, row) for row in await session.scalars(rows)])


def _latest(entity: type[T], owner: Any, time: Any, ids: Sequence[UUID]) -> Select[T]:
    """Return the latest rows of each owner, as many as a list without pages has, oldest first."""
    key = cast("Any", entity).id
    newest_first = func.row_number().over(partition_by=owner, order_by=(time.desc(), key.desc()))
    ranked = select(key, newest_first.label("place")).where(owner.in_(ids)).subquery()
    latest = select(entity).join(ranked, ranked.c.id == key).where(ranked.c.place <= LISTED)
    return latest.order_by(time, key)


def _grouped(pairs: Sequence[tuple[UUID, T]]) -> dict[UUID, list[T]]:
    lists: dict[UUID, list[T]] = defaultdict(list)
    for owner_id, row in pairs:
        lists[owner_id].append(row)
    return lists
