"""Notification channels in the settings, and webhook endpoints."""

from datetime import datetime
from uuid import UUID

import strawberry

from models import webhook_endpoint as models
from resolvers.loaders import slack_connections_of, webhook_endpoints_of
from rules import agent_settings as rules
from rules.agent_settings import EmailFrequency
from rules.typeid import WEBHOOK_ENDPOINT, format_id
from schema.basics import Node
from schema.context import Info


@strawberry.type
class EmailNotifications:
    """Emails to the team."""

    enabled: bool
    """True if emails are sent."""
    recipients: list[str]
    """Email addresses."""
    include_transcript: bool
    """True if emails contain the conversation."""
    frequency: EmailFrequency
    """Frequency of the emails."""

    @strawberry.field
    def connected(self, info: Info) -> bool:
        """True if the server has a mail server."""
        return info.context.services.external.email_connected


@strawberry.type
class SlackNotifications:
    """Messages to a Slack channel."""

    agent_key: strawberry.Private[UUID]
    enabled: bool
    """True if messages are posted."""
    channel: str | None
    """Id or name of the channel."""
    message_format: str
    """Text with placeholders such as {reason}, {priority}, {customer} and {link}."""
    mentions: list[str]
    """Slack user or group ids to mention, or “here” and “channel”."""

    @strawberry.field
    async def connected(self, info: Info) -> bool:
        """True if a Slack bot is connected."""
        return await info.context.load(slack_connections_of, self.agent_key) is not None

    @strawberry.field
    async def team_name(self, info: Info) -> str | None:
        """Name of the Slack workspace of the bot."""
        connection = await info.context.load(slack_connections_of, self.agent_key)
        return connection.team_name if connection else None


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
    def of(cls, row: models.WebhookEndpoint) -> "WebhookEndpoint":
        """Build an endpoint. Its secrets are shown only when they are made."""
        return cls(
            id=strawberry.ID(format_id(WEBHOOK_ENDPOINT, row.id)),
            url=row.url,
            enabled=row.enabled,
            event_types=row.event_types,
            disabled_reason=row.disabled_reason,
            created_at=row.created_at,
        )


@strawberry.type
class NotificationSettings:
    """Notification channels of an AI agent."""

    agent_key: strawberry.Private[UUID]
    email: EmailNotifications
    """Emails to the team."""
    slack: SlackNotifications
    """Messages to Slack."""

    @strawberry.field
    async def webhooks(self, info: Info) -> list[WebhookEndpoint]:
        """The endpoints, oldest first."""
        rows = await info.context.load(webhook_endpoints_of, self.agent_key) or []
        return [WebhookEndpoint.of(row) for row in rows]

    @classmethod
    def of(cls, agent_key: UUID, held: rules.NotificationSettings) -> "NotificationSettings":
        """Build the notification settings."""
        return cls(
            agent_key=agent_key,
            email=EmailNotifications(**held.email.model_dump()),
            slack=SlackNotifications(agent_key=agent_key, **held.slack.model_dump()),
        )


@strawberry.input
class EmailNotificationsInput:
    """Changes to mails."""

    enabled: bool | None = None
    """True if emails are sent."""
    recipients: list[str] | None = None
    """Email addresses."""
    include_transcript: bool | None = None
    """True if emails contain the conversation."""
    frequency: EmailFrequency | None = None
    """Frequency of the emails."""


@strawberry.input
class SlackNotificationsInput:
    """Changes to messages in Slack; a channel that is null is none."""

    enabled: bool | None = None
    """True if messages are posted."""
    channel: str | None = strawberry.UNSET
    """Id or name of the channel."""
    message_format: str | None = None
    """Text with placeholders such as {reason}, {priority}, {customer} and {link}."""
    mentions: list[str] | None = None
    """Slack user or group ids to mention, or “here” and “channel”."""


@strawberry.input
class NotificationSettingsInput:
    """Changes to the notification channels."""

    email: EmailNotificationsInput | None = None
    """Emails to the team."""
    slack: SlackNotificationsInput | None = None
    """Messages to Slack."""


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
