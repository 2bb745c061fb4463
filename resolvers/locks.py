"""
The locks under which acts happen.

A conversation's row is locked before anything in it is read to be decided on; the act's time is read behind
the lock, in the same statement.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from models.agent import Agent
from models.conversation import Conversation
from models.escalation import Escalation
from realtime.act import Act
from resolvers.actor import Actor
from resolvers.errors import NotFoundError
from resolvers.visible import visible_conversations, visible_escalations
from rules.lifecycle import EscalationStatus
from rules.settings import EscalationSettings


@dataclass(frozen=True, slots=True)
class Locked:
    """A locked conversation, and the settings of its AI agent as they are at the act's time."""

    conversation: Conversation
    settings: EscalationSettings


async def lock_conversation(act: Act, actor: Actor, conversation_id: UUID) -> Locked:
    """Locks a visible conversation and sets the act's time; raises NotFoundError."""
    # The lock stands in a materialized CTE: the clock is read once it is there, not while it is waited for.
    locked = (
        visible_conversations(actor)
        .where(Conversation.id == conversation_id)
        .with_for_update(key_share=True)
        .cte("locked")
    )
    conversation = aliased(Conversation, locked)
    row = (
        await act.session.execute(
            select(conversation, Agent.settings, func.clock_timestamp())
            .join(Agent, Agent.id == conversation.agent_id)
            .execution_options(populate_existing=True)
        )
    ).one_or_none()
    if row is None:
        raise NotFoundError("conversation")
    found, settings, clock = row
    act.set_time(clock)
    return Locked(found, EscalationSettings.model_validate(settings))


async def lock_escalation(act: Act, actor: Actor, escalation_id: UUID) -> tuple[Locked, Escalation]:
    """Locks a visible escalation, and before it its conversation; raises NotFoundError."""
    conversation_id = await act.session.scalar(
        visible_escalations(actor)
        .where(Escalation.id == escalation_id)
        .with_only_columns(Escalation.conversation_id)
    )
    if conversation_id is None:
        raise NotFoundError("escalation")
    locked = await lock_conversation(act, actor, conversation_id)
    return locked, await _lock_row(act, escalation_id)


async def lock_active_escalation(act: Act, conversation: Conversation) -> Escalation | None:
    """The conversation's active escalation, locked; the conversation is locked already."""
    escalation_id = await act.session.scalar(
        select(Escalation.id).where(
            Escalation.conversation_id == conversation.id,
            Escalation.status != EscalationStatus.RESOLVED,
        )
    )
    return await _lock_row(act, escalation_id) if escalation_id else None


async def _lock_row(act: Act, escalation_id: UUID) -> Escalation:
    found = await act.session.execute(
        select(Escalation)
        .where(Escalation.id == escalation_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return found.scalar_one()
