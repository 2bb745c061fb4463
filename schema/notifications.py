"""By what the team is told: the settings' part, and webhook endpoints."""

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
    """Who gets mails, and when."""

    enabled: bool
    recipients: list[str]
    include_transcript: bool
    frequency: EmailFrequency

    @strawberry.field
    def connected(self, info: Info) -> bool:
        """Whether the server has a mail server to send by."""
        return info.context.services.external.email_connected


@strawberry.type
class SlackNotifications:
    """Where the bot writes, how, and whom it mentions."""

    agent_key: strawberry.Private[UUID]
    enabled: bool
    channel: str | None
    message_format: str
    mentions: list[str]

    @strawberry.field
    async def connected(self, info: Info) -> bool:
        """Whether there is a bot to write by."""
        return await info.context.load(slack_connections_of, self.agent_key) is not None

    @strawberry.field
    async def team_name(self, info: Info) -> str | None:
        """The Slack workspace that the bot is of."""
        connection = await info.context.load(slack_connections_of, self.agent_key)
        return connection.team_name if connection else None


@strawberry.type
class WebhookEndpoint(Node):
    """Where events are posted to."""

    url: str
    enabled: bool
    event_types: list[str]
    disabled_reason: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: models.WebhookEndpoint) -> "WebhookEndpoint":
        """Dresses a row; its secrets are shown by nothing but what makes them."""
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
    """By what the team is told."""

    agent_key: strawberry.Private[UUID]
    email: EmailNotifications
    slack: SlackNotifications

    @strawberry.field
    async def webhooks(self, info: Info) -> list[WebhookEndpoint]:
        """The endpoints, oldest first."""
        rows = await info.context.load(webhook_endpoints_of, self.agent_key) or []
        return [WebhookEndpoint.of(row) for row in rows]

    @classmethod
    def of(cls, agent_key: UUID, held: rules.NotificationSettings) -> "NotificationSettings":
        """Dresses the settings' part."""
        return cls(
            agent_key=agent_key,
            email=EmailNotifications(**held.email.model_dump()),
            slack=SlackNotifications(agent_key=agent_key, **held.slack.model_dump()),
        )


@strawberry.input
class EmailNotificationsInput:
    """Changes to mails."""

    enabled: bool | None = None
    recipients: list[str] | None = None
    include_transcript: bool | None = None
    frequency: EmailFrequency | None = None


@strawberry.input
class SlackNotificationsInput:
    """Changes to messages in Slack; a channel that is null is none."""

    enabled: bool | None = None
    channel: str | None = strawberry.UNSET
    message_format: str | None = None
    mentions: list[str] | None = None


@strawberry.input
class NotificationSettingsInput:
    """Changes to by what the team is told."""

    email: EmailNotificationsInput | None = None
    slack: SlackNotificationsInput | None = None


@strawberry.input
class CreateWebhookEndpointInput:
    """A new endpoint."""

    agent_id: strawberry.ID
    url: str
    event_types: list[str] | None = None


@strawberry.type
class WebhookEndpointPayload:
    """The endpoint, with its secret where that is new."""

    endpoint: WebhookEndpoint
    secret: str | None
