"""Deliveries: listing and retrying them, and sending samples."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from models.agent import Agent
from models.delivery import Delivery, DeliveryAttempt, DeliveryTarget
from models.slack_connection import SlackConnection
from models.webhook_endpoint import WebhookEndpoint
from realtime.delivery_queue import (
    TargetKey,
    front_of_queue,
    lock_targets,
    pending_delivery,
    schedule_delivery,
)
from realtime.transaction import Transaction
from resolvers.context import Context
from resolvers.errors import BadInputError, ConflictError, RateLimitedError
from resolvers.list_select import ListSelect, equals
from resolvers.pagination import Order, Page, PageRequest, read_page
from resolvers.permissions import permitted
from resolvers.visibility import AGENT, DELIVERY, visible_deliveries
from rules.agent_settings import EscalationSettings
from rules.delivery import DeliveryChannel, DeliveryStatus
from rules.events import TEST

SAMPLE_SECONDS = 10  # for the outcome of a sample
SAMPLE_PAUSE = timedelta(minutes=1)  # between two samples for one target
_POLL_SECONDS = 0.1
_NEWEST = Order("newest", (Delivery.created_at, Delivery.id), True)


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """A filter of deliveries; None does not restrict."""

    escalation_id: UUID | None = None
    status: DeliveryStatus | None = None
    channel: DeliveryChannel | None = None


@permitted("deliveries")
async def deliveries(context: Context, chosen: DeliveryFilter, request: PageRequest) -> Page[Delivery]:
    """Return a page of the workspace's deliveries, newest first."""
    given = {name: getattr(chosen, name) for name in ("escalation_id", "status", "channel")}
    conditions = [equals(Delivery, name, value) for name, value in given.items() if value is not None]
    listed = ListSelect(Delivery, visible_deliveries, conditions)
    return await read_page(context, listed, _NEWEST, request)


@permitted("deliveries", DELIVERY)
async def delivery_by_id(context: Context, delivery_id: UUID) -> Delivery | None:
    """Return the delivery, or None."""
    return await DELIVERY.find(context.database, context.actor, delivery_id)


@permitted("retryDelivery", DELIVERY)
async def retry_delivery(context: Context, delivery_id: UUID) -> Delivery:
    """Attempt a failed or dropped delivery again immediately, with a new schedule.

    A delivery that waits for its next attempt is attempted now. Raises ConflictError if it was delivered.
    """
    async with context.services.transactions.begin() as tx:
        target_id = await tx.session.scalar(
            DELIVERY.by_id(context.actor, delivery_id).with_only_columns(Delivery.target_id)
        )
        target = await tx.session.get_one(
            DeliveryTarget, DELIVERY.known(target_id), with_for_update={"key_share": True}
        )
        delivery = await tx.session.get_one(Delivery, delivery_id, with_for_update=True)
        now = await tx.read_clock()
        if delivery.status is DeliveryStatus.DELIVERED:
            raise ConflictError("The delivery has already succeeded.")
        if delivery.status is not DeliveryStatus.PENDING:
            delivery.attempts_made = 0
        delivery.status, delivery.note, delivery.ended_at = DeliveryStatus.PENDING, None, None
        delivery.next_attempt_at, target.paused_until = await front_of_queue(tx, target.id), None
        schedule_delivery(tx, target, now)
    return delivery


@permitted("sendTestNotification", AGENT)
async def send_test_notification(
    context: Context, agent_id: UUID, channel: DeliveryChannel
) -> list[Delivery]:
    """Send a sample to each target of one channel, and wait up to 10 s for the outcome.

    Raises BadInputError if the channel has no recipient, and RateLimitedError if one of them got a sample
    less than a minute ago.
    """
    async with context.database.autocommit_session() as session:
        agent = AGENT.known(await session.scalar(AGENT.by_id(context.actor, agent_id)))
        keys = await _targets(session, agent, channel)
        await _require_pause(session, agent.workspace_id, keys)
    async with context.services.transactions.begin() as tx:
        now = await tx.read_clock()
        targets = await lock_targets(tx, agent.workspace_id, keys)
        # Again, now that no concurrent call can send one.
        await _require_pause(tx.session, agent.workspace_id, keys)
        samples = [
            _sample(agent, key, targets[key].id, tx, await front_of_queue(tx, targets[key].id))
            for key in keys
        ]
        tx.session.add_all(samples)
        for target in targets.values():
            target.paused_until, target.sampled_at = None, now
            schedule_delivery(tx, target, now)
    return await _when_attempted(context, [sample.id for sample in samples])


async def _require_pause(session: AsyncSession, workspace_id: UUID, keys: Sequence[TargetKey]) -> None:
    names = [(key.channel, key.key) for key in keys]
    query = select(func.max(DeliveryTarget.sampled_at), func.clock_timestamp()).where(
        DeliveryTarget.workspace_id == workspace_id,
        tuple_(DeliveryTarget.channel, DeliveryTarget.key).in_(names),
    )
    sampled_at, now = (await session.execute(query)).tuples().one()
    if sampled_at and sampled_at + SAMPLE_PAUSE > now:
        seconds = math.ceil((sampled_at + SAMPLE_PAUSE - now).total_seconds())
        raise RateLimitedError(
            f"A test was sent there less than a minute ago. Try again in {seconds} s.", seconds
        )


async def _targets(session: AsyncSession, agent: Agent, channel: DeliveryChannel) -> list[TargetKey]:
    settings = EscalationSettings.model_validate(agent.settings).notifications
    if channel is DeliveryChannel.EMAIL:
        keys = TargetKey.emails(settings.email.recipients) if settings.email.enabled else []
        missing = "has no email recipients, or email is switched off: set notifications.email first"
    elif channel is DeliveryChannel.SLACK:
        connected = await session.get(SlackConnection, agent.id)
        ready = connected and settings.slack.enabled and settings.slack.channel
        keys = [TargetKey.slack(agent.id, settings.slack.channel)] if ready and settings.slack.channel else []
        missing = "has no Slack: call connectSlack, then set notifications.slack.channel"
    else:
        endpoints = await session.scalars(
            select(WebhookEndpoint)
            .where(
                WebhookEndpoint.agent_id == agent.id,
                WebhookEndpoint.enabled,
                WebhookEndpoint.deleted_at.is_(None),
            )
            .order_by(WebhookEndpoint.id)
        )
        keys = [TargetKey.webhook(endpoint.id, endpoint.url) for endpoint in endpoints]
        missing = "has no webhook endpoint that is switched on: createWebhookEndpoint first"
    if not keys:
        raise BadInputError("channel", missing)
    return keys


def _sample(agent: Agent, key: TargetKey, target_id: UUID, tx: Transaction, due: datetime) -> Delivery:
    return pending_delivery(
        tx, agent.workspace_id, target_id, key, TEST, agent_id=agent.id, next_attempt_at=due
    )


async def _when_attempted(context: Context, ids: Sequence[UUID]) -> list[Delivery]:
    end = asyncio.get_running_loop().time() + SAMPLE_SECONDS
    while True:
        async with context.database.autocommit_session() as session:
            unattempted = await session.scalar(
                select(Delivery.id)
                .where(Delivery.id.in_(ids), Delivery.status == DeliveryStatus.PENDING)
                .where(
                    ~select(DeliveryAttempt.id)
                    .where(DeliveryAttempt.delivery_id == Delivery.id, DeliveryAttempt.succeeded.is_not(None))
                    .exists()
                )
                .limit(1)
            )
            if unattempted is None or asyncio.get_running_loop().time() > end:
                samples = select(Delivery).where(Delivery.id.in_(ids)).order_by(Delivery.id)
                return list(await session.scalars(samples))
        await asyncio.sleep(_POLL_SECONDS)
