"""Replays: recorded conversations, stored in a scratch workspace of their own.

The name of the scratch workspace holds the digest of the replay. No permission is checked: only the operator
runs replays.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    and_,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models.agent import Agent
from models.api_key import ApiKey
from models.conversation import Conversation
from models.escalation import Escalation, TriggerEvent
from models.message import Message
from models.pending_escalation import PendingEscalation
from models.workspace import Workspace
from resolvers.actor import Actor, ActorKind
from resolvers.context import Context, Services
from resolvers.locks import lock_conversation
from resolvers.member import NewMember
from resolvers.timer_handlers import fire_if_due
from resolvers.visibility import AGENT
from resolvers.workspace import NewWorkspace, make_workspace
from rules.agent_settings import EscalationSettings
from rules.escalation import EscalationStatus
from rules.message import MessageRole, MessageStatus
from rules.pending_escalation import PendingOutcome
from rules.roles import EVERY_SCOPE, MemberRole

# Reserved domain (RFC 2606), so it matches no real sign-in.
_ADMIN = "replay@baton.invalid"
_LOCK_PAUSE_SECONDS = 0.25
_SPOKEN = (MessageRole.USER, MessageRole.ASSISTANT)


@dataclass(frozen=True, slots=True)
class Scratch:
    """The workspace of one replay. It is `complete` when everything has been recorded."""

    context: Context
    workspace_id: UUID
    agent_id: UUID
    digest: str
    complete: bool


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """The recorded part of a conversation: counts of messages of customer and AI, and of people.

    `before_escalation` counts the messages of customer and AI up to the escalation, None without one. `waits`
    is true while an escalation is pending. `fired_at` is the time at which a pending one was raised, None if
    another trigger raised it.
    """

    conversation_id: UUID
    spoken: int
    human: int
    before_escalation: int | None
    waits: bool
    fired_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReplayState:
    """The state of a conversation: the epoch that its AI has seen, and the active escalation.

    `fires_at` is the time at which the escalation that is pending since `waits_since` is raised.
    """

    epoch: int = 1
    escalation_id: UUID | None = None
    fires_at: datetime | None = None
    waits_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class FoundEscalation:
    """One escalation of a replay: its line, the message that raised it, and its consequences.

    `place` is the metadata of the line, `number` counts the messages in it from 1.
    """

    place: dict[str, Any]
    number: int
    content: str
    escalation: Escalation
    folded: int
    held: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a replay."""

    human: int
    uncertain: int
    held: int


async def settings_of_agent(services: Services, agent_id: UUID) -> EscalationSettings:
    """Return the settings of an AI agent of any workspace; raises NotFoundError."""
    async with services.database.autocommit_session() as session:
        settings = await session.scalar(select(Agent.settings).where(Agent.id == agent_id))
    return EscalationSettings.model_validate(AGENT.known(settings))


@asynccontextmanager
async def replay_lock(services: Services, digest: str, on_wait: Callable[[], None]) -> AsyncIterator[None]:
    """Hold the lock of a replay; calls `on_wait` if another process holds it."""
    async with services.database.autocommit_session() as session:
        lock = select(func.pg_try_advisory_lock(_lock_key(digest)))
        if not await session.scalar(lock):
            on_wait()
            # Polled: lock_timeout would end a statement that waits.
            while not await session.scalar(lock):  # noqa: ASYNC110
                await asyncio.sleep(_LOCK_PAUSE_SECONDS)
        yield
        # After an error, closing the connection releases it.
        await session.execute(select(func.pg_advisory_unlock(_lock_key(digest))))


def _lock_key(digest: str) -> ColumnElement[int]:
    return literal(int.from_bytes(bytes.fromhex(digest)[:8], signed=True), BigInteger)


async def find_scratch(services: Services, digest: str) -> Scratch | None:
    """Return the newest workspace of this replay, after its running transactions have ended."""
    async with services.database.transactional_session() as session:
        row = (
            await session.execute(
                select(Workspace.id, Workspace.name, Agent.id, ApiKey.id)
                .join(Agent, Agent.workspace_id == Workspace.id)
                .join(ApiKey, ApiKey.workspace_id == Workspace.id)
                .where(Workspace.scratch, Workspace.name.in_([_name(digest), _name(digest, complete=True)]))
                .order_by(Workspace.created_at.desc(), Workspace.id.desc())
                .limit(1)
            )
        ).one_or_none()
        if row is None:
            return None
        workspace_id, name, agent_id, key_id = row
        complete = name == _name(digest, complete=True)
        if not complete:
            await _wait_for_transactions(session, workspace_id)
    return _scratch(services, workspace_id, agent_id, key_id, digest, complete)


async def _wait_for_transactions(session: AsyncSession, workspace_id: UUID) -> None:
    # A killed process may have left a commit that is still running.
    locked = select(Conversation.id).where(Conversation.workspace_id == workspace_id).with_for_update()
    await session.execute(select(func.count()).select_from(locked.cte("locked")))


async def make_scratch(services: Services, digest: str, settings: EscalationSettings) -> Scratch:
    """Create an empty workspace for this replay, which sends no notifications."""
    admin = NewMember(_ADMIN, "Replay", MemberRole.ADMIN, secrets.token_urlsafe(24))
    made = await make_workspace(
        services, NewWorkspace(_name(digest), "Replay", admin, settings, scratch=True)
    )
    return _scratch(services, made.workspace_id, made.agent.id, made.api_key_id, digest, complete=False)


async def complete_scratch(scratch: Scratch) -> Scratch:
    """Mark the replay as complete."""
    async with scratch.context.services.transactions.begin() as tx:
        await tx.session.execute(
            update(Workspace)
            .where(Workspace.id == scratch.workspace_id)
            .values(name=_name(scratch.digest, complete=True))
        )
    return replace(scratch, complete=True)


def _name(digest: str, *, complete: bool = False) -> str:
    return f"replay {digest}{' (complete)' if complete else ''}"


def _scratch(
    services: Services, workspace_id: UUID, agent_id: UUID, key_id: UUID, digest: str, complete: bool
) -> Scratch:
    actor = Actor(ActorKind.API_KEY, workspace_id, EVERY_SCOPE, api_key_id=key_id)
    return Scratch(Context(services, actor), workspace_id, agent_id, digest, complete)


async def recorded_so_far(scratch: Scratch) -> dict[int, ReplayProgress]:
    """Return the recorded part of each started line, by its number."""
    # Every message of Baton itself follows the escalation; the confirmation is the first.
    confirmed = func.min(Message.position).filter(Message.role == MessageRole.SYSTEM)
    raised_it = and_(
        PendingEscalation.conversation_id == Escalation.conversation_id,
        PendingEscalation.outcome == PendingOutcome.FIRED,
        PendingEscalation.ended_at == Escalation.created_at,
    )
    fired_at = (
        select(Escalation.created_at)
        .join(PendingEscalation, raised_it)
        .where(Escalation.conversation_id == Conversation.id)
        .scalar_subquery()
    )
    lines = (
        select(
            Conversation.details["replay"]["line"].astext.cast(Integer),
            Conversation.id,
            func.count().filter(Message.role.in_(_SPOKEN)),
            func.count().filter(Message.role == MessageRole.HUMAN),
            confirmed - 1,
            Conversation.pending_escalation_id.is_not(None),
            fired_at,
        )
        .outerjoin(Message, Message.conversation_id == Conversation.id)
        .where(Conversation.workspace_id == scratch.workspace_id)
        .group_by(Conversation.id)
    )
    async with scratch.context.database.autocommit_session() as session:
        return {line: ReplayProgress(*rest) for line, *rest in await session.execute(lines)}


async def moment_of(scratch: Scratch, conversation_id: UUID) -> ReplayState:
    """Return the state of the conversation after its last recorded message.

    The AI has seen the last message of others. In a row of its own replies, it has seen what it had seen at
    the first of them.
    """
    last = (
        select(Message.role, Message.details["replay"]["epoch"].astext.cast(Integer).label("epoch"))
        .where(Message.conversation_id == conversation_id, Message.role != MessageRole.SYSTEM)
        .order_by(Message.position.desc())
        .limit(1)
        .subquery()
    )
    active = and_(
        Escalation.conversation_id == Conversation.id, Escalation.status != EscalationStatus.RESOLVED
    )
    waits = PendingEscalation.fires_at, PendingEscalation.requested_at
    state = (
        select(Conversation.ai_epoch, last.c.role, last.c.epoch, Escalation.id, *waits)
        .select_from(Conversation)
        .outerjoin(PendingEscalation, PendingEscalation.id == Conversation.pending_escalation_id)
        .outerjoin(last, true())
        .outerjoin(Escalation, active)
        .where(Conversation.id == conversation_id)
    )
    async with scratch.context.database.autocommit_session() as session:
        now, role, seen, escalation_id, *times = (await session.execute(state)).one()
    return ReplayState(seen if role == MessageRole.ASSISTANT else now, escalation_id, *times)


async def fire_pending(scratch: Scratch, conversation_id: UUID, moment: ReplayState) -> ReplayState:
    """Raise the pending escalation at its recorded deadline; the AI has not seen the new epoch."""
    context = recorded_context(scratch, moment.fires_at)
    async with context.services.transactions.begin(context.replay_clock) as tx:
        await fire_if_due(tx, await lock_conversation(tx, context.actor, conversation_id))
    return replace(await moment_of(scratch, conversation_id), epoch=moment.epoch)


async def found_escalations(scratch: Scratch) -> list[FoundEscalation]:
    """Return the escalations of the replay in the order of the file, with the messages that raised them."""
    firing, confirmation = aliased(Message), aliased(Message)
    confirmed = (
        select(func.min(confirmation.position))
        .where(confirmation.conversation_id == Conversation.id, confirmation.role == MessageRole.SYSTEM)
        .scalar_subquery()
    )
    waited = (
        select(PendingEscalation.message_id)
        .where(
            PendingEscalation.conversation_id == Conversation.id,
            PendingEscalation.outcome == PendingOutcome.FIRED,
            PendingEscalation.ended_at == Escalation.created_at,
        )
        .scalar_subquery()
    )
    message_before = and_(firing.position == confirmed - 1, waited.is_(None))
    fired = select(func.sum(TriggerEvent.count)).where(TriggerEvent.escalation_id == Escalation.id)
    folded = fired.scalar_subquery() - 1
    held = _held().where(Message.conversation_id == Conversation.id).scalar_subquery()
    escalations = (
        select(Conversation.details["replay"], firing.details, firing.content, Escalation, folded, held)
        .join(Conversation, Conversation.id == Escalation.conversation_id)
        .join(
            firing, and_(firing.conversation_id == Conversation.id, or_(firing.id == waited, message_before))
        )
        .where(Escalation.workspace_id == scratch.workspace_id)
        .order_by(Conversation.details["replay"]["line"].astext.cast(Integer), Escalation.created_at)
    )
    async with scratch.context.database.autocommit_session() as session:
        return [
            FoundEscalation(place, details["replay"]["message"], content, escalation, more, held_back)
            for place, details, content, escalation, more, held_back in await session.execute(escalations)
        ]


async def totals_of(scratch: Scratch) -> Totals:
    """Count messages of people, uncertain replies and held replies."""
    here = Conversation.workspace_id == scratch.workspace_id
    human = select(func.count()).select_from(Message).where(Message.role == MessageRole.HUMAN)
    mine = Message.conversation_id.in_(select(Conversation.id).where(here))
    uncertain = select(func.coalesce(func.sum(Conversation.uncertain_replies), 0)).where(here)
    counts = [human.where(mine), uncertain, _held().where(mine)]
    async with scratch.context.database.autocommit_session() as session:
        row = (await session.execute(select(*(count.scalar_subquery() for count in counts)))).one()
    return Totals(*map(int, row))


def _held() -> Select[int]:
    # A hand-back discards held replies.
    return (
        select(func.count())
        .select_from(Message)
        .where(Message.role == MessageRole.ASSISTANT, Message.status != MessageStatus.DELIVERED)
    )


def recorded_context(scratch: Scratch, at: datetime | None) -> Context:
    """Return a context of the replay's caller at the recorded time, if it is known."""
    return replace(scratch.context, replay_clock=at)
