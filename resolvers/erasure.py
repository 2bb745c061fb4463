"""Erasure of customers: what identifies or quotes a customer goes, what figures count stays.

The mutation marks all of the customer's conversations in one transaction: it clears who the customer is, ends
the widget tokens, and sets a job for each conversation. A job removes the words of one conversation in small
transactions of its own, and can be repeated. The mutation runs the jobs itself for some seconds, so that all
but very large customers are complete when it returns. The worker does the rest.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import ARRAY, Uuid, any_, func, literal, select, update

from models.conversation import Conversation
from models.database import DATABASE_ERRORS
from models.escalation import Escalation
from realtime.timers import Timer, TimerKind
from realtime.transaction import Transaction
from resolvers.audit import record_act
from resolvers.context import Context, Services
from resolvers.customer_conversations import conversations_of_customer, without_policy
from resolvers.erased_words import (
    erase_deliveries,
    erase_escalations,
    erase_messages,
    erase_tool_failures,
    forget_keys,
)
from resolvers.permissions import permitted
from rules.audit import AuditAction
from rules.escalation import EscalationStatus

# For so long the mutation runs jobs itself.
INLINE = timedelta(seconds=10)
_MESSAGES = 3_000  # that one transaction erases
_OVERDUE = 100  # that one sweep finishes

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LockedRow:
    """A conversation that the transaction has locked."""

    id: UUID
    workspace_id: UUID
    agent_id: UUID


@permitted("eraseCustomer")
async def erase_customer(context: Context, external_id: str | None, email: str | None) -> int:
    """Erase a customer and return the number of conversations; raises BadInputError without a name.

    Each conversation with the external id or the email address is the customer's.
    """
    wanted = conversations_of_customer(context.actor.workspace_id, external_id, email)
    matching = await without_policy(context, wanted)
    async with context.services.transactions.begin() as tx:
        # One order for all transactions that lock several conversations.
        locked = (
            select(Conversation.id)
            .where(Conversation.id.in_(matching))
            .order_by(Conversation.id)
            .with_for_update(key_share=True)
        )
        ids = list(await tx.session.scalars(locked))
        now = await tx.read_clock()
        await mark_erased(tx, ids, due=True)
        for conversation_id in ids:
            tx.set_timer(Timer(TimerKind.ERASURE, conversation_id, now + INLINE))
        await record_act(tx, context, AuditAction.ERASE_CUSTOMER, conversations=len(ids))
    # As the worker does: a key of a page that started a conversation belongs to no workspace.
    await _finish_some(context.services.across_workspaces(), ids)
    return len(ids)


async def mark_erased(tx: Transaction, ids: Sequence[UUID], *, due: bool) -> None:
    """Clear who the customer of locked conversations is; `due` marks that they still hold words."""
    await tx.session.execute(
        update(Conversation)
        .where(Conversation.id == any_(literal(ids, ARRAY(Uuid))))
        .values(
            erased_at=tx.now,
            erasure_due=due,
            customer_external_id=None,
            customer_email=None,
            customer_name=None,
            customer_verified=False,
            customer_subject=None,
            details=None,
            language=None,
            awaiting_answer=False,
            turn_due=False,
        )
        .execution_options(synchronize_session=False)
    )


async def _finish_some(services: Services, ids: Sequence[UUID]) -> None:
    """Run the jobs for INLINE at most. The worker repeats what fails."""
    end = time.monotonic() + INLINE.total_seconds()
    try:
        for conversation_id in ids:
            if time.monotonic() > end:
                return
            await finish_erasure(services, conversation_id)
    except DATABASE_ERRORS as error:
        _logger.warning("erasure.interrupted", error=repr(error))


async def finish_erasure(services: Services, conversation_id: UUID) -> None:
    """Remove the words of a conversation whose customer was erased; a repetition does nothing."""
    async with services.database.autocommit_session() as session:
        due = await session.scalar(select(Conversation.erasure_due).where(Conversation.id == conversation_id))
    if not due:
        return
    # Idempotency keys come first in the lock order. An erased conversation gets no further ones.
    async with services.transactions.begin() as tx:
        await tx.read_clock()
        await forget_keys(tx.session, conversation_id)
    await erase_words(services, [conversation_id], notify=True)


async def erase_words(services: Services, ids: Sequence[UUID], *, notify: bool) -> None:
    """Remove the words of one workspace's conversations that are marked, in small transactions.

    With `notify`, followers of each conversation are notified, too, and not only those of the workspace.
    """
    while not await _erase_step(services, ids, notify):
        pass


async def _erase_step(services: Services, ids: Sequence[UUID], notify: bool) -> bool:
    """Erase what one transaction can; return whether it is all."""
    async with services.transactions.begin() as tx:
        locked = (
            select(Conversation.id, Conversation.workspace_id, Conversation.agent_id)
            .where(Conversation.id.in_(ids), Conversation.erasure_due)
            .order_by(Conversation.id)
            .with_for_update(key_share=True)
        )
        conversations = [LockedRow(*row) for row in await tx.session.execute(locked)]
        await tx.read_clock()
        if not await erase_locked(tx, conversations, notify=notify):
            return False
        ended = update(Conversation).where(Conversation.id.in_([row.id for row in conversations]))
        await tx.session.execute(ended.values(erasure_due=False).execution_options(synchronize_session=False))
    return True


async def erase_locked(tx: Transaction, conversations: Sequence[LockedRow], *, notify: bool) -> bool:
    """Erase the words of one workspace's locked conversations; return False if there are more messages."""
    if not conversations:
        return True
    ids = [row.id for row in conversations]
    if await erase_messages(tx.session, ids, _MESSAGES) == _MESSAGES:
        return False
    active = await _lock_active(tx, ids)
    await erase_escalations(tx.session, ids)
    await erase_tool_failures(tx.session, ids)
    await erase_deliveries(tx, conversations[0].workspace_id, ids)
    for row in conversations:
        if notify:
            tx.log_to_conversation(row.id, "conversation.erased")
        more = {"active": active[row.id]} if row.id in active else {}
        tx.log_to_workspace(
            row.workspace_id, "conversation.erased", conversation=row.id, agent=row.agent_id, **more
        )
    return True


async def _lock_active(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Lock the active escalations of locked conversations; return their ids by those of the conversations."""
    active = (
        select(Escalation.conversation_id, Escalation.id)
        .where(
            Escalation.conversation_id == any_(literal(ids, ARRAY(Uuid))),
            Escalation.status != EscalationStatus.RESOLVED,
        )
        .order_by(Escalation.id)
        .with_for_update()
    )
    rows = await tx.session.execute(active)
    return {row.conversation_id: row.id for row in rows}


async def overdue_erasures(services: Services, grace: timedelta) -> Sequence[UUID]:
    """Return conversations that still hold words more than `grace` after their customer was erased."""
    due = (
        select(Conversation.id)
        .where(Conversation.erasure_due, Conversation.erased_at <= func.now() - INLINE - grace)
        .order_by(func.random())
        .limit(_OVERDUE)
    )
    async with services.database.autocommit_session() as session:
        return (await session.scalars(due)).all()
