"""Webhook endpoints."""

from datetime import datetime

import strawberry

from models import webhook_endpoint as models
from resolvers.webhook_endpoint import webhook_endpoint_by_id
from rules import typeid
from rules.typeid import format_id
from schema.context import GraphQLContext
from schema.nodes import Node, node


@node(typeid.WEBHOOK_ENDPOINT, "webhook endpoint", webhook_endpoint_by_id)
@strawberry.type
class WebhookEndpoint(Node):
    """A URL to which events are posted."""

    url: str
    """URL that receives the events."""
    enabled: bool
    """True if events are posted."""
    event_types: list[str]
    """Event types that it receives, such as escalation.created. An empty list means all."""
    disabled_reason: str | None
    """Reason for which Baton switched it off; null if it did not."""
    created_at: datetime
    """Time of its creation."""

    @classmethod
    def of(cls, row: models.WebhookEndpoint, _: GraphQLContext) -> "WebhookEndpoint":
        """Build an endpoint. Its secrets are shown only when they are made."""
        return cls(
            id=strawberry.ID(format_id(typeid.WEBHOOK_ENDPOINT, row.id)),
            url=row.url,
            enabled=row.enabled,
            event_types=row.event_types,
            disabled_reason=row.disabled_reason,
            created_at=row.created_at,
        )


@strawberry.input
class CreateWebhookEndpointInput:
    """A new endpoint."""

    agent_id: strawberry.ID
    """AI agent whose events are posted."""
    url: str
    """URL that receives the events."""
    event_types: list[str] | None = None
    """Event types, such as escalation.created. Null or an empty list means all."""


@strawberry.type
class WebhookEndpointPayload:
    """The endpoint, with its secret where that is new."""

    endpoint: WebhookEndpoint
    """The endpoint."""
    secret: str | None
    """Signing secret, shown once when the endpoint is created or its secret is rotated."""
