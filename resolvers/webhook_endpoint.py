"""Webhook endpoints of AI agents, and the secrets that sign the requests to them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from models.agent import Agent
from models.delivery import DeliveryTarget
from models.ids import new_id
from models.webhook_endpoint import WebhookEndpoint
from realtime.delivery_queue import schedule_delivery
from realtime.transaction import Transaction
from resolvers.audit import record_act
from resolvers.context import Context
from resolvers.errors import BadInputError, ConflictError
from resolvers.permissions import permitted
from resolvers.visibility import AGENT, WEBHOOK_ENDPOINT
from rules.audit import AuditAction
from rules.events import EventType
from rules.typeid import WEBHOOK_ENDPOINT as WEBHOOK_ENDPOINT_PREFIX
from rules.typeid import format_id

ENDPOINTS = 50  # of one AI agent
OLD_SECRET_SIGNS = timedelta(hours=24)


@permitted("createWebhookEndpoint", AGENT)
async def create_webhook_endpoint(
    context: Context, agent_id: UUID, url: str, event_types: Sequence[str] | None
) -> tuple[WebhookEndpoint, str]:
    """Create an endpoint; return it and its secret, which is shown only once."""
    types = _checked(event_types)
    await _check_url(context, url)
    secret = context.services.external.new_webhook_secret()
    async with context.services.transactions.begin() as tx:
        await _check_count(tx, await AGENT.lock(tx, context.actor, agent_id))
        endpoint = WebhookEndpoint(
            id=new_id(),
            workspace_id=context.actor.workspace_id,
            agent_id=agent_id,
            url=url,
            event_types=types,
            enabled=True,
            created_at=await tx.read_clock(),
        )
        endpoint.secret = context.services.seal.seal(secret, endpoint.purpose)
        tx.session.add(endpoint)
        await _record(tx, context, AuditAction.CREATE_WEBHOOK_ENDPOINT, endpoint.id)
    return endpoint, secret


async def _record(
    tx: Transaction, context: Context, action: AuditAction, endpoint_id: UUID, **details: Any
) -> None:
    await record_act(tx, context, action, format_id(WEBHOOK_ENDPOINT_PREFIX, endpoint_id), **details)


async def _check_count(tx: Transaction, agent: Agent) -> None:
    count = await tx.session.scalar(
        select(func.count()).where(WebhookEndpoint.agent_id == agent.id, WebhookEndpoint.deleted_at.is_(None))
    )
    if count and count >= ENDPOINTS:
        raise ConflictError(f"The AI agent has {ENDPOINTS} endpoints, the maximum. Delete one first.")


@permitted("updateWebhookEndpoint", WEBHOOK_ENDPOINT)
async def update_webhook_endpoint(
    context: Context,
    endpoint_id: UUID,
    url: str | None = None,
    enabled: bool | None = None,
    event_types: Sequence[str] | None = None,
) -> WebhookEndpoint:
    """Change the fields given; enabling the endpoint clears the reason why it was disabled."""
    types = None if event_types is None else _checked(event_types)
    if url is not None:
        await _check_url(context, url)
    async with context.services.transactions.begin() as tx:
        # The same lock order as in a delivery attempt: the target first.
        target = await _lock_target(tx, context, endpoint_id)
        endpoint = await WEBHOOK_ENDPOINT.lock(tx, context.actor, endpoint_id)
        endpoint.url = url or endpoint.url
        if types is not None:
            endpoint.event_types = types
        if enabled is not None:
            endpoint.enabled, endpoint.disabled_reason = enabled, None
        if (enabled or url) and target is not None:
            await _reset_target(tx, target)
        given = (("url", url), ("enabled", enabled), ("eventTypes", types))
        changed = [name for name, value in given if value is not None]
        await _record(tx, context, AuditAction.UPDATE_WEBHOOK_ENDPOINT, endpoint_id, changed=changed)
    return endpoint


async def _lock_target(tx: Transaction, context: Context, endpoint_id: UUID) -> DeliveryTarget | None:
    target: DeliveryTarget | None = await tx.session.scalar(
        select(DeliveryTarget)
        .where(
            DeliveryTarget.endpoint_id == endpoint_id,
            DeliveryTarget.workspace_id == context.actor.workspace_id,
        )
        .with_for_update(key_share=True)
    )
    return target


async def _reset_target(tx: Transaction, target: DeliveryTarget) -> None:
    """Reset the count of failures, and attempt immediately what only waited because of them."""
    target.failures, target.failing_since, target.paused_until = 0, None, None
    schedule_delivery(tx, target, await tx.read_clock())


@permitted("rotateWebhookSecret", WEBHOOK_ENDPOINT)
async def rotate_webhook_secret(context: Context, endpoint_id: UUID) -> tuple[WebhookEndpoint, str]:
    """Create a new secret, shown only once; for 24 hours the old one signs as well."""
    secret = context.services.external.new_webhook_secret()
    async with context.services.transactions.begin() as tx:
        endpoint = await WEBHOOK_ENDPOINT.lock(tx, context.actor, endpoint_id)
        endpoint.previous_secret = endpoint.secret
        endpoint.previous_until = await tx.read_clock() + OLD_SECRET_SIGNS
        endpoint.secret = context.services.seal.seal(secret, endpoint.purpose)
        await _record(tx, context, AuditAction.ROTATE_WEBHOOK_SECRET, endpoint_id)
    return endpoint, secret


@permitted("deleteWebhookEndpoint", WEBHOOK_ENDPOINT)
async def delete_webhook_endpoint(context: Context, endpoint_id: UUID) -> None:
    """Delete the endpoint; its deliveries remain visible."""
    async with context.services.transactions.begin() as tx:
        endpoint = await WEBHOOK_ENDPOINT.lock(tx, context.actor, endpoint_id)
        endpoint.deleted_at = await tx.read_clock()
        endpoint.enabled = False
        await _record(tx, context, AuditAction.DELETE_WEBHOOK_ENDPOINT, endpoint_id)


async def _check_url(context: Context, url: str) -> None:
    if fault := await context.services.external.url_error(url):
        raise BadInputError("url", fault)


def _checked(event_types: Sequence[str] | None) -> list[str]:
    allowed = [str(event_type) for event_type in EventType]
    for index, event_type in enumerate(event_types or ()):
        if event_type not in allowed:
            raise BadInputError(f"event_types.{index}", f"is none of the event types: {', '.join(allowed)}")
    return sorted(set(event_types or ()), key=allowed.index)


@permitted("escalationSettings", WEBHOOK_ENDPOINT)
async def webhook_endpoint_by_id(context: Context, endpoint_id: UUID) -> WebhookEndpoint | None:
    """Return the endpoint, or None."""
    return await WEBHOOK_ENDPOINT.find(context.database, context.actor, endpoint_id)
