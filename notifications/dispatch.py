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
from notifications.content.queries import no_longer_true, sample_story, stories_of_digest, story_of
from notifications.content.snapshots import Outcome, Story
from notifications.digests import HOUR
from notifications.email import compose as email_content
from notifications.email import smtp
from notifications.services import Office
from notifications.slack import api as slack_api
from notifications.slack import compose as slack_content
from notifications.webhook import payloads
from notifications.webhook.send import send as send_webhook
from realtime.transaction import Act
from rules.agent_settings import EscalationSettings, NotificationSettings
from rules.delivery import DeliveryChannel
from rules.email_address import fault_in_address
from rules.events import ALERT, DIGEST, TEST
from rules.slack_format import channel_in_full
from rules.typeid import DELIVERY, spell_id

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery that is ready to be sent. `secrets` are a webhook's, or Slack's token alone."""

    id: str
    channel: DeliveryChannel
    address: str
    body: bytes
    secrets: tuple[str, ...] = field(default=(), repr=False)
    fault: str | None = None

    @classmethod
    def faulty(cls, delivery: Delivery, fault: str) -> "Parcel":
        """One that cannot be sent for now: the attempt fails, and nothing is fixed by it."""
        id_ = spell_id(DELIVERY, delivery.id)
        return cls(id_, delivery.channel, delivery.target, delivery.body or b"", fault=fault)


async def pack(act: Act, office: Office, delivery: Delivery, target: DeliveryTarget) -> Parcel | str:
    """The delivery as it is to be sent, or why it is not to be sent any more."""
    found = await act.session.get_one(Agent, delivery.agent_id)
    settings = EscalationSettings.model_validate(found.settings).notifications
    if delivery.channel is DeliveryChannel.EMAIL:
        return await _pack_email(act, office, delivery, settings)
    if delivery.channel is DeliveryChannel.SLACK:
        return await _pack_slack(act, office, delivery, settings)
    return await _pack_webhook(act, office, delivery, target)


async def send(office: Office, parcel: Parcel) -> Outcome:
    """Sends it; whatever goes wrong is an Outcome."""
    if parcel.fault:
        return Outcome(False, parcel.fault)
    try:
        if parcel.channel is DeliveryChannel.EMAIL:
            return await _send_email(office, parcel)
        if parcel.channel is DeliveryChannel.SLACK:
            return await slack_api.send(parcel.secrets[0], parcel.body, office.slack_api_url)
        return await send_webhook(
            parcel.address,
            parcel.body,
            parcel.id,
            parcel.secrets,
            allow_private=office.allow_private,
            at=datetime.now(UTC),
        )
    except Exception as error:
        _logger.exception("delivery.error", delivery=parcel.id)
        return Outcome(False, f"Baton's own error, see its log: {type(error).__name__}")


async def _send_email(office: Office, parcel: Parcel) -> Outcome:
    if office.smtp is not None:
        return await smtp.send(office.smtp, parcel.body, parcel.address)
    assert office.mail_folder is not None  # else nothing is packed
    return await smtp.keep(office.mail_folder, parcel.body, parcel.id)


async def _pack_email(
    act: Act, office: Office, delivery: Delivery, settings: NotificationSettings
) -> Parcel | str:
    listed = {address.lower() for address in settings.email.recipients if settings.email.enabled}
    if delivery.event_type != ALERT and delivery.target.lower() not in listed:
        return "The address is no recipient any more."
    if fault := fault_in_address(delivery.target):
        return f"The address {fault}."
    if not office.sends_email:
        return Parcel.faulty(delivery, "email is not connected: set BATON_SMTP_URL")
    body = await _email_body(act, office, delivery, settings)
    if isinstance(body, str):
        return body
    # It may have been composed otherwise at the first attempt: that is what stays.
    return Parcel(spell_id(DELIVERY, delivery.id), delivery.channel, delivery.target, delivery.body or body)


async def _email_body(
    act: Act, office: Office, delivery: Delivery, settings: NotificationSettings
) -> bytes | str:
    sender = office.smtp.sender if office.smtp else smtp.default_sender("localhost")
    to: _Envelope = {"sender": sender, "recipient": delivery.target}
    with_transcript = settings.email.include_transcript
    if delivery.event_type == ALERT:
        return email_content.compose_alert(await _alert(act, office, delivery), **to)
    if delivery.event_type == DIGEST:
        return await _digest_body(act, office, delivery, to, with_transcript)
    story = await _story(act, office, delivery)
    if reason := no_longer_true(story):
        return reason
    compose = email_content.compose_test if delivery.event_type == TEST else email_content.compose
    return compose(story, include_transcript=with_transcript, **to)


class _Envelope(TypedDict):
    sender: str
    recipient: str


async def _digest_body(
    act: Act, office: Office, delivery: Delivery, to: _Envelope, with_transcript: bool
) -> bytes | str:
    stories = await stories_of_digest(act.session, delivery, office.url, act.now)
    if not stories:
        return "Nothing that it was to tell of is true any more."
    return email_content.compose_digest(
        stories,
        id=spell_id(DELIVERY, delivery.id),
        agent_name=stories[0].agent_name,
        since=delivery.occurred_at - HOUR,
        until=delivery.occurred_at,
        include_transcript=with_transcript,
        **to,
    )


async def _alert(act: Act, office: Office, delivery: Delivery) -> email_content.Alert:
    words = orjson.loads(delivery.words or "{}")
    agent = await act.session.get_one(Agent, delivery.agent_id)
    workspace = await act.session.get_one(Workspace, delivery.workspace_id)
    since = words["failing_since"]
    return email_content.Alert(
        id=spell_id(DELIVERY, delivery.id),
        at=delivery.occurred_at,
        workspace_name=workspace.name,
        agent_name=agent.name,
        channel=DeliveryChannel(words["channel"]),
        target=words["target"],
        why=words["why"],
        link=f"{office.url}/app/deliveries",
        failing_since=datetime.fromisoformat(since) if since else None,
        disabled=words["disabled"],
    )


async def _story(act: Act, office: Office, delivery: Delivery) -> Story:
    read = sample_story if delivery.event_type == TEST else story_of
    return await read(act.session, delivery, office.url, act.now)


async def _pack_slack(
    act: Act, office: Office, delivery: Delivery, settings: NotificationSettings
) -> Parcel | str:
    connection = await act.session.get(SlackConnection, delivery.agent_id)
    if connection is None or not settings.slack.enabled:
        return "Slack is not connected any more, or switched off."
    if delivery.target != channel_in_full(settings.slack.channel or ""):
        return "Another Slack channel has been chosen since."
    story = await _story(act, office, delivery)
    if reason := no_longer_true(story):
        return reason
    compose = slack_content.compose_test if delivery.event_type == TEST else slack_content.compose
    body = delivery.body or compose(
        story,
        channel=delivery.target,
        message_format=settings.slack.message_format,
        mentions=settings.slack.mentions,
    )
    return _sealed_parcel(office, delivery, body, [(connection.token, connection.purpose)])


async def _pack_webhook(act: Act, office: Office, delivery: Delivery, target: DeliveryTarget) -> Parcel | str:
    endpoint = await act.session.get(WebhookEndpoint, target.endpoint_id)
    if endpoint is None or endpoint.deleted_at:
        return "The endpoint has been deleted."
    if not endpoint.enabled:
        return "The endpoint is switched off."
    story = await _story(act, office, delivery)
    if reason := no_longer_true(story):
        return reason
    sealed = [(endpoint.secret, endpoint.purpose)]
    if endpoint.previous_secret and endpoint.previous_until and endpoint.previous_until > act.now:
        sealed.append((endpoint.previous_secret, endpoint.purpose))
    delivery.target = endpoint.url
    return _sealed_parcel(office, delivery, delivery.body or payloads.body_of(story), sealed)


def _sealed_parcel(
    office: Office, delivery: Delivery, body: bytes, sealed: Sequence[tuple[bytes, str]]
) -> Parcel:
    parcel = Parcel(spell_id(DELIVERY, delivery.id), delivery.channel, delivery.target, body)
    try:
        return replace(parcel, secrets=tuple(office.seal.open(*one) for one in sealed))
    except UnreadableSecretError as error:
        return replace(parcel, fault=str(error))
