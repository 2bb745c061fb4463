"""
Attempting deliveries: one at a time per target, written down before and after.

Who attempts holds the target's lease: two workers never send to one target at once, and a target whose
worker died is free again a little later. What keeps failing is left alone for a while as a whole: a dead
endpoint with thousands of deliveries costs one attempt now and then.
"""

import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import select

from models.database import DATABASE_ERRORS
from models.delivery import Delivery, DeliveryAttempt, DeliveryTarget
from models.ids import new_id
from notifications.alerts import alert_of_disabled, alert_of_failed
from notifications.dispatch import PreparedDelivery, prepare, send
from notifications.outcome import Outcome
from notifications.services import NotificationServices
from realtime.delivery_queue import schedule_delivery
from realtime.transaction import Transaction, Transactions
from rules.backoff import next_attempt, target_cooldown
from rules.delivery import DeliveryStatus

LEASE = timedelta(seconds=40)  # more than the longest attempt takes
# Of one target before others have their turn: deliveries, and seconds after which none is begun.
IN_A_ROW, SECONDS_IN_A_ROW = 20, 60
GIVEN_UP_AFTER = timedelta(days=5)


_logger = structlog.get_logger(__name__)


class TargetBusyError(Exception):
    """Another worker holds the target's lease until `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"The target is being attended to until {until}.")
        self.until = until


@dataclass(frozen=True, slots=True)
class _StartedAttempt:
    """A delivery that is being attempted."""

    delivery_id: UUID
    attempt_id: UUID
    prepared: PreparedDelivery


async def deliver_due(services: NotificationServices, target_id: UUID) -> None:
    """What a target's job does: attempts what is due, and has a job come for the rest; TargetBusyError."""
    lease = new_id()
    await _take_lease(services, target_id, lease)
    end = time.monotonic() + SECONDS_IN_A_ROW
    try:
        for _ in range(IN_A_ROW):
            in_hand = await _claim_next(services, target_id, lease)
            if in_hand is None:
                break
            began = time.monotonic()
            outcome = await send(services, in_hand.prepared)
            took = timedelta(seconds=time.monotonic() - began)
            await _record_outcome(services, target_id, in_hand, outcome, took)
            if not outcome.succeeded or time.monotonic() > end:
                break
    finally:
        await _release_lease(services, target_id, lease)


async def _take_lease(services: NotificationServices, target_id: UUID, lease: UUID) -> None:
    async with services.transactions.begin() as tx:
        target = await _locked(tx, target_id)
        target.next_job_at = None
        if target.leased_until and target.leased_until > tx.now:
            raise TargetBusyError(target.leased_until)
        target.lease, target.leased_until = lease, tx.now + LEASE


async def _locked(tx: Transaction, target_id: UUID) -> DeliveryTarget:
    found = await tx.session.execute(
        select(DeliveryTarget).where(DeliveryTarget.id == target_id).with_for_update(key_share=True)
    )
    await tx.read_clock()
    return found.scalar_one()


async def _claim_next(services: NotificationServices, target_id: UUID, lease: UUID) -> _StartedAttempt | None:
    """The next delivery that is due, with its attempt begun; those that are not to be sent are ended."""
    async with services.transactions.begin() as tx:
        target = await _locked(tx, target_id)
        if target.lease != lease or (target.paused_until and target.paused_until > tx.now):
            return None
        target.leased_until = tx.now + LEASE
        while delivery := await _next_due(tx, target_id):
            if next_attempt(delivery.attempts_made, tx.now, 0.5) is None:
                # Its worker died in the last attempt: there is none left.
                _end(tx, delivery, DeliveryStatus.FAILED, "Every attempt was used up.")
                await alert_of_failed(tx, target, delivery, "not known: the worker ended in the attempt")
                continue
            prepared = await _prepared(tx, services, delivery, target)
            if isinstance(prepared, str):
                _end(tx, delivery, DeliveryStatus.DROPPED, prepared)
                continue
            delivery.body = prepared.body or None
            delivery.attempts_made += 1
            attempt = DeliveryAttempt(id=new_id(), delivery_id=delivery.id, attempted_at=tx.now)
            tx.session.add(attempt)
            return _StartedAttempt(delivery.id, attempt.id, prepared)
    return None


async def _prepared(
    tx: Transaction, services: NotificationServices, delivery: Delivery, target: DeliveryTarget
) -> PreparedDelivery | str:
    try:
        return await prepare(tx, services, delivery, target)
    except DATABASE_ERRORS:
        raise
    except Exception as error:
        # It counts as an attempt, or it would be tried for ever.
        _logger.exception("delivery.prepare_failed", delivery=str(delivery.id))
        return PreparedDelivery.faulty(delivery, f"Baton's own error, see its log: {type(error).__name__}")


async def _next_due(tx: Transaction, target_id: UUID) -> Delivery | None:
    await tx.session.flush()
    found: Delivery | None = await tx.session.scalar(
        select(Delivery)
        .where(
            Delivery.target_id == target_id,
            Delivery.status == DeliveryStatus.PENDING,
            Delivery.next_attempt_at <= tx.now,
        )
        .order_by(Delivery.next_attempt_at, Delivery.id)
        .limit(1)
        .with_for_update()
    )
    return found


def _end(tx: Transaction, delivery: Delivery, status: DeliveryStatus, note: str | None) -> None:
    delivery.status, delivery.note = status, note
    delivery.next_attempt_at, delivery.ended_at = None, tx.now


async def _record_outcome(
    services: NotificationServices,
    target_id: UUID,
    in_hand: _StartedAttempt,
    outcome: Outcome,
    took: timedelta,
) -> None:
    async with services.transactions.begin() as tx:
        target = await _locked(tx, target_id)
        delivery = await tx.session.get_one(Delivery, in_hand.delivery_id, with_for_update=True)
        attempt = await tx.session.get_one(DeliveryAttempt, in_hand.attempt_id)
        attempt.succeeded, attempt.response = outcome.succeeded, outcome.response
        attempt.duration_ms = round(took / timedelta(milliseconds=1))
        if outcome.succeeded:
            target.failures, target.failing_since, target.paused_until = 0, None, None
            if delivery.status is DeliveryStatus.PENDING:
                _end(tx, delivery, DeliveryStatus.DELIVERED, None)
        elif delivery.status is DeliveryStatus.PENDING:
            await _write_failure(tx, target, delivery, outcome)


async def _write_failure(
    tx: Transaction, target: DeliveryTarget, delivery: Delivery, outcome: Outcome
) -> None:
    target.failures += 1
    target.failing_since = target.failing_since or tx.now
    wish = outcome.retry_after or timedelta()
    target.paused_until = tx.now + max(target_cooldown(target.failures), wish)
    delivery.next_attempt_at = next_attempt(
        delivery.attempts_made, tx.now, random.random(), outcome.retry_after
    )
    if outcome.gone:
        _end(tx, delivery, DeliveryStatus.FAILED, "The endpoint answered 410: it is gone.")
        await alert_of_disabled(tx, target, delivery, "It answered 410 Gone.")
    elif target.endpoint_id and tx.now - target.failing_since >= GIVEN_UP_AFTER:
        await alert_of_disabled(tx, target, delivery, "Every attempt of five days failed.")
    elif delivery.next_attempt_at is None:
        _end(tx, delivery, DeliveryStatus.FAILED, f"The last attempt: {outcome.response}")
        await alert_of_failed(tx, target, delivery, outcome.response or "no answer")


async def _release_lease(services: NotificationServices, target_id: UUID, lease: UUID) -> None:
    """Gives the lease back, and has a job come for what is left."""
    async with services.transactions.begin() as tx:
        target = await _locked(tx, target_id)
        if target.lease == lease:
            target.lease = target.leased_until = None
            waits = await tx.session.scalar(
                select(Delivery.next_attempt_at)
                .where(Delivery.target_id == target_id, Delivery.status == DeliveryStatus.PENDING)
                .order_by(Delivery.next_attempt_at)
                .limit(1)
            )
            if waits:
                schedule_delivery(tx, target, max(waits, tx.now))


async def overdue_targets(transactions: Transactions, grace: timedelta) -> None:
    """Has jobs come for targets whose deliveries have been due for `grace` although none comes."""
    async with transactions.begin() as tx:
        late = (await tx.read_clock()) - grace
        waiting = select(Delivery.target_id).where(
            Delivery.status == DeliveryStatus.PENDING, Delivery.next_attempt_at <= late
        )
        idle = (DeliveryTarget.leased_until, DeliveryTarget.paused_until, DeliveryTarget.next_job_at)
        found = await tx.session.scalars(
            select(DeliveryTarget)
            .where(DeliveryTarget.id.in_(waiting), *(one.is_(None) | (one <= late) for one in idle))
            .limit(100)
            .with_for_update(key_share=True, skip_locked=True)
        )
        for target in found:
            schedule_delivery(tx, target, tx.now)
