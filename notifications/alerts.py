"""Alerts: emails to the admins about deliveries that failed for good, at most one a day for each target."""

from uuid import UUID

import orjson
import structlog
from sqlalchemy import select

from models.delivery import Delivery, DeliveryTarget
from models.member import Member
from models.webhook_endpoint import WebhookEndpoint
from realtime.delivery_queue import TargetKey, find_targets, pending_delivery, schedule_delivery_unlocked
from realtime.transaction import Transaction
from rules.events import ALERT, ALERTS, TEST
from rules.roles import MemberRole

_logger = structlog.get_logger(__name__)


async def alert_of_failed(
    tx: Transaction, target: DeliveryTarget, delivery: Delivery, response: str, advice: str | None = None
) -> None:
    """Alert the admins that a delivery has failed for good; `response` is the target's last answer.

    `advice` says what to do about that answer, where it is known. The person who sent a sample sees its
    result, and an alert is not alerted about.
    """
    if delivery.event_type not in ALERTS | {TEST} and target.alerted_on != tx.now.date():
        target.alerted_on = tx.now.date()
        await _alert_admins(tx, target, delivery, response, advice=advice)


async def alert_of_disabled(tx: Transaction, target: DeliveryTarget, delivery: Delivery, reason: str) -> None:
    """Switch the target's webhook endpoint off, and alert the admins."""
    endpoint = await tx.session.get(WebhookEndpoint, target.endpoint_id) if target.endpoint_id else None
    if endpoint is not None and endpoint.enabled:
        endpoint.enabled, endpoint.disabled_reason = False, reason
        await _alert_admins(tx, target, delivery, reason, disabled=True)


async def _alert_admins(
    tx: Transaction,
    target: DeliveryTarget,
    delivery: Delivery,
    why: str,
    *,
    disabled: bool = False,
    advice: str | None = None,
) -> None:
    emails = await tx.session.scalars(
        select(Member.email).where(
            Member.workspace_id == target.workspace_id,
            Member.role == MemberRole.ADMIN,
            Member.removed_at.is_(None),
        )
    )
    # An address that fails is not alerted about itself.
    keys = [
        key for key in map(TargetKey.email, emails) if (key.channel, key.key) != (target.channel, target.key)
    ]
    if not keys:
        _logger.warning("alert.no_recipient", delivery=str(delivery.id), target=str(target.id))
    data = {
        "channel": target.channel,
        "target": delivery.target,
        "why": why,
        "advice": advice,
        "failing_since": target.failing_since,
        "disabled": disabled,
    }
    for key, target_id in (await find_targets(tx, target.workspace_id, keys)).items():
        tx.session.add(_alert(tx, delivery, key, target_id, orjson.dumps(data).decode()))
        schedule_delivery_unlocked(tx, target_id, tx.now)


def _alert(tx: Transaction, about: Delivery, key: TargetKey, target_id: UUID, alert_data: str) -> Delivery:
    return pending_delivery(
        tx,
        about.workspace_id,
        target_id,
        key,
        ALERT,
        agent_id=about.agent_id,
        about_id=about.id,
        alert_data=alert_data,
    )
