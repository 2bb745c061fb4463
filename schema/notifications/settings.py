"""Notification channels in the settings."""

from uuid import UUID

import strawberry
from strawberry.utils.await_maybe import AwaitableOrValue

from resolvers.loaders import slack_connections_of, unconfirmed_recipients_of, webhook_endpoints_of
from rules import agent_settings as rules
from rules.agent_settings import EmailFrequency
from schema.context import Info, sync_or_async_field
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

    @sync_or_async_field(list[str])
    def unconfirmed_recipients(self, info: Info) -> AwaitableOrValue[list[str]]:
        """Recipients who have not confirmed their address yet. Until then they get no notifications."""
        return info.context.look_up(unconfirmed_recipients_of, self.agent_key, lambda emails: emails or [])


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

    @sync_or_async_field(bool)
    def connected(self, info: Info) -> AwaitableOrValue[bool]:
        """True if a Slack bot is connected."""
        return info.context.look_up(slack_connections_of, self.agent_key, lambda row: row is not None)

    @sync_or_async_field(str | None)
    def team_name(self, info: Info) -> AwaitableOrValue[str | None]:
        """Name of the Slack workspace of the bot."""
        return info.context.look_up(
            slack_connections_of, self.agent_key, lambda row: row.team_name if row else None
        )


@strawberry.type
class NotificationSettings:
    """Notification channels of an AI agent."""

    agent_key: strawberry.Private[UUID]
    email: EmailNotifications
    """Emails to the team."""
    slack: SlackNotifications
    """Messages to Slack."""

    @sync_or_async_field(list[WebhookEndpoint])
    def webhooks(self, info: Info) -> AwaitableOrValue[list[WebhookEndpoint]]:
        """The endpoints, oldest first."""
        call = info.context
        return call.look_up(
            webhook_endpoints_of,
            self.agent_key,
            lambda rows: [WebhookEndpoint.of(row, call) for row in rows or ()],
        )

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
