"""Row locks of transactions.

A conversation's row is locked before anything is read on which a decision depends. The transaction's time is
read after the lock, in the same statement. A transaction without a lock reads the row's version instead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Select, Uuid, and_, bindparam, exists, func, select
from sqlalchemy.orm import aliased
from structlog.contextvars import bind_contextvars

from models.agent import Agent
from models.compiled_select import CompiledSelect
from models.conversation import Conversation
from models.escalation import Escalation
from models.ledger import RowVersion
from models.member import Member
from models.write_statement import row_version
from realtime.transaction import Transaction, UnlockedTransaction
from resolvers.actor import Actor, ActorKind
from resolvers.errors import ConflictError, NotFoundError
from resolvers.visibility import Visibility, bind_values, visible_conversations, visible_escalations
from rules.agent_settings import CustomerTexts, EscalationSettings
from rules.escalation import EscalationStatus
from rules.roles import MemberRole
from rules.stored_settings import stored_settings
from rules.typeid import CONVERSATION, format_id


@dataclass(frozen=True, slots=True)
class LockedConversation:
    """A locked conversation, with the current settings of its AI agent."""

    conversation: Conversation
    settings: EscalationSettings

    @property
    def texts(self) -> CustomerTexts:
        """The texts for the customer, in the language of the conversation."""
        return self.settings.widget.texts_for(self.conversation.language)


# For the team and for customers.
_Locking = dict[bool, CompiledSelect[Conversation, dict[str, Any], datetime]]
_Reading = dict[bool, CompiledSelect[Conversation, dict[str, Any], datetime, str, bool]]
_CLOCK = func.clock_timestamp(type_=DateTime(timezone=True))


def _locking(rows: Select[Conversation]) -> CompiledSelect[Conversation, dict[str, Any], datetime]:
    # The lock is taken in a materialized CTE: the clock is read after it, not while the lock is awaited.
    locked = rows.with_for_update(key_share=True).cte("locked")
    conversation = aliased(Conversation, locked)
    return CompiledSelect(
        select(conversation, Agent.settings, _CLOCK).join(Agent, Agent.id == conversation.agent_id)
    )


def _reading(
    rows: Select[Conversation],
) -> CompiledSelect[Conversation, dict[str, Any], datetime, str, bool]:
    settings = rows.join(Agent, Agent.id == Conversation.agent_id)
    active = exists().where(
        Escalation.conversation_id == Conversation.id, Escalation.status != EscalationStatus.RESOLVED
    )
    return CompiledSelect(settings.add_columns(Agent.settings, _CLOCK, row_version(Conversation), active))


def _by_id(seen: Visibility) -> Select[Conversation]:
    return visible_conversations(seen).where(Conversation.id == bindparam("row_id", type_=Uuid))


def _of_escalation(seen: Visibility) -> Select[Conversation]:
    # The conversation of an escalation never changes, so it may be read before the lock.
    visible = visible_escalations(seen).where(Escalation.id == bindparam("row_id", type_=Uuid))
    return select(Conversation).where(
        Conversation.id == visible.with_only_columns(Escalation.conversation_id).scalar_subquery()
    )


def _for_team_and_customers(build: Callable[[Visibility], Select[Conversation]]) -> _Locking:
    return {customer: _locking(build(Visibility.template(customer=customer))) for customer in (False, True)}


_CONVERSATION = _for_team_and_customers(_by_id)
_CONVERSATION_READ: _Reading = {
    customer: _reading(_by_id(Visibility.template(customer=customer))) for customer in (False, True)
}
_CONVERSATION_OF_ESCALATION = _for_team_and_customers(_of_escalation)
_LOCKED_ESCALATION = select(Escalation).with_for_update(key_share=True)
_ESCALATION_READ = CompiledSelect(
    visible_escalations(Visibility.template(customer=False))
    .where(Escalation.id == bindparam("row_id", type_=Uuid))
    .join(Conversation, Conversation.id == Escalation.conversation_id)
    .join(Agent, Agent.id == Conversation.agent_id)
    .outerjoin(Member, and_(Member.id == bindparam("member", type_=Uuid), Member.removed_at.is_(None)))
    .add_columns(
        row_version(Escalation),
        Conversation,
        row_version(Conversation),
        Member.role,
        row_version(Member),
        Agent.settings,
        _CLOCK,
    )
)
_ESCALATION = CompiledSelect(_LOCKED_ESCALATION.where(Escalation.id == bindparam("row_id", type_=Uuid)))
_ACTIVE = CompiledSelect(
    _LOCKED_ESCALATION.where(
        Escalation.conversation_id == bindparam("conversation", type_=Uuid),
        Escalation.status != EscalationStatus.RESOLVED,
    )
)


async def lock_conversation(tx: Transaction, actor: Actor, conversation_id: UUID) -> LockedConversation:
    """Lock a visible conversation and set the transaction's time; raises NotFoundError.

    Raises ConflictError if its customer was erased, except for Baton's own changes.
    """
    locked = await _locked(tx, actor, _CONVERSATION, conversation_id, "conversation")
    if actor.kind is not ActorKind.SYSTEM:
        refuse_erased(locked.conversation)
    return locked


async def read_conversation(
    tx: UnlockedTransaction, actor: Actor, conversation_id: UUID
) -> tuple[LockedConversation, bool]:
    """Read a visible conversation to change it without a lock; raises as `lock_conversation` does.

    Return also whether it has an active escalation. One that becomes active changes the conversation's row:
    it pauses the AI, or becomes the cause of the pause.
    """
    values = bind_values(actor)
    rows = await tx.read(_CONVERSATION_READ[actor.is_customer], **values, row_id=conversation_id)
    if not rows:
        raise NotFoundError("conversation")
    ((conversation, settings, clock, version, is_escalated),) = rows
    tx.expect(RowVersion(Conversation, conversation.id, version))
    refuse_erased(conversation)
    return _at_time(tx, conversation, settings, clock), is_escalated


async def read_escalation(
    tx: UnlockedTransaction, actor: Actor, escalation_id: UUID
) -> tuple[LockedConversation, Escalation, MemberRole | None]:
    """Read a visible escalation and its conversation to change them without a lock; raises NotFoundError.

    Return also the role of the calling member, which will not change either. It is None after a removal.
    """
    values = bind_values(actor)
    rows = await tx.read(_ESCALATION_READ, **values, row_id=escalation_id, member=actor.member_id)
    if not rows:
        raise NotFoundError("escalation")
    ((escalation, version, conversation, of_conversation, role, of_member, settings, clock),) = rows
    expected = [
        RowVersion(Conversation, conversation.id, of_conversation),
        RowVersion(Escalation, escalation.id, version),
    ]
    if role is not None and actor.member_id is not None:
        expected.insert(0, RowVersion(Member, actor.member_id, of_member, shared=True))
    tx.expect(*expected)
    return _at_time(tx, conversation, settings, clock), escalation, role


def refuse_erased(conversation: Conversation) -> None:
    """Raise ConflictError if the customer of the conversation was erased."""
    if conversation.erased_at is not None:
        raise ConflictError("The customer of this conversation was erased: it takes no more changes.")


async def lock_escalation(
    tx: Transaction, actor: Actor, escalation_id: UUID
) -> tuple[LockedConversation, Escalation]:
    """Lock the conversation of a visible escalation, then the escalation; raises NotFoundError."""
    locked = await _locked(tx, actor, _CONVERSATION_OF_ESCALATION, escalation_id, "escalation")
    ((escalation,),) = await tx.fetch(_ESCALATION, row_id=escalation_id)
    return locked, escalation


async def lock_active_escalation(tx: Transaction, conversation: Conversation) -> Escalation | None:
    """Lock and return the active escalation of a conversation that is locked already."""
    for (active,) in await tx.fetch(_ACTIVE, conversation=conversation.id):
        return active
    return None


async def _locked(
    tx: Transaction, actor: Actor, statements: _Locking, row_id: UUID, name: str
) -> LockedConversation:
    rows = await tx.fetch(statements[actor.is_customer], **bind_values(actor), row_id=row_id)
    if not rows:
        raise NotFoundError(name)
    ((conversation, settings, clock),) = rows
    return _at_time(tx, conversation, settings, clock)


def _at_time(
    tx: Transaction, conversation: Conversation, settings: dict[str, Any], clock: datetime
) -> LockedConversation:
    tx.set_now(clock)
    bind_contextvars(conversation=format_id(CONVERSATION, conversation.id))
    return LockedConversation(conversation, stored_settings(settings))
