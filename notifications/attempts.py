"""Attempts: deliver what is due at a target, one delivery at a time, each attempt recorded before it is made.

A worker holds the target's lease during its turn, so two workers never send to one target concurrently. The
lease of a worker that died ends by itself. A target that keeps failing is paused as a whole: a dead endpoint
with thousands of deliveries costs one attempt now and then.

A lone delivery takes two transactions. The first takes the lease and claims the delivery. The second records
the outcome and releases the lease. When more is due, the second also claims the next delivery. Reading and
rendering come before the claim, outside of transactions: the claim stores the body with the attempt, so that
an attempt that is cut off is repeated with the same body.
"""

import random
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models.compiled_select import CompiledSelect
from models.database import DATABASE_ERRORS, Database
from models.delivery import Delivery, DeliveryAttempt, DeliveryTarget
from models.ids import new_id
from notifications.alerts import alert_of_disabled, alert_of_failed
from notifications.dispatch import UNCONFIRMED, PreparedDelivery, load, render, send
from notifications.outcome import Outcome
from notifications.services import NotificationServices
from realtime.delivery_queue import schedule_delivery
from realtime.recipients import request_confirmation
from realtime.transaction import Transaction, Transactions
from rules.backoff import next_attempt, target_cooldown
from rules.delivery import DeliveryStatus

LEASE = timedelta(seconds=40)  # more than the longest attempt takes
# A turn at one target: deliveries, and seconds after which none is begun.
TURN_DELIVERIES, TURN_SECONDS = 20, 60
# After an attempt that took longer the lease is too short to prepare another one.
SLOW_ATTEMPT = timedelta(seconds=10)
GIVEN_UP_AFTER = timedelta(days=5)

_WORKSPACE = CompiledSelect(
    select(DeliveryTarget.workspace_id).where(DeliveryTarget.id == bindparam("target"))
)
_ENDED = Counter(
    "baton_deliveries_ended", "Deliveries whose last attempt this process made.", ["channel", "status"]
)

_logger = structlog.get_logger(__name__)


class TargetBusyError(Exception):
    """Another worker holds the target's lease until `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"Another worker has the target until {until}.")
        self.until = until


async def deliver_due(services: NotificationServices, target_id: UUID) -> None:
    """Deliver what is due at a target, and schedule the rest. Raise TargetBusyError."""
    await _Turn(services, target_id).run()


async def workspace_of_target(database: Database, target_id: UUID) -> UUID:
    """Return the workspace of a target."""
    ((workspace_id,),) = await _WORKSPACE.rows(database, target=target_id)
    return workspace_id


async def overdue_targets(transactions: Transactions, grace: timedelta) -> None:
    """Schedule jobs for targets whose deliveries have been due for `grace` although none comes."""
    async with transactions.begin() as tx:
        late = (await tx.read_clock()) - grace
        waiting = select(Delivery.target_id).where(
            Delivery.status == DeliveryStatus.PENDING, Delivery.next_attempt_at <= late
        )
        idle = (DeliveryTarget.leased_until, DeliveryTarget.paused_until, DeliveryTarget.next_job_at)
        targets = await tx.session.scalars(
            select(DeliveryTarget)
            .where(DeliveryTarget.id.in_(waiting), *(time.is_(None) | (time <= late) for time in idle))
            .limit(100)
            .with_for_update(key_share=True, skip_locked=True)
        )
        for target in targets:
            schedule_delivery(tx, target, tx.now)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """The next due delivery, prepared, or the reason why it need not be sent.

    `erased_at` is the delivery's at the time of reading: a later erasure makes it outdated.
    """

    delivery_id: UUID
    erased_at: datetime | None
    prepared: PreparedDelivery | str


@dataclass(frozen=True, slots=True)
class _StartedAttempt:
    """A claimed delivery whose attempt is recorded."""

    delivery_id: UUID
    attempt_id: UUID
    prepared: PreparedDelivery


@dataclass(frozen=True, slots=True)
class _FinishedAttempt:
    """An attempt that was made, and its outcome."""

    started: _StartedAttempt
    outcome: Outcome
    took: timedelta


class _Turn:
    """One worker's turn at a target."""

    def __init__(self, services: NotificationServices, target_id: UUID) -> None:
        self._services = services
        self._target_id = target_id
        self._lease = new_id()
        self._leased = False
        self._attempts = 0
        self._end = time.monotonic() + TURN_SECONDS

    async def run(self) -> None:
        """Claim, send and record until nothing is due or the turn is over."""
        finished: _FinishedAttempt | None = None
        try:
            while True:
                candidate = await self._next_candidate(finished)
                started = await self._advance(finished, candidate)
                if not self._leased:
                    return
                finished = await self._attempt(started) if started else None
        except BaseException:
            if self._leased:
                await self._release()
            raise

    async def _attempt(self, started: _StartedAttempt) -> _FinishedAttempt:
        self._attempts += 1
        began = time.monotonic()
        outcome = await send(self._services, started.prepared)
        return _FinishedAttempt(started, outcome, timedelta(seconds=time.monotonic() - began))

    async def _next_candidate(self, finished: _FinishedAttempt | None) -> _Candidate | None:
        """Return the next due delivery, or None when the turn should end."""
        if self._attempts >= TURN_DELIVERIES or time.monotonic() > self._end:
            return None
        if finished and (not finished.outcome.succeeded or finished.took > SLOW_ATTEMPT):
            return None
        async with self._services.database.autocommit_session() as session:
            # Not clock_timestamp(): only a stable function can be compared by the index.
            query = (
                select(Delivery, DeliveryTarget, func.now())
                .join(DeliveryTarget, DeliveryTarget.id == Delivery.target_id)
                .where(
                    Delivery.target_id == self._target_id,
                    Delivery.status == DeliveryStatus.PENDING,
                    Delivery.next_attempt_at <= func.now(),
                )
                .order_by(Delivery.next_attempt_at, Delivery.id)
                .limit(1)
            )
            if finished:
                query = query.where(Delivery.id != finished.started.delivery_id)
            row = (await session.execute(query)).one_or_none()
            if row is None:
                return None
            delivery, target, now = row
            erased_at = delivery.erased_at
            prepared = await self._prepared(session, delivery, target, now)
            return _Candidate(delivery.id, erased_at, prepared)

    async def _prepared(
        self, session: AsyncSession, delivery: Delivery, target: DeliveryTarget, now: datetime
    ) -> PreparedDelivery | str:
        try:
            loaded = await load(session, self._services, delivery, target, now)
            return loaded if isinstance(loaded, str) else await render(loaded)
        except DATABASE_ERRORS:
            raise
        except Exception as error:
            # It counts as an attempt, or it would be tried for ever.
            _logger.exception("delivery.prepare_failed", delivery=str(delivery.id))
            return PreparedDelivery.faulty(
                delivery, f"Baton's own error, see its log: {type(error).__name__}"
            )

    async def _advance(
        self, finished: _FinishedAttempt | None, candidate: _Candidate | None
    ) -> _StartedAttempt | None:
        """Record the finished attempt and claim the candidate in one transaction.

        Keep the lease if a delivery was claimed or ended; otherwise release it. Raise TargetBusyError.
        """
        recorded = None
        async with self._services.transactions.begin() as tx:
            target = await _lock(tx, self._target_id)
            if finished:
                recorded = await _record_outcome(tx, target, finished)
            elif not self._leased:
                self._take_lease(tx, target)
            kept, started = False, None
            if target.lease == self._lease:
                paused = target.paused_until and target.paused_until > tx.now
                kept = candidate is not None and not paused
                if candidate and kept:
                    target.leased_until = tx.now + LEASE
                    started = await _claim(tx, target, candidate)
                else:
                    await _release_lease(tx, target)
        if recorded and recorded.status is not DeliveryStatus.PENDING:
            _ENDED.labels(recorded.channel, recorded.status).inc()
        self._leased = kept
        return started

    def _take_lease(self, tx: Transaction, target: DeliveryTarget) -> None:
        if target.leased_until and target.leased_until > tx.now:
            raise TargetBusyError(target.leased_until)
        target.next_job_at = None
        target.lease = self._lease

    async def _release(self) -> None:
        async with self._services.transactions.begin() as tx:
            target = await _lock(tx, self._target_id)
            if target.lease == self._lease:
                await _release_lease(tx, target)


# The lock is in a materialized CTE: the clock is read when it is held, not while it is waited for.
_LOCKED = (
    select(DeliveryTarget)
    .where(DeliveryTarget.id == bindparam("target"))
    .with_for_update(key_share=True)
    .cte("locked")
)
_LOCK = select(aliased(DeliveryTarget, _LOCKED), func.clock_timestamp()).execution_options(
    populate_existing=True
)


async def _lock(tx: Transaction, target_id: UUID) -> DeliveryTarget:
    rows = await tx.session.execute(_LOCK, {"target": target_id})
    target: DeliveryTarget
    target, clock = rows.tuples().one()
    tx.set_now(clock)
    return target


async def _claim(tx: Transaction, target: DeliveryTarget, candidate: _Candidate) -> _StartedAttempt | None:
    """Record the next attempt of a delivery; end a delivery that has none left or need not be sent."""
    delivery = await tx.session.scalar(
        select(Delivery)
        .where(
            Delivery.id == candidate.delivery_id,
            Delivery.status == DeliveryStatus.PENDING,
            Delivery.next_attempt_at <= tx.now,
            # What was rendered before an erasure is not sent.
            Delivery.erased_at.is_not_distinct_from(candidate.erased_at),
        )
        .with_for_update()
    )
    if delivery is None:
        return None
    if next_attempt(delivery.attempts_made, tx.now, 0.5) is None:
        # Its worker died in the last attempt.
        _end(tx, delivery, DeliveryStatus.FAILED, "Every attempt was used up.")
        await alert_of_failed(tx, target, delivery, "not known: the worker ended in the attempt")
        return None
    if isinstance(candidate.prepared, str):
        _end(tx, delivery, DeliveryStatus.DROPPED, candidate.prepared)
        if candidate.prepared == UNCONFIRMED:
            request_confirmation(tx, target, delivery.agent_id, delivery.target)
        return None
    # A body that another worker has fixed in the meantime is the one to send.
    prepared = candidate.prepared.with_fixed_body(delivery.body)
    delivery.body, delivery.target = prepared.body or None, prepared.address
    delivery.attempts_made += 1
    attempt = DeliveryAttempt(id=new_id(), delivery_id=delivery.id, attempted_at=tx.now)
    tx.session.add(attempt)
    return _StartedAttempt(delivery.id, attempt.id, prepared)


def _end(tx: Transaction, delivery: Delivery, status: DeliveryStatus, note: str | None) -> None:
    delivery.status, delivery.note = status, note
    delivery.next_attempt_at, delivery.ended_at = None, tx.now


async def _record_outcome(tx: Transaction, target: DeliveryTarget, finished: _FinishedAttempt) -> Delivery:
    outcome = finished.outcome
    rows = await tx.session.execute(
        select(Delivery, DeliveryAttempt)
        .join(DeliveryAttempt, DeliveryAttempt.delivery_id == Delivery.id)
        .where(DeliveryAttempt.id == finished.started.attempt_id)
        .with_for_update(of=Delivery)
    )
    delivery, attempt = rows.tuples().one()
    attempt.succeeded = outcome.succeeded
    # The answer may repeat words that were erased during the attempt.
    erased = delivery.erased_at is not None and delivery.erased_at >= attempt.attempted_at
    attempt.response = None if erased else outcome.response
    attempt.duration_ms = round(finished.took / timedelta(milliseconds=1))
    if outcome.succeeded:
        target.failures, target.failing_since, target.paused_until = 0, None, None
        if delivery.status is DeliveryStatus.PENDING:
            _end(tx, delivery, DeliveryStatus.DELIVERED, None)
    elif delivery.status is DeliveryStatus.PENDING:
        await _record_failure(tx, target, delivery, replace(outcome, response=attempt.response))
    return delivery


async def _record_failure(
    tx: Transaction, target: DeliveryTarget, delivery: Delivery, outcome: Outcome
) -> None:
    response = outcome.response or "no answer"
    target.failures += 1
    target.failing_since = target.failing_since or tx.now
    target.paused_until = tx.now + max(target_cooldown(target.failures), outcome.retry_after or timedelta())
    delivery.next_attempt_at = next_attempt(
        delivery.attempts_made, tx.now, random.random(), outcome.retry_after
    )
    if outcome.gone:
        _end(tx, delivery, DeliveryStatus.FAILED, "The endpoint answered 410: it is gone.")
        await alert_of_disabled(tx, target, delivery, "It answered 410 Gone.")
    elif outcome.final:
        _end(tx, delivery, DeliveryStatus.FAILED, f"Another attempt cannot succeed: {response}")
        await alert_of_failed(tx, target, delivery, response)
    elif target.endpoint_id and tx.now - target.failing_since >= GIVEN_UP_AFTER:
        await alert_of_disabled(tx, target, delivery, "Every attempt of five days failed.")
    elif delivery.next_attempt_at is None:
        _end(tx, delivery, DeliveryStatus.FAILED, f"The last attempt: {outcome.response}")
        await alert_of_failed(tx, target, delivery, response)


async def _release_lease(tx: Transaction, target: DeliveryTarget) -> None:
    """Release the locked target, and schedule what waits for it."""
    target.lease = target.leased_until = None
    await tx.session.flush()
    due = await tx.session.scalar(
        select(Delivery.next_attempt_at)
        .where(Delivery.target_id == target.id, Delivery.status == DeliveryStatus.PENDING)
        .order_by(Delivery.next_attempt_at)
        .limit(1)
    )
    if due:
        schedule_delivery(tx, target, max(due, tx.now))
