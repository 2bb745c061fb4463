"""Notification channels in the settings."""

from uuid import UUID

import strawberry

from resolvers.loaders import slack_connections_of, unconfirmed_recipients_of, webhook_endpoints_of
from rules import agent_settings as rules
from rules.agent_settings import EmailFrequency
from schema.context import Info
from schema.notifications.webhook_endpoint import WebhookEndpoint


@strawberry.type
class EmailNotifications:
    """Emails to the team."""

    agent_key: strawberry.Private[UUID]
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

    @strawberry.field
    async def unconfirmed_recipients(self, info: Info) -> list[str]:
        """Recipients who have not confirmed their address yet. Until then they get no notifications."""
        return await info.context.load(unconfirmed_recipients_of, self.agent_key) or []


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
        return [WebhookEndpoint.of(row, info.context) for row in rows]

    @classmethod
    def of(cls, agent_key: UUID, held: rules.NotificationSettings) -> "NotificationSettings":
        """Build the notification settings."""
        return cls(
            agent_key=agent_key,
            email=EmailNotifications(agent_key=agent_key, **held.email.model_dump()),
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
