"""Deliveries that are due: their targets, and the jobs that attempt them, written in the act they are of."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert

from models.delivery import Delivery, DeliveryTarget
from models.ids import new_id
from realtime.timers import Timer, TimerKind
from realtime.transaction import Transaction
from rules.delivery import DeliveryChannel, DeliveryStatus
from rules.slack_format import channel_in_full


@dataclass(frozen=True, slots=True)
class TargetKey:
    """
    What tells a target from others of its workspace, and beside that `address`, what people read.

    Slack channels belong to an AI agent, whose bot posts there; webhook endpoints have rows of their own.
    """

    channel: DeliveryChannel
    key: str
    address: str = field(compare=False)
    agent_id: UUID | None = None
    endpoint_id: UUID | None = None

    @classmethod
    def email(cls, address: str) -> "TargetKey":
        """An address; upper and lower case are one."""
        return cls(DeliveryChannel.EMAIL, address.lower(), address)

    @classmethod
    def slack(cls, agent_id: UUID, channel: str) -> "TargetKey":
        """A channel, as an AI agent's bot reaches it."""
        channel = channel_in_full(channel)
        return cls(DeliveryChannel.SLACK, f"{agent_id} {channel}", channel, agent_id=agent_id)

    @classmethod
    def webhook(cls, endpoint_id: UUID, url: str) -> "TargetKey":
        """An endpoint."""
        return cls(DeliveryChannel.WEBHOOK, str(endpoint_id), url, endpoint_id=endpoint_id)


async def find_targets(
    tx: Transaction, workspace_id: UUID, keys: Iterable[TargetKey]
) -> dict[TargetKey, UUID]:
    """The ids of the targets of these keys, made where new."""
    wanted = {(key.channel, key.key): key for key in keys}
    if not wanted:
        return {}
    rows = [
        {
            "id": new_id(),
            "workspace_id": workspace_id,
            "channel": key.channel,
            "key": key.key,
            "agent_id": key.agent_id,
            "endpoint_id": key.endpoint_id,
        }
        for key in wanted.values()
    ]
    await tx.session.execute(insert(DeliveryTarget).on_conflict_do_nothing(), rows)
    found = await tx.session.execute(
        select(DeliveryTarget.channel, DeliveryTarget.key, DeliveryTarget.id).where(
            DeliveryTarget.workspace_id == workspace_id,
            tuple_(DeliveryTarget.channel, DeliveryTarget.key).in_(list(wanted)),
        )
    )
    return {wanted[channel, key]: target_id for channel, key, target_id in found}


async def lock_targets(
    tx: Transaction, workspace_id: UUID, keys: Iterable[TargetKey]
) -> dict[TargetKey, DeliveryTarget]:
    """The targets of these keys, made where new, locked in the order of their ids."""
    ids = await find_targets(tx, workspace_id, keys)
    found = await tx.session.scalars(
        select(DeliveryTarget)
        .where(DeliveryTarget.id.in_(ids.values()))
        .order_by(DeliveryTarget.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    targets = {target.id: target for target in found}
    return {key: targets[target_id] for key, target_id in ids.items()}


def schedule_delivery(tx: Transaction, target: DeliveryTarget, at: datetime) -> None:
    """
    Has the locked target's deliveries attempted at an instant, unless a job comes by then anyway.

    Who attends to it now looks at what is left before it leaves.
    """
    if target.leased_until and target.leased_until > tx.now:
        return
    at = max(at, target.paused_until or at)
    if target.next_job_at is None or target.next_job_at > at or target.next_job_at < tx.now:
        tx.set_timer(Timer(TimerKind.DELIVERIES, target.id, at))
        target.next_job_at = at


def schedule_delivery_unlocked(tx: Transaction, target_id: UUID, at: datetime) -> None:
    """The same for a target that is not locked: a job too many finds nothing to do."""
    tx.set_timer(Timer(TimerKind.DELIVERIES, target_id, at))


async def front_of_queue(tx: Transaction, target_id: UUID) -> datetime:
    """When a delivery that somebody waits for is due: now, and before all that waits for the target."""
    oldest = await tx.session.scalar(
        select(Delivery.next_attempt_at)
        .where(Delivery.target_id == target_id, Delivery.status == DeliveryStatus.PENDING)
        .order_by(Delivery.next_attempt_at)
        .limit(1)
    )
    return min(tx.now, oldest - timedelta(microseconds=1)) if oldest else tx.now
