"""Webhook endpoints of an AI agent, and the secrets that sign what is posted to them."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select

from models.agent import Agent
from models.delivery import DeliveryTarget
from models.ids import new_id
from models.webhook_endpoint import WebhookEndpoint
from realtime.delivery_queue import schedule_delivery
from realtime.transaction import Transaction
from resolvers.context import Context
from resolvers.errors import BadInputError, ConflictError, NotFoundError
from resolvers.permissions import permitted
from resolvers.visibility import AGENT, WEBHOOK_ENDPOINT, visible_agents, visible_webhook_endpoints
from rules.events import EventType

ENDPOINTS = 50  # of one AI agent
OLD_SECRET_SIGNS = timedelta(hours=24)


@permitted("createWebhookEndpoint", AGENT)
async def create_webhook_endpoint(
    context: Context, agent_id: UUID, url: str, event_types: Sequence[str] | None
) -> tuple[WebhookEndpoint, str]:
    """Create an endpoint and return it with its secret, which is shown once."""
    types = _checked(event_types)
    await _check_url(context, url)
    secret = context.services.external.new_webhook_secret()
    async with context.services.transactions.begin() as tx:
        await _lock_agent(tx, context, agent_id)
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
    return endpoint, secret


async def _lock_agent(tx: Transaction, context: Context, agent_id: UUID) -> None:
    statement = visible_agents(context.actor).where(Agent.id == agent_id).with_for_update(key_share=True)
    if await tx.session.scalar(statement) is None:
        raise NotFoundError("AI agent")
    has = await tx.session.scalar(
        select(func.count()).where(WebhookEndpoint.agent_id == agent_id, WebhookEndpoint.deleted_at.is_(None))
    )
    if has and has >= ENDPOINTS:
        raise ConflictError(
            f"The AI agent has {ENDPOINTS} endpoints, the most it may have: delete one first."
        )


@permitted("updateWebhookEndpoint", WEBHOOK_ENDPOINT)
async def update_webhook_endpoint(
    context: Context,
    endpoint_id: UUID,
    url: str | None = None,
    enabled: bool | None = None,
    event_types: Sequence[str] | None = None,
) -> WebhookEndpoint:
    """Change the given fields; enabling the endpoint clears the reason of its disabling."""
    types = None if event_types is None else _checked(event_types)
    if url is not None:
        await _check_url(context, url)
    async with context.services.transactions.begin() as tx:
        # The target first, as who attempts does.
        target = await _lock_target(tx, context, endpoint_id)
        endpoint = await _locked(tx, context, endpoint_id)
        endpoint.url = url or endpoint.url
        if types is not None:
            endpoint.event_types = types
        if enabled is not None:
            endpoint.enabled, endpoint.disabled_reason = enabled, None
        if (enabled or url) and target is not None:
            await _start_afresh(tx, target)
    return endpoint


async def _lock_target(tx: Transaction, context: Context, endpoint_id: UUID) -> DeliveryTarget | None:
    row: DeliveryTarget | None = await tx.session.scalar(
        select(DeliveryTarget)
        .where(
            DeliveryTarget.endpoint_id == endpoint_id,
            DeliveryTarget.workspace_id == context.actor.workspace_id,
        )
        .with_for_update(key_share=True)
    )
    return row


async def _start_afresh(tx: Transaction, target: DeliveryTarget) -> None:
    """Restart the count of five days, and send deliveries that waited for the cooldown."""
    target.failures, target.failing_since, target.paused_until = 0, None, None
    schedule_delivery(tx, target, await tx.read_clock())


@permitted("rotateWebhookSecret", WEBHOOK_ENDPOINT)
async def rotate_webhook_secret(context: Context, endpoint_id: UUID) -> tuple[WebhookEndpoint, str]:
    """Create a new secret, shown once; for 24 hours the old one signs too."""
    secret = context.services.external.new_webhook_secret()
    async with context.services.transactions.begin() as tx:
        endpoint = await _locked(tx, context, endpoint_id)
        endpoint.previous_secret = endpoint.secret
        endpoint.previous_until = await tx.read_clock() + OLD_SECRET_SIGNS
        endpoint.secret = context.services.seal.seal(secret, endpoint.purpose)
    return endpoint, secret


@permitted("deleteWebhookEndpoint", WEBHOOK_ENDPOINT)
async def delete_webhook_endpoint(context: Context, endpoint_id: UUID) -> None:
    """Delete the endpoint; its deliveries stay visible."""
    async with context.services.transactions.begin() as tx:
        endpoint = await _locked(tx, context, endpoint_id)
        endpoint.deleted_at = await tx.read_clock()
        endpoint.enabled = False


async def _locked(tx: Transaction, context: Context, endpoint_id: UUID) -> WebhookEndpoint:
    row = await tx.session.scalar(
        visible_webhook_endpoints(context.actor)
        .where(WebhookEndpoint.id == endpoint_id)
        .with_for_update(key_share=True)
    )
    if row is None:
        raise NotFoundError("webhook endpoint")
    return row


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
    async with context.database.autocommit_session() as session:
        row: WebhookEndpoint | None = await session.scalar(
            visible_webhook_endpoints(context.actor).where(WebhookEndpoint.id == endpoint_id)
        )
        return row
