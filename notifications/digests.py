"""Digests: one mail in place of a mail for each event.

A digest is a row, unique by its key. Its first event inserts it and its timer, and the timer inserts its
deliveries. An hour or interval without events has none.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from models.agent import Agent
from models.database import Database
from models.delivery import Delivery
from models.digest import Digest, DigestEntry
from models.ids import new_id
from realtime.delivery_queue import TargetKey, lock_targets, pending_delivery, schedule_delivery
from realtime.log import Entry
from realtime.timers import Timer, TimerKind
from realtime.transaction import Transaction, Transactions
from rules.agent_settings import EscalationSettings
from rules.events import DIGEST

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DigestKey:
    """The identity of a digest: its AI agent, the event type of its deliveries, its time, and its recipient.

    Without a `target_id` it is for all recipients of the AI agent.
    """

    agent_id: UUID
    event_type: str
    since: datetime
    due_at: datetime
    target_id: UUID | None = None

    @classmethod
    def hourly(cls, agent_id: UUID, now: datetime) -> "DigestKey":
        """Return the key of the AI agent's digest of this hour."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        return cls(agent_id, DIGEST, hour, hour + HOUR)

    def next(self) -> "DigestKey":
        """Return the key of the digest after this one."""
        return replace(self, since=self.due_at, due_at=self.due_at + (self.due_at - self.since))


async def add_to_digest(tx: Transaction, key: DigestKey, entry: Entry, escalation_id: UUID) -> None:
    """Add an event to a digest, or to the next one if that has been planned already."""
    digest = await _open_digest(tx, entry.stream, key)
    tx.session.add(
        DigestEntry(
            digest_id=digest.id,
            position=entry.position,
            escalation_id=escalation_id,
            event_type=entry.type,
            occurred_at=entry.occurred_at,
        )
    )


async def _open_digest(tx: Transaction, workspace_id: UUID, key: DigestKey) -> Digest:
    """Return the digest, locked; the next one if it has been planned already."""
    new_digest_id = await tx.session.scalar(
        insert(Digest)
        .values(id=new_id(), workspace_id=workspace_id, **asdict(key))
        .on_conflict_do_nothing()
        .returning(Digest.id)
    )
    if new_digest_id is not None:
        tx.set_timer(Timer(TimerKind.DIGEST, new_digest_id, key.due_at))
    rows = await tx.session.execute(
        select(Digest)
        .where(
            Digest.agent_id == key.agent_id,
            Digest.due_at == key.due_at,
            Digest.event_type == key.event_type,
            Digest.target_id.is_not_distinct_from(key.target_id),
        )
        .with_for_update(key_share=True)
    )
    digest = rows.scalar_one()
    if digest.planned_at is not None:
        return await _open_digest(tx, workspace_id, key.next())
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
    keys = TargetKey.emails(email.recipients) if email.enabled else []
    targets = await lock_targets(tx, digest.workspace_id, keys)
    for key in keys:
        target = targets[key]
        if digest.target_id in (None, target.id):
            tx.session.add(_delivery(tx, digest, key, target.id))
            schedule_delivery(tx, target, tx.now)


def _delivery(tx: Transaction, digest: Digest, key: TargetKey, target_id: UUID) -> Delivery:
    return pending_delivery(
        tx,
        digest.workspace_id,
        target_id,
        key,
        digest.event_type,
        agent_id=digest.agent_id,
        digest_id=digest.id,
        occurred_at=digest.due_at,
    )


async def overdue_digests(database: Database, grace: timedelta) -> list[UUID]:
    """Return digests whose timer has been lost."""
    async with database.autocommit_session() as session:
        late = func.clock_timestamp() - grace
        return list(
            await session.scalars(
                select(Digest.id).where(Digest.planned_at.is_(None), Digest.due_at <= late).limit(100)
            )
        )
