"""
The row locks of transactions.

A conversation's row is locked before anything that a decision depends on is read. The transaction's time is
read after the lock, in the same statement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import aliased
from structlog.contextvars import bind_contextvars

from models.agent import Agent
from models.conversation import Conversation
from models.escalation import Escalation
from realtime.transaction import Transaction
from resolvers.actor import Actor, ActorKind
from resolvers.errors import NotFoundError
from resolvers.visibility import bind_values, template_actor, visible_conversations, visible_escalations
from rules.agent_settings import EscalationSettings
from rules.escalation import EscalationStatus
from rules.typeid import CONVERSATION, format_id


@dataclass(frozen=True, slots=True)
class LockedConversation:
    """A locked conversation, and the settings of its AI agent at the transaction's time."""

    conversation: Conversation
    settings: EscalationSettings


def _locking(statement: Select[Conversation]) -> Select[Any]:
    # The lock is in a materialized CTE, so the clock is read after the lock, not during the wait.
    locked = statement.with_for_update(key_share=True).cte("locked")
    conversation = aliased(Conversation, locked)
    return (
        select(conversation, Agent.settings, func.clock_timestamp())
        .join(Agent, Agent.id == conversation.agent_id)
        .execution_options(populate_existing=True)
    )


def _of_escalation(actor: Actor) -> Select[Conversation]:
    # Which conversation an escalation is of never changes: it may be read before the lock.
    visible = visible_escalations(actor).where(Escalation.id == bindparam("key"))
    return select(Conversation).where(
        Conversation.id == visible.with_only_columns(Escalation.conversation_id).scalar_subquery()
    )


# Built once: building them for each act is a third of what recording a message costs.
_CONVERSATION = {
    kind: _locking(visible_conversations(template_actor(kind)).where(Conversation.id == bindparam("key")))
    for kind in ActorKind
}
_CONVERSATION_OF_ESCALATION = {kind: _locking(_of_escalation(template_actor(kind))) for kind in ActorKind}
_LOCKED_ESCALATION = (
    select(Escalation).with_for_update(key_share=True).execution_options(populate_existing=True)
)
_ESCALATION = _LOCKED_ESCALATION.where(Escalation.id == bindparam("key"))
_ACTIVE = _LOCKED_ESCALATION.where(
    Escalation.conversation_id == bindparam("conversation"), Escalation.status != EscalationStatus.RESOLVED
)


async def lock_conversation(tx: Transaction, actor: Actor, conversation_id: UUID) -> LockedConversation:
    """Lock a visible conversation and set the transaction's time; raises NotFoundError."""
    return await _locked(tx, actor, _CONVERSATION, conversation_id, "conversation")


async def lock_escalation(
    tx: Transaction, actor: Actor, escalation_id: UUID
) -> tuple[LockedConversation, Escalation]:
    """Lock a visible escalation after its conversation; raises NotFoundError."""
    locked = await _locked(tx, actor, _CONVERSATION_OF_ESCALATION, escalation_id, "escalation")
    rows = await tx.session.execute(_ESCALATION, {"key": escalation_id})
    return locked, rows.scalar_one()


async def lock_active_escalation(tx: Transaction, conversation: Conversation) -> Escalation | None:
    """Lock the active escalation of a locked conversation."""
    row: Escalation | None = await tx.session.scalar(_ACTIVE, {"conversation": conversation.id})
    return row


async def _locked(
    tx: Transaction, actor: Actor, statements: Mapping[ActorKind, Select[Any]], key: UUID, what: str
) -> LockedConversation:
    rows = await tx.session.execute(statements[actor.kind], {**bind_values(actor), "key": key})
    row = rows.one_or_none()
    if row is None:
        raise NotFoundError(what)
    conversation, settings, clock = row
    tx.set_now(clock)
    bind_contextvars(conversation=format_id(CONVERSATION, conversation.id))
    return LockedConversation(conversation, EscalationSettings.model_validate(settings))
