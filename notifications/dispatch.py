"""Dispatch by channel: load what a delivery needs, render it, and send it.

Loading only reads. Rendering uses no database and happens outside of transactions, that of emails in a
thread: their templates and style sheets take tens of milliseconds.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from models.delivery import Delivery, DeliveryTarget
from models.sealing import UnreadableSecretError
from models.slack_connection import SlackConnection
from models.webhook_endpoint import WebhookEndpoint
from notifications.content.queries import (
    AgentInfo,
    digest_start,
    load_agent,
    load_content,
    load_digest_content,
    obsolete_reason,
)
from notifications.content.sample import sample_content
from notifications.content.snapshots import NotificationContent
from notifications.email import compose as email_content
from notifications.email import smtp
from notifications.email.confirmation import ConfirmationRequest, compose_confirmation
from notifications.email.sign_in_alert import SignInAlert, compose_sign_in_alert
from notifications.outcome import Outcome
from notifications.services import NotificationServices
from notifications.slack import api as slack_api
from notifications.slack import compose as slack_content
from notifications.webhook import compose as webhook_content
from notifications.webhook.send import send as send_webhook
from realtime.recipients import CONFIRMATION_LIFETIME, confirmation_token, is_member, unconfirmed
from rules.delivery import DeliveryChannel
from rules.email_address import address_key, email_address_error
from rules.events import ALERT, ALERTS, CONFIRMATION, DIGESTS, LIMIT_DIGEST, SIGN_IN_ALERT, STORM_DIGEST, TEST
from rules.slack_format import channel_in_full
from rules.typeid import DELIVERY, format_id

# The reason for which a delivery to an unconfirmed address is dropped.
UNCONFIRMED = (
    "The address has not been confirmed: its holder must follow the link in the mail “Confirm your address”. "
    "A test email sends it again, at most once a day."
)
_DIGEST_REASONS = {
    STORM_DIGEST: "There were too many notices in a short time to send each as a mail.",
    LIMIT_DIGEST: "The limit of mails in an hour was reached, so these come in one mail.",
}

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PreparedDelivery:
    """A delivery that is ready to send. `secrets` are those of a webhook, or Slack's token.

    A `fault` makes the attempt fail without sending. An empty body is not kept for later attempts.
    """

    id: str
    channel: DeliveryChannel
    address: str
    body: bytes
    secrets: tuple[str, ...] = field(default=(), repr=False)
    fault: str | None = None
    final: bool = False

    @classmethod
    def faulty(cls, delivery: Delivery, fault: str, *, final: bool = False) -> "PreparedDelivery":
        """Return a delivery that cannot be sent: the attempt fails, and its body stays open."""
        id_ = format_id(DELIVERY, delivery.id)
        body = delivery.body or b""
        return cls(id_, delivery.channel, delivery.target, body, fault=fault, final=final)

    def with_fixed_body(self, body: bytes | None) -> "PreparedDelivery":
        """Return the delivery with the body that an attempt has fixed, if there is one."""
        return replace(self, body=body) if body else self


@dataclass(frozen=True, slots=True)
class LoadedDelivery:
    """A delivery with everything that `render` needs; its own `body` is empty until then."""

    prepared: PreparedDelivery
    render: Callable[[], bytes] | None = None


async def load(
    session: AsyncSession,
    services: NotificationServices,
    delivery: Delivery,
    target: DeliveryTarget,
    now: datetime,
) -> LoadedDelivery | str:
    """Return the delivery as it should be rendered at `now`, or the reason why it need not be sent."""
    agent = await load_agent(session, delivery.agent_id)
    if delivery.channel is DeliveryChannel.EMAIL:
        return await _load_email(session, services, delivery, target, agent, now)
    if delivery.channel is DeliveryChannel.SLACK:
        return await _load_slack(session, services, delivery, agent, now)
    return await _load_webhook(session, services, delivery, target, agent, now)


async def render(loaded: LoadedDelivery) -> PreparedDelivery:
    """Return the delivery with its body. A body that an earlier attempt has fixed is kept."""
    if loaded.render is None:
        return loaded.prepared
    if loaded.prepared.channel is DeliveryChannel.EMAIL:
        body = await asyncio.to_thread(loaded.render)
    else:
        body = loaded.render()
    return replace(loaded.prepared, body=body)


async def send(services: NotificationServices, prepared: PreparedDelivery) -> Outcome:
    """Send the delivery, and return every failure as an Outcome."""
    if prepared.fault:
        return Outcome(False, prepared.fault, final=prepared.final)
    try:
        if prepared.channel is DeliveryChannel.EMAIL:
            return await _send_email(services, prepared)
        if prepared.channel is DeliveryChannel.SLACK:
            return await slack_api.send(prepared.secrets[0], prepared.body, services.slack_api_url)
        return await send_webhook(
            prepared.address,
            prepared.body,
            prepared.id,
            prepared.secrets,
            allow_private=services.allow_private,
            at=datetime.now(UTC),
        )
    except Exception as error:
        _logger.exception("delivery.error", delivery=prepared.id)
        return Outcome(False, f"Baton's own error, see its log: {type(error).__name__}")


async def _send_email(services: NotificationServices, prepared: PreparedDelivery) -> Outcome:
    if services.smtp is not None:
        return await smtp.send(services.smtp, prepared.body, prepared.address)
    assert services.mail_folder is not None  # otherwise nothing is rendered
    return await smtp.keep(services.mail_folder, prepared.body, prepared.id)


async def _load_email(
    session: AsyncSession,
    services: NotificationServices,
    delivery: Delivery,
    target: DeliveryTarget,
    agent: AgentInfo,
    now: datetime,
) -> LoadedDelivery | str:
    email = agent.settings.notifications.email
    listed = {address_key(address) for address in email.recipients if email.enabled}
    if delivery.event_type in ALERTS:
        if not await is_member(session, delivery.workspace_id, delivery.target):
            return "The address is not that of a team member any more."
    elif address_key(delivery.target) not in listed:
        return "Emails are switched off, or this address is no recipient any more. Change that, then retry."
    if not await _may_get_words(session, services, delivery, target):
        return UNCONFIRMED
    if error := email_address_error(delivery.target):
        # Failed rather than dropped, so that a lost alert is listed with its reason.
        return LoadedDelivery(PreparedDelivery.faulty(delivery, f"the address {error}", final=True))
    if not services.sends_email:
        fault = "email is not connected: set BATON_SMTP_URL"
        return LoadedDelivery(PreparedDelivery.faulty(delivery, fault))
    compose = await _email(session, services, delivery, agent, now)
    return compose if isinstance(compose, str) else _loaded(delivery, compose)


async def _may_get_words(
    session: AsyncSession, services: NotificationServices, delivery: Delivery, target: DeliveryTarget
) -> bool:
    """Return whether a delivery has no words of customers, or its address is confirmed."""
    if delivery.event_type in ALERTS | {CONFIRMATION} or target.confirmed_at:
        return True
    address, domains = delivery.target, services.confirmed_domains
    return not await unconfirmed(session, delivery.workspace_id, [address], domains)


async def _email(
    session: AsyncSession,
    services: NotificationServices,
    delivery: Delivery,
    agent: AgentInfo,
    now: datetime,
) -> Callable[[], bytes] | str:
    """Return the function that composes the email, or the reason why it need not be sent."""
    sender = services.smtp.sender if services.smtp else smtp.default_sender("localhost")
    recipient, include_transcript = delivery.target, agent.settings.notifications.email.include_transcript
    if delivery.event_type == ALERT:
        alert = _alert(services, delivery, agent)
        return partial(email_content.compose_alert, alert, sender=sender, recipient=recipient)
    if delivery.event_type == SIGN_IN_ALERT:
        attempts = _sign_in_alert(services, delivery, agent)
        return partial(compose_sign_in_alert, attempts, sender=sender, recipient=recipient)
    if delivery.event_type == CONFIRMATION:
        request = _confirmation_request(services, delivery, agent, now)
        return partial(compose_confirmation, request, sender=sender, recipient=recipient)
    if delivery.event_type in DIGESTS:
        contents = await load_digest_content(session, delivery, agent, services.url, now)
        if not contents:
            return "None of its events is true any more."
        return partial(
            email_content.compose_digest,
            contents,
            id=format_id(DELIVERY, delivery.id),
            sender=sender,
            recipient=recipient,
            agent_name=agent.name,
            since=await digest_start(session, delivery),
            until=delivery.occurred_at,
            reason=_DIGEST_REASONS.get(delivery.event_type),
            include_transcript=include_transcript,
        )
    content = await _content(session, services, delivery, agent, now)
    compose = email_content.compose_test if delivery.event_type == TEST else email_content.compose
    return obsolete_reason(content) or partial(
        compose, content, sender=sender, recipient=recipient, include_transcript=include_transcript
    )


def _alert(services: NotificationServices, delivery: Delivery, agent: AgentInfo) -> email_content.Alert:
    about = orjson.loads(delivery.alert_data or "{}")
    since = about["failing_since"]
    return email_content.Alert(
        id=format_id(DELIVERY, delivery.id),
        at=delivery.occurred_at,
        workspace_name=agent.workspace_name,
        agent_name=agent.name,
        channel=DeliveryChannel(about["channel"]),
        target=about["target"],
        why=about["why"],
        # Alerts of older versions have none.
        advice=about.get("advice"),
        link=f"{services.url}/app/deliveries",
        failing_since=datetime.fromisoformat(since) if since else None,
        disabled=about["disabled"],
        time_zone=agent.time_zone,
    )


def _confirmation_request(
    services: NotificationServices, delivery: Delivery, agent: AgentInfo, now: datetime
) -> ConfirmationRequest:
    token = confirmation_token(services.seal, delivery.target_id, now)
    return ConfirmationRequest(
        id=format_id(DELIVERY, delivery.id),
        at=delivery.occurred_at,
        workspace_name=agent.workspace_name,
        agent_name=agent.name,
        link=f"{services.url}/confirm-recipient?token={token}",
        days=CONFIRMATION_LIFETIME.days,
    )


def _sign_in_alert(services: NotificationServices, delivery: Delivery, agent: AgentInfo) -> SignInAlert:
    return SignInAlert(
        id=format_id(DELIVERY, delivery.id),
        at=delivery.occurred_at,
        workspace_name=agent.workspace_name,
        address=orjson.loads(delivery.alert_data or "{}")["address"],
        link=f"{services.url}/app/profile",
        time_zone=agent.time_zone,
    )


async def _content(
    session: AsyncSession,
    services: NotificationServices,
    delivery: Delivery,
    agent: AgentInfo,
    now: datetime,
) -> NotificationContent:
    if delivery.event_type == TEST:
        return sample_content(delivery, agent, services.url)
    return await load_content(session, delivery, agent, services.url, now)


async def _load_slack(
    session: AsyncSession,
    services: NotificationServices,
    delivery: Delivery,
    agent: AgentInfo,
    now: datetime,
) -> LoadedDelivery | str:
    slack = agent.settings.notifications.slack
    connection = await session.get(SlackConnection, delivery.agent_id)
    if connection is None or not slack.enabled:
        return "Slack is not connected any more, or switched off. Connect it and switch it on, then retry."
    if delivery.target != channel_in_full(slack.channel or ""):
        return "Another Slack channel has been chosen since. Choose the channel of this delivery, then retry."
    content = await _content(session, services, delivery, agent, now)
    if reason := obsolete_reason(content):
        return reason
    compose = partial(
        slack_content.compose_test if delivery.event_type == TEST else slack_content.compose,
        content,
        channel=delivery.target,
        message_format=slack.message_format,
        mentions=slack.mentions,
    )
    return _with_secrets(services, _loaded(delivery, compose), [(connection.token, connection.purpose)])


async def _load_webhook(
    session: AsyncSession,
    services: NotificationServices,
    delivery: Delivery,
    target: DeliveryTarget,
    agent: AgentInfo,
    now: datetime,
) -> LoadedDelivery | str:
    endpoint = await session.get(WebhookEndpoint, target.endpoint_id)
    if endpoint is None or endpoint.deleted_at:
        return "The endpoint has been deleted."
    if not endpoint.enabled:
        return "The endpoint is switched off. Switch it on, then retry."
    content = await _content(session, services, delivery, agent, now)
    if reason := obsolete_reason(content):
        return reason
    sealed = [(endpoint.secret, endpoint.purpose)]
    if endpoint.previous_secret and endpoint.previous_until and endpoint.previous_until > now:
        sealed.append((endpoint.previous_secret, endpoint.purpose))
    loaded = _loaded(delivery, partial(webhook_content.compose, content), endpoint.url)
    return _with_secrets(services, loaded, sealed)


def _loaded(delivery: Delivery, compose: Callable[[], bytes], address: str | None = None) -> LoadedDelivery:
    prepared = PreparedDelivery(
        format_id(DELIVERY, delivery.id), delivery.channel, address or delivery.target, delivery.body or b""
    )
    return LoadedDelivery(prepared, None if delivery.body else compose)


def _with_secrets(
    services: NotificationServices, loaded: LoadedDelivery, sealed: Sequence[tuple[bytes, str]]
) -> LoadedDelivery:
    try:
        secrets = tuple(services.seal.open(secret, purpose) for secret, purpose in sealed)
    except UnreadableSecretError as error:
        return replace(loaded, prepared=replace(loaded.prepared, fault=str(error)))
    return replace(loaded, prepared=replace(loaded.prepared, secrets=secrets))
