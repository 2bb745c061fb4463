"""The delivery queue: targets and the jobs that attempt their deliveries, written in the transaction."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert

from models.delivery import Delivery, DeliveryTarget
from models.ids import new_id
from realtime.timers import Timer, TimerKind
from realtime.transaction import Transaction
from rules.delivery import DeliveryChannel, DeliveryStatus
from rules.email_address import address_key
from rules.slack_format import channel_in_full

# A job that is this late is taken for lost. A busy worker begins jobs late, and must not get more for that.
LOST_AFTER = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class TargetKey:
    """The identity of a target within its workspace; `address` is its readable form.

    A Slack channel belongs to an AI agent, whose bot posts there. A webhook endpoint has a row of its own.
    """

    channel: DeliveryChannel
    key: str
    address: str = field(compare=False)
    agent_id: UUID | None = None
    endpoint_id: UUID | None = None

    @classmethod
    def email(cls, address: str) -> "TargetKey":
        """Return the key of an email address, which ignores case."""
        return cls(DeliveryChannel.EMAIL, address_key(address), address)

    @classmethod
    def emails(cls, addresses: Iterable[str]) -> list["TargetKey"]:
        """Return the keys of email addresses. One address in two spellings has one key."""
        return list(dict.fromkeys(map(cls.email, addresses)))

    @classmethod
    def slack(cls, agent_id: UUID, channel: str) -> "TargetKey":
        """Return the key of a Slack channel of an AI agent's bot."""
        channel = channel_in_full(channel)
        return cls(DeliveryChannel.SLACK, f"{agent_id} {channel}", channel, agent_id=agent_id)

    @classmethod
    def webhook(cls, endpoint_id: UUID, url: str) -> "TargetKey":
        """Return the key of a webhook endpoint."""
        return cls(DeliveryChannel.WEBHOOK, str(endpoint_id), url, endpoint_id=endpoint_id)


def pending_delivery(
    tx: Transaction, workspace_id: UUID, target_id: UUID, key: TargetKey, event_type: str, **about: Any
) -> Delivery:
    """Return a delivery to the target that is due now. `about` are further columns: what it is about."""
    columns = {"occurred_at": tx.now, "next_attempt_at": tx.now} | about
    return Delivery(
        id=new_id(),
        workspace_id=workspace_id,
        target_id=target_id,
        channel=key.channel,
        target=key.address,
        event_type=event_type,
        status=DeliveryStatus.PENDING,
        attempts_made=0,
        created_at=tx.now,
        **columns,
    )


async def find_targets(
    tx: Transaction, workspace_id: UUID, keys: Iterable[TargetKey]
) -> dict[TargetKey, UUID]:
    """Return the ids of the targets of these keys; missing targets are created."""
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
    rows_by_key = await tx.session.execute(
        select(DeliveryTarget.channel, DeliveryTarget.key, DeliveryTarget.id).where(
            DeliveryTarget.workspace_id == workspace_id,
            tuple_(DeliveryTarget.channel, DeliveryTarget.key).in_(list(wanted)),
        )
    )
    return {wanted[channel, key]: target_id for channel, key, target_id in rows_by_key}


async def lock_targets(
    tx: Transaction, workspace_id: UUID, keys: Iterable[TargetKey]
) -> dict[TargetKey, DeliveryTarget]:
    """Lock the targets of these keys in the order of their ids; missing targets are created."""
    ids = await find_targets(tx, workspace_id, keys)
    locked = await tx.session.scalars(
        select(DeliveryTarget)
        .where(DeliveryTarget.id.in_(ids.values()))
        .order_by(DeliveryTarget.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    targets = {target.id: target for target in locked}
    return {key: targets[target_id] for key, target_id in ids.items()}


def schedule_delivery(tx: Transaction, target: DeliveryTarget, at: datetime) -> None:
    """Schedule a job for the locked target's deliveries at `at`, unless an earlier job exists.

    A worker holding the lease rechecks the queue before releasing it.
    """
    if target.leased_until and target.leased_until > tx.now:
        return
    at = max(at, target.paused_until or at)
    if target.next_job_at is None or target.next_job_at > at or target.next_job_at < tx.now - LOST_AFTER:
        tx.set_timer(Timer(TimerKind.DELIVERIES, target.id, at))
        target.next_job_at = at


def schedule_delivery_unlocked(tx: Transaction, target_id: UUID, at: datetime) -> None:
    """Schedule a job for a target that is not locked; a superfluous job finds nothing to do."""
    tx.set_timer(Timer(TimerKind.DELIVERIES, target_id, at))


async def front_of_queue(tx: Transaction, target_id: UUID) -> datetime:
    """Return a due time that is past and before every other pending delivery of the target."""
    oldest = await tx.session.scalar(
        select(Delivery.next_attempt_at)
        .where(Delivery.target_id == target_id, Delivery.status == DeliveryStatus.PENDING)
        .order_by(Delivery.next_attempt_at)
        .limit(1)
    )
    return min(tx.now, oldest - timedelta(microseconds=1)) if oldest else tx.now
