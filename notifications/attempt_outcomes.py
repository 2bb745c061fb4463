"""Outcomes of attempts: what a round of attempts changes in its deliveries and in their target."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select

from models.delivery import Delivery, DeliveryAttempt, DeliveryTarget
from notifications.alerts import alert_of_disabled, alert_of_failed
from notifications.dispatch import PreparedDelivery
from notifications.outcome import Outcome
from realtime.transaction import Transaction
from rules.backoff import next_attempt, target_cooldown
from rules.delivery import DeliveryStatus

GIVEN_UP_AFTER = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class StartedAttempt:
    """A claimed delivery whose attempt is recorded."""

    delivery_id: UUID
    attempt_id: UUID
    prepared: PreparedDelivery


@dataclass(frozen=True, slots=True)
class FinishedAttempt:
    """An attempt that was made, and its outcome."""

    started: StartedAttempt
    outcome: Outcome
    took: timedelta


def end_delivery(tx: Transaction, delivery: Delivery, status: DeliveryStatus, note: str | None) -> None:
    """End a delivery; `note` says why it was not delivered."""
    delivery.status, delivery.note = status, note
    delivery.next_attempt_at, delivery.ended_at = None, tx.now


_ATTEMPTS = (
    select(Delivery, DeliveryAttempt)
    .join(DeliveryAttempt, DeliveryAttempt.delivery_id == Delivery.id)
    .where(DeliveryAttempt.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .order_by(Delivery.id)
    .with_for_update(of=Delivery)
)


async def record_outcomes(
    tx: Transaction, target: DeliveryTarget, finished: Sequence[FinishedAttempt]
) -> list[Delivery]:
    """Record the attempts of a round, and pause the target if one failed; return their deliveries."""
    rows = await tx.session.execute(_ATTEMPTS, {"ids": [item.started.attempt_id for item in finished]})
    by_attempt = {attempt.id: (delivery, attempt) for delivery, attempt in rows.tuples()}
    failed: list[tuple[Delivery, Outcome]] = []
    for item in finished:
        delivery, attempt = by_attempt[item.started.attempt_id]
        outcome = _record_attempt(delivery, attempt, item)
        if delivery.status is DeliveryStatus.PENDING:
            if outcome.succeeded:
                end_delivery(tx, delivery, DeliveryStatus.DELIVERED, None)
            else:
                failed.append((delivery, outcome))
    if any(item.outcome.succeeded for item in finished):
        target.failures, target.failing_since, target.paused_until = 0, None, None
    if failed:
        _pause(tx, target, [outcome.retry_after or timedelta() for _, outcome in failed])
    for delivery, outcome in failed:
        await _record_failure(tx, target, delivery, outcome)
    return [delivery for delivery, _ in by_attempt.values()]


def _record_attempt(delivery: Delivery, attempt: DeliveryAttempt, finished: FinishedAttempt) -> Outcome:
    """Store the outcome of an attempt, and return it without words that have been erased."""
    outcome = finished.outcome
    # The answer may repeat words that were erased during the attempt.
    erased = delivery.erased_at is not None and delivery.erased_at >= attempt.attempted_at
    attempt.succeeded, attempt.response = outcome.succeeded, None if erased else outcome.response
    attempt.duration_ms = round(finished.took / timedelta(milliseconds=1))
    return replace(outcome, response=attempt.response)


def _pause(tx: Transaction, target: DeliveryTarget, asked: Sequence[timedelta]) -> None:
    """Pause a target after a round with failures, at least as long as its answers asked for."""
    target.failures += 1
    target.failing_since = target.failing_since or tx.now
    target.paused_until = tx.now + max(target_cooldown(target.failures), *asked)


async def _record_failure(
    tx: Transaction, target: DeliveryTarget, delivery: Delivery, outcome: Outcome
) -> None:
    """Schedule the next attempt of a delivery, or end it."""
    assert target.failing_since is not None
    response = outcome.response or "no answer"
    delivery.next_attempt_at = next_attempt(
        delivery.attempts_made, tx.now, random.random(), outcome.retry_after
    )
    if outcome.gone:
        end_delivery(tx, delivery, DeliveryStatus.FAILED, "The endpoint answered 410: it is gone.")
        await alert_of_disabled(tx, target, delivery, "It answered 410 Gone.")
    elif outcome.final:
        advice = f". {outcome.advice}" if outcome.advice else ""
        note = f"Another attempt cannot succeed: {response}{advice}"
        end_delivery(tx, delivery, DeliveryStatus.FAILED, note)
        await alert_of_failed(tx, target, delivery, response, outcome.advice)
    elif target.endpoint_id and tx.now - target.failing_since >= GIVEN_UP_AFTER:
        await alert_of_disabled(tx, target, delivery, "Every attempt of five days failed.")
    elif delivery.next_attempt_at is None:
        end_delivery(tx, delivery, DeliveryStatus.FAILED, f"The last attempt: {outcome.response}")
        await alert_of_failed(tx, target, delivery, response)
