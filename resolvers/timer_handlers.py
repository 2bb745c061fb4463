"""
What timers do: acts of Baton itself.

Each reads the truth under the conversation's lock, so one that comes twice, late or in vain does no harm.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select, func, select

from models.escalation import Escalation
from models.pending_escalation import PendingEscalation
from models.workspace import Workspace
from realtime.timers import TimerKind
from realtime.transaction import Act
from resolvers.actor import Actor
from resolvers.context import House
from resolvers.locks import Locked, lock_conversation, lock_escalation
from resolvers.pending_escalation import end_pending, waiting
from resolvers.raise_escalation import raise_escalation
from resolvers.sla_clock import announce
from rules.escalation import EscalationTrigger
from rules.pending_escalation import PendingOutcome
from rules.triggers import fired

_BATCH = 100


async def announce_clock(house: House, escalation_id: UUID) -> None:
    """Announces what a running clock has passed."""
    async with house.acts.begin() as act:
        actor = await _itself(act, select(Escalation.workspace_id).where(Escalation.id == escalation_id))
        if actor is None:
            return
        _, escalation = await lock_escalation(act, actor, escalation_id)
        if escalation.sla_stopped_at is None:
            announce(act, escalation)


async def fire_pending(house: House, pending_id: UUID) -> None:
    """Raises the escalation of an uncertain reply whose delay is over, if it still waits."""
    async with house.acts.begin() as act:
        pending = await act.session.get(PendingEscalation, pending_id)
        if pending is None:
            return
        actor = Actor.baton_itself(pending.workspace_id)
        await fire_if_due(act, await lock_conversation(act, actor, pending.conversation_id))


async def fire_if_due(act: Act, locked: Locked) -> None:
    """
    Raises the escalation that waits in a locked conversation when its delay is over.

    Whoever finds it over does this, not its timer alone: what happens is settled by the clock.
    """
    pending = await waiting(act, locked.conversation)
    if pending is not None and pending.fires_at <= act.now:
        await end_pending(act, locked.conversation, PendingOutcome.FIRED)
        low = fired(EscalationTrigger.LOW_CONFIDENCE, confidence=pending.confidence)
        await raise_escalation(act, locked, [low], None)
        await act.session.flush()


async def _itself(act: Act, workspace_of: Select[UUID]) -> Actor | None:
    workspace_id = await act.session.scalar(workspace_of)
    return None if workspace_id is None else Actor.baton_itself(workspace_id)


TIMERS: dict[TimerKind, Callable[[House, UUID], Awaitable[None]]] = {
    TimerKind.SLA_CLOCK: announce_clock,
    TimerKind.PENDING_ESCALATION: fire_pending,
}


async def overdue(house: House, grace: timedelta) -> list[tuple[TimerKind, UUID]]:
    """What has been due for longer than `grace` all the same, some hundred of it at most."""
    since = func.clock_timestamp() - grace
    clocks = select(Escalation.id).where(Escalation.sla_next_at <= since)
    pending = (
        select(PendingEscalation.id)
        .join(Workspace, Workspace.id == PendingEscalation.workspace_id)
        # A replay goes by its own clock.
        .where(~Workspace.scratch)
        .where(PendingEscalation.outcome == PendingOutcome.WAITING, PendingEscalation.fires_at <= since)
    )
    found: list[tuple[TimerKind, UUID]] = []
    async with house.database.reading() as session:
        for kind, keys in ((TimerKind.SLA_CLOCK, clocks), (TimerKind.PENDING_ESCALATION, pending)):
            # In no order: those that fail every time must not keep the others from their turn.
            found += [
                (kind, key) for key in await session.scalars(keys.order_by(func.random()).limit(_BATCH))
            ]
    return found
