"""The handlers of timers.

Each reads the current state under the conversation's lock, so a repeated, late or stale timer is harmless.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select, func, select, true

from models.escalation import Escalation
from models.pending_escalation import PendingEscalation
from models.workspace import Workspace
from realtime.transaction import Transaction
from resolvers.actor import Actor
from resolvers.context import Services
from resolvers.locks import LockedConversation, lock_conversation, lock_escalation
from resolvers.pending_escalation import end_pending, waiting
from resolvers.raise_escalation import raise_escalation
from resolvers.sla_clock import announce_crossings
from rules.agent_settings import AutoEscalation
from rules.escalation import EscalationTrigger
from rules.pending_escalation import PendingOutcome
from rules.triggers import delay_has_ended, fired, is_uncertain

_BATCH = 100


async def announce_clock(services: Services, escalation_id: UUID) -> None:
    """Announce the crossings of a running clock."""
    async with services.transactions.begin() as tx:
        actor = await _itself(tx, select(Escalation.workspace_id).where(Escalation.id == escalation_id))
        if actor is None:
            return
        _, escalation = await lock_escalation(tx, actor, escalation_id)
        if escalation.sla_stopped_at is None:
            announce_crossings(tx, escalation)


async def fire_pending(services: Services, pending_id: UUID) -> None:
    """Fire a pending escalation whose delay is over."""
    async with services.transactions.begin() as tx:
        pending = await tx.session.get(PendingEscalation, pending_id)
        if pending is None:
            return
        actor = Actor.system(pending.workspace_id)
        await fire_if_due(tx, await lock_conversation(tx, actor, pending.conversation_id))


async def fire_if_due(tx: Transaction, locked: LockedConversation) -> None:
    """Fire the pending escalation of a locked conversation when its delay is over.

    Every transaction in the conversation does this, not only the timer: the deadline decides. An escalation
    that the settings no longer ask for is withdrawn: it was opened while they were being changed. So is one
    whose customer was erased.
    """
    pending = await waiting(tx, locked.conversation)
    if pending is not None and delay_has_ended(pending.fires_at, tx.now):
        wanted = is_uncertain(locked.settings.auto_escalation, pending.confidence)
        if not wanted or locked.conversation.erased_at is not None:
            await end_pending(tx, locked.conversation, PendingOutcome.WITHDRAWN)
            return
        await end_pending(tx, locked.conversation, PendingOutcome.FIRED)
        low = fired(EscalationTrigger.LOW_CONFIDENCE, confidence=pending.confidence)
        await raise_escalation(tx, locked, [low], None)
        await tx.flush()


async def withdraw_pending(tx: Transaction, actor: Actor, agent_id: UUID, new: AutoEscalation) -> None:
    """Withdraw the pending escalations of an AI agent that settings `new` no longer ask for.

    One whose delay is already over fires first, by the settings that are still stored.
    """
    conversations = (
        select(PendingEscalation.conversation_id)
        .where(
            PendingEscalation.agent_id == agent_id,
            PendingEscalation.outcome == PendingOutcome.WAITING,
            true() if not new.enabled else PendingEscalation.confidence >= new.confidence_threshold,
        )
        # One order for all transactions that lock several conversations.
        .order_by(PendingEscalation.conversation_id)
    )
    for conversation_id in list(await tx.session.scalars(conversations)):
        locked = await lock_conversation(tx, Actor.system(actor.workspace_id), conversation_id)
        await fire_if_due(tx, locked)
        pending = await waiting(tx, locked.conversation)
        if pending is not None and not is_uncertain(new, pending.confidence):
            await end_pending(tx, locked.conversation, PendingOutcome.WITHDRAWN)


async def _itself(tx: Transaction, workspace_of: Select[UUID]) -> Actor | None:
    workspace_id = await tx.session.scalar(workspace_of)
    return None if workspace_id is None else Actor.system(workspace_id)


async def overdue_clocks(services: Services, grace: timedelta) -> Sequence[UUID]:
    """Return escalations whose clock passed something more than `grace` ago without a timer."""
    since = func.clock_timestamp() - grace
    return await _some(services, select(Escalation.id).where(Escalation.sla_next_at <= since))


async def overdue_pending(services: Services, grace: timedelta) -> Sequence[UUID]:
    """Return pending escalations whose delay ended more than `grace` ago without a timer."""
    since = func.clock_timestamp() - grace
    waiting_since = (
        select(PendingEscalation.id)
        .join(Workspace, Workspace.id == PendingEscalation.workspace_id)
        # A replay has its own clock.
        .where(~Workspace.scratch)
        .where(PendingEscalation.outcome == PendingOutcome.WAITING, PendingEscalation.fires_at <= since)
    )
    return await _some(services, waiting_since)


async def _some(services: Services, ids: Select[UUID]) -> Sequence[UUID]:
    # In random order: those that fail every time must not keep the others from their turn.
    async with services.database.autocommit_session() as session:
        return (await session.scalars(ids.order_by(func.random()).limit(_BATCH))).all()
