"""
The locks under which acts happen.

A conversation's row is locked before anything in it is read to be decided on; the act's time is read behind
the lock, in the same statement.
"""

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import aliased

from models.agent import Agent
from models.conversation import Conversation
from models.escalation import Escalation
from realtime.act import Act
from resolvers.actor import Actor
from resolvers.errors import NotFoundError
from resolvers.visible import visible_conversations, visible_escalations
from rules.lifecycle import EscalationStatus
from rules.people import ViewerKind
from rules.settings import EscalationSettings


@dataclass(frozen=True, slots=True)
class Locked:
    """A locked conversation, and the settings of its AI agent as they are at the act's time."""

    conversation: Conversation
    settings: EscalationSettings


def _locking(customer: bool) -> Select[Any]:
    # Built once: building it for each act is a third of what recording a message costs.
    anybody: Any = Actor(
        ViewerKind.CUSTOMER if customer else ViewerKind.API_KEY,
        workspace_id=cast(UUID, bindparam("workspace")),
        conversation_id=cast(UUID, bindparam("own")) if customer else None,
    )
    # The lock stands in a materialized CTE: the clock is read once it is there, not while it is waited for.
    locked = (
        visible_conversations(anybody)
        .where(Conversation.id == bindparam("conversation"))
        .with_for_update(key_share=True)
        .cte("locked")
    )
    conversation = aliased(Conversation, locked)
    return select(conversation, Agent.settings, func.clock_timestamp()).join(
        Agent, Agent.id == conversation.agent_id
    )


_LOCKING = {customer: _locking(customer) for customer in (False, True)}


async def lock_conversation(act: Act, actor: Actor, conversation_id: UUID) -> Locked:
    """Locks a visible conversation and sets the act's time; raises NotFoundError."""
    values: dict[str, UUID | None] = {"workspace": actor.workspace_id, "conversation": conversation_id}
    if actor.is_customer:
        values["own"] = actor.conversation_id
    found = await act.session.execute(
        _LOCKING[actor.is_customer], values, execution_options={"populate_existing": True}
    )
    row = found.one_or_none()
    if row is None:
        raise NotFoundError("conversation")
    conversation, settings, clock = row
    act.set_time(clock)
    return Locked(conversation, EscalationSettings.model_validate(settings))


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
    found = await act.session.execute(_locked_row().where(Escalation.id == escalation_id))
    return locked, found.scalar_one()


async def lock_active_escalation(act: Act, conversation: Conversation) -> Escalation | None:
    """The conversation's active escalation, locked; the conversation is locked already."""
    found: Escalation | None = await act.session.scalar(
        _locked_row().where(
            Escalation.conversation_id == conversation.id,
            Escalation.status != EscalationStatus.RESOLVED,
        )
    )
    return found


def _locked_row() -> Select[Escalation]:
    locked = select(Escalation).with_for_update(key_share=True)
    return locked.execution_options(populate_existing=True)
