"""Mutations of webhook endpoints and deliveries."""

import strawberry

from resolvers import delivery, webhook_endpoint
from rules.delivery import DeliveryChannel
from rules.typeid import AGENT, DELIVERY, WEBHOOK_ENDPOINT
from schema.context import Info, parse_global_id
from schema.mutation import mutation
from schema.notifications.delivery import Delivery
from schema.notifications.webhook_endpoint import (
    CreateWebhookEndpointInput,
    WebhookEndpoint,
    WebhookEndpointPayload,
)


@strawberry.type
class NotificationMutation:
    """Mutations of webhook endpoints and deliveries."""

    @mutation
    async def create_webhook_endpoint(
        self,
        info: Info,
        input: CreateWebhookEndpointInput,  # noqa: A002 - the name in the API
    ) -> WebhookEndpointPayload | None:
        """Create a webhook endpoint; the payload has its secret."""
        row, secret = await webhook_endpoint.create_webhook_endpoint(
            info.context,
            parse_global_id(info, AGENT, input.agent_id, "agent_id"),
            input.url,
            input.event_types,
        )
        return WebhookEndpointPayload(endpoint=WebhookEndpoint.of(row, info.context), secret=secret)

    @mutation
    async def update_webhook_endpoint(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002 - the name in the API
        url: str | None = None,
        enabled: bool | None = None,
        event_types: list[str] | None = None,
    ) -> WebhookEndpointPayload | None:
        """Change a webhook endpoint."""
        key = parse_global_id(info, WEBHOOK_ENDPOINT, id, "id")
        row = await webhook_endpoint.update_webhook_endpoint(info.context, key, url, enabled, event_types)
        return WebhookEndpointPayload(endpoint=WebhookEndpoint.of(row, info.context), secret=None)

    @mutation
    async def rotate_webhook_secret(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002 - the name in the API
    ) -> WebhookEndpointPayload | None:
        """Make a new secret. For 24 hours the old one signs, too."""
        key = parse_global_id(info, WEBHOOK_ENDPOINT, id, "id")
        row, secret = await webhook_endpoint.rotate_webhook_secret(info.context, key)
        return WebhookEndpointPayload(endpoint=WebhookEndpoint.of(row, info.context), secret=secret)

    @mutation
    async def delete_webhook_endpoint(self, info: Info, id: strawberry.ID) -> bool | None:  # noqa: A002 - the name in the API
        """Delete a webhook endpoint."""
        key = parse_global_id(info, WEBHOOK_ENDPOINT, id, "id")
        await webhook_endpoint.delete_webhook_endpoint(info.context, key)
        return True

    @mutation
    async def send_test_notification(
        self, info: Info, agent_id: strawberry.ID, channel: DeliveryChannel
    ) -> list[Delivery] | None:
        """Send a sample to one channel and return its deliveries; at most one a minute to each target."""
        key = parse_global_id(info, AGENT, agent_id, "agent_id")
        rows = await delivery.send_test_notification(info.context, key, channel)
        return [Delivery.of(row, info.context) for row in rows]

    @mutation
    async def retry_delivery(self, info: Info, id: strawberry.ID) -> Delivery | None:  # noqa: A002 - the name in the API
        """Attempt a delivery again."""
        key = parse_global_id(info, DELIVERY, id, "id")
        return Delivery.of(await delivery.retry_delivery(info.context, key), info.context)
