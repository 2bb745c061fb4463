"""Digests: one mail an hour in place of a mail for each event.

A digest is a row, unique by AI agent and hour. The first event of an hour inserts it and its timer, and the
timer inserts its deliveries. An hour without events has none.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from models.agent import Agent
from models.database import Database
from models.delivery import Delivery
from models.digest import Digest, DigestEntry
from models.ids import new_id
from notifications.content.snapshots import DIGEST_PERIOD
from realtime.delivery_queue import TargetKey, lock_targets, schedule_delivery
from realtime.log import Entry
from realtime.timers import Timer, TimerKind
from realtime.transaction import Transaction, Transactions
from rules.agent_settings import EscalationSettings
from rules.delivery import DeliveryStatus
from rules.events import DIGEST


async def add_to_digest(
    tx: Transaction, workspace_id: UUID, agent_id: UUID, entry: Entry, escalation_id: UUID
) -> None:
    """Add an event to the AI agent's next digest."""
    digest = await _open_digest(tx, workspace_id, agent_id, _end_of_hour(tx.now))
    tx.session.add(
        DigestEntry(
            digest_id=digest.id,
            position=entry.position,
            escalation_id=escalation_id,
            event_type=entry.type,
            occurred_at=entry.occurred_at,
        )
    )


def _end_of_hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0) + DIGEST_PERIOD


async def _open_digest(tx: Transaction, workspace_id: UUID, agent_id: UUID, due_at: datetime) -> Digest:
    """Return the AI agent's digest of that hour, locked; the next one if it has been planned already."""
    new_digest_id = await tx.session.scalar(
        insert(Digest)
        .values(id=new_id(), workspace_id=workspace_id, agent_id=agent_id, due_at=due_at)
        .on_conflict_do_nothing()
        .returning(Digest.id)
    )
    if new_digest_id is not None:
        tx.set_timer(Timer(TimerKind.DIGEST, new_digest_id, due_at))
    rows = await tx.session.execute(
        select(Digest)
        .where(Digest.agent_id == agent_id, Digest.due_at == due_at)
        .with_for_update(key_share=True)
    )
    digest = rows.scalar_one()
    if digest.planned_at is not None:
        return await _open_digest(tx, workspace_id, agent_id, due_at + DIGEST_PERIOD)
    return digest


async def plan_digest(transactions: Transactions, digest_id: UUID) -> None:
    """Handle a digest's timer: insert its deliveries, once."""
    async with transactions.begin() as tx:
        now = await tx.read_clock()
        digest = await tx.session.scalar(select(Digest).where(Digest.id == digest_id).with_for_update())
        if digest is None or digest.planned_at is not None or digest.due_at > now:
            return
        digest.planned_at = now
        await _insert_deliveries(tx, digest)


async def _insert_deliveries(tx: Transaction, digest: Digest) -> None:
    settings = await tx.session.execute(select(Agent.settings).where(Agent.id == digest.agent_id))
    email = EscalationSettings.model_validate(settings.scalar_one()).notifications.email
    keys = [TargetKey.email(address) for address in email.recipients if email.enabled]
    targets = await lock_targets(tx, digest.workspace_id, keys)
    for key in keys:
        target = targets[key]
        tx.session.add(
            Delivery(
                id=new_id(),
                workspace_id=digest.workspace_id,
                agent_id=digest.agent_id,
                target_id=target.id,
                channel=key.channel,
                target=key.address,
                event_type=DIGEST,
                digest_id=digest.id,
                occurred_at=digest.due_at,
                status=DeliveryStatus.PENDING,
                attempts_made=0,
                next_attempt_at=tx.now,
                created_at=tx.now,
            )
        )
        schedule_delivery(tx, target, tx.now)


async def overdue_digests(database: Database, grace: timedelta) -> list[UUID]:
    """Return digests whose timer has been lost."""
    async with database.autocommit_session() as session:
        late = func.clock_timestamp() - grace
        return list(
            await session.scalars(
                select(Digest.id).where(Digest.planned_at.is_(None), Digest.due_at <= late).limit(100)
            )
        )
