"""Packing a delivery for its channel, and sending what was packed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypedDict

import orjson
import structlog

from models.agent import Agent
from models.delivery import Delivery, DeliveryTarget
from models.sealing import UnreadableSecretError
from models.slack_connection import SlackConnection
from models.webhook_endpoint import WebhookEndpoint
from models.workspace import Workspace
from notifications.content.queries import load_content, load_digest_content, obsolete_reason, sample_content
from notifications.content.snapshots import NotificationContent
from notifications.digests import HOUR
from notifications.email import compose as email_content
from notifications.email import smtp
from notifications.outcome import Outcome
from notifications.services import NotificationServices
from notifications.slack import api as slack_api
from notifications.slack import compose as slack_content
from notifications.webhook import payloads
from notifications.webhook.send import send as send_webhook
from realtime.transaction import Transaction
from rules.agent_settings import EscalationSettings, NotificationSettings
from rules.delivery import DeliveryChannel
from rules.email_address import email_address_error
from rules.events import ALERT, DIGEST, TEST
from rules.slack_format import channel_in_full
from rules.typeid import DELIVERY, format_id

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PreparedDelivery:
    """A delivery that is ready to be sent. `secrets` are a webhook's, or Slack's token alone."""

    id: str
    channel: DeliveryChannel
    address: str
    body: bytes
    secrets: tuple[str, ...] = field(default=(), repr=False)
    fault: str | None = None

    @classmethod
    def faulty(cls, delivery: Delivery, fault: str) -> "PreparedDelivery":
        """One that cannot be sent for now: the attempt fails, and nothing is fixed by it."""
        id_ = format_id(DELIVERY, delivery.id)
        return cls(id_, delivery.channel, delivery.target, delivery.body or b"", fault=fault)


async def prepare(
    tx: Transaction, services: NotificationServices, delivery: Delivery, target: DeliveryTarget
) -> PreparedDelivery | str:
    """The delivery as it is to be sent, or why it is not to be sent any more."""
    found = await tx.session.get_one(Agent, delivery.agent_id)
    settings = EscalationSettings.model_validate(found.settings).notifications
    if delivery.channel is DeliveryChannel.EMAIL:
        return await _pack_email(tx, services, delivery, settings)
    if delivery.channel is DeliveryChannel.SLACK:
        return await _pack_slack(tx, services, delivery, settings)
    return await _pack_webhook(tx, services, delivery, target)


async def send(services: NotificationServices, prepared: PreparedDelivery) -> Outcome:
    """Sends it; whatever goes wrong is an Outcome."""
    if prepared.fault:
        return Outcome(False, prepared.fault)
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
    assert services.mail_folder is not None  # else nothing is packed
    return await smtp.keep(services.mail_folder, prepared.body, prepared.id)


async def _pack_email(
    tx: Transaction, services: NotificationServices, delivery: Delivery, settings: NotificationSettings
) -> PreparedDelivery | str:
    listed = {address.lower() for address in settings.email.recipients if settings.email.enabled}
    if delivery.event_type != ALERT and delivery.target.lower() not in listed:
        return "The address is no recipient any more."
    if fault := email_address_error(delivery.target):
        return f"The address {fault}."
    if not services.sends_email:
        return PreparedDelivery.faulty(delivery, "email is not connected: set BATON_SMTP_URL")
    body = await _email_body(tx, services, delivery, settings)
    if isinstance(body, str):
        return body
    # It may have been composed otherwise at the first attempt: that is what stays.
    return PreparedDelivery(
        format_id(DELIVERY, delivery.id), delivery.channel, delivery.target, delivery.body or body
    )


async def _email_body(
    tx: Transaction, services: NotificationServices, delivery: Delivery, settings: NotificationSettings
) -> bytes | str:
    sender = services.smtp.sender if services.smtp else smtp.default_sender("localhost")
    to: _Envelope = {"sender": sender, "recipient": delivery.target}
    with_transcript = settings.email.include_transcript
    if delivery.event_type == ALERT:
        return email_content.compose_alert(await _alert(tx, services, delivery), **to)
    if delivery.event_type == DIGEST:
        return await _digest_body(tx, services, delivery, to, with_transcript)
    content = await _story(tx, services, delivery)
    if reason := obsolete_reason(content):
        return reason
    compose = email_content.compose_test if delivery.event_type == TEST else email_content.compose
    return compose(content, include_transcript=with_transcript, **to)


class _Envelope(TypedDict):
    sender: str
    recipient: str


async def _digest_body(
    tx: Transaction, services: NotificationServices, delivery: Delivery, to: _Envelope, with_transcript: bool
) -> bytes | str:
    stories = await load_digest_content(tx.session, delivery, services.url, tx.now)
    if not stories:
        return "Nothing that it was to tell of is true any more."
    return email_content.compose_digest(
        stories,
        id=format_id(DELIVERY, delivery.id),
        agent_name=stories[0].agent_name,
        since=delivery.occurred_at - HOUR,
        until=delivery.occurred_at,
        include_transcript=with_transcript,
        **to,
    )


async def _alert(tx: Transaction, services: NotificationServices, delivery: Delivery) -> email_content.Alert:
    words = orjson.loads(delivery.words or "{}")
    agent = await tx.session.get_one(Agent, delivery.agent_id)
    workspace = await tx.session.get_one(Workspace, delivery.workspace_id)
    since = words["failing_since"]
    return email_content.Alert(
        id=format_id(DELIVERY, delivery.id),
        at=delivery.occurred_at,
        workspace_name=workspace.name,
        agent_name=agent.name,
        channel=DeliveryChannel(words["channel"]),
        target=words["target"],
        why=words["why"],
        link=f"{services.url}/app/deliveries",
        failing_since=datetime.fromisoformat(since) if since else None,
        disabled=words["disabled"],
    )


async def _story(tx: Transaction, services: NotificationServices, delivery: Delivery) -> NotificationContent:
    read = sample_content if delivery.event_type == TEST else load_content
    return await read(tx.session, delivery, services.url, tx.now)


async def _pack_slack(
    tx: Transaction, services: NotificationServices, delivery: Delivery, settings: NotificationSettings
) -> PreparedDelivery | str:
    connection = await tx.session.get(SlackConnection, delivery.agent_id)
    if connection is None or not settings.slack.enabled:
        return "Slack is not connected any more, or switched off."
    if delivery.target != channel_in_full(settings.slack.channel or ""):
        return "Another Slack channel has been chosen since."
    content = await _story(tx, services, delivery)
    if reason := obsolete_reason(content):
        return reason
    compose = slack_content.compose_test if delivery.event_type == TEST else slack_content.compose
    body = delivery.body or compose(
        content,
        channel=delivery.target,
        message_format=settings.slack.message_format,
        mentions=settings.slack.mentions,
    )
    return _sealed_parcel(services, delivery, body, [(connection.token, connection.purpose)])


async def _pack_webhook(
    tx: Transaction, services: NotificationServices, delivery: Delivery, target: DeliveryTarget
) -> PreparedDelivery | str:
    endpoint = await tx.session.get(WebhookEndpoint, target.endpoint_id)
    if endpoint is None or endpoint.deleted_at:
        return "The endpoint has been deleted."
    if not endpoint.enabled:
        return "The endpoint is switched off."
    content = await _story(tx, services, delivery)
    if reason := obsolete_reason(content):
        return reason
    sealed = [(endpoint.secret, endpoint.purpose)]
    if endpoint.previous_secret and endpoint.previous_until and endpoint.previous_until > tx.now:
        sealed.append((endpoint.previous_secret, endpoint.purpose))
    delivery.target = endpoint.url
    return _sealed_parcel(services, delivery, delivery.body or payloads.body_of(content), sealed)


def _sealed_parcel(
    services: NotificationServices, delivery: Delivery, body: bytes, sealed: Sequence[tuple[bytes, str]]
) -> PreparedDelivery:
    prepared = PreparedDelivery(format_id(DELIVERY, delivery.id), delivery.channel, delivery.target, body)
    try:
        return replace(prepared, secrets=tuple(services.seal.open(*one) for one in sealed))
    except UnreadableSecretError as error:
        return replace(prepared, fault=str(error))
