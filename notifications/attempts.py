"""Attempts: deliver what is due at a target, each attempt recorded before it is made.

A worker holds the target's lease during its turn, so two workers never send to one target concurrently. The
lease of a worker that died ends by itself. A webhook endpoint that works gets the first due delivery of
several conversations concurrently. Other targets get one delivery at a time, and so does a target that fails.
A target that keeps failing is paused as a whole: a dead endpoint with thousands of deliveries costs one
attempt now and then.

A round takes two transactions. The first takes the lease and claims the deliveries. The second records the
outcomes and releases the lease. When more is due, the second also claims the next round. Reading and
rendering come before the claim, outside of transactions: the claim stores the body with the attempt, so that
an attempt that is cut off is repeated with the same body.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import ARRAY, Uuid, all_, any_, bindparam, false, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from models.compiled_select import CompiledSelect
from models.database import DATABASE_ERRORS, Database
from models.delivery import Delivery, DeliveryAttempt, DeliveryTarget
from models.ids import new_id
from notifications.alerts import alert_of_failed
from notifications.attempt_outcomes import (
    FinishedAttempt,
    StartedAttempt,
    end_delivery,
    record_outcomes,
)
from notifications.dispatch import UNCONFIRMED, PreparedDelivery, load, render, send
from notifications.services import NotificationServices
from realtime.delivery_queue import schedule_delivery
from realtime.recipients import request_confirmation
from realtime.transaction import Transaction, Transactions
from rules.backoff import next_attempt
from rules.delivery import DeliveryChannel, DeliveryStatus

LEASE = timedelta(seconds=40)  # more than the longest attempt takes
# A turn at one target: deliveries after which no round is begun, and seconds.
TURN_DELIVERIES, TURN_SECONDS = 20, 60
# A round at a webhook endpoint: deliveries at most, and those among which conversations are looked for.
CONCURRENT, AHEAD = 8, 32
# Bodies after which a round gets no further delivery: they are in memory together.
ROUND_BYTES = 1 << 20
# After an attempt that took longer the lease is too short to prepare another one.
SLOW_ATTEMPT = timedelta(seconds=10)

_PLACE = CompiledSelect(
    select(
        DeliveryTarget.workspace_id,
        DeliveryTarget.channel,
        func.coalesce(DeliveryTarget.leased_until > func.now(), false()),
    ).where(DeliveryTarget.id == bindparam("target"))
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


async def place_of_target(database: Database, target_id: UUID) -> tuple[UUID, DeliveryChannel, bool]:
    """Return the workspace and channel of a target, and whether a worker holds its lease."""
    ((workspace_id, channel, is_leased),) = await _PLACE.rows(database, target=target_id)
    return workspace_id, channel, is_leased


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
        finished: list[FinishedAttempt] = []
        try:
            while True:
                candidates = await self._next_candidates(finished)
                started = await self._advance(finished, candidates)
                if not self._leased:
                    return
                finished = await asyncio.gather(*map(self._attempt, started))
        except BaseException:
            if self._leased:
                await self._release()
            raise

    async def _attempt(self, started: StartedAttempt) -> FinishedAttempt:
        self._attempts += 1
        began = time.monotonic()
        outcome = await send(self._services, started.prepared)
        return FinishedAttempt(started, outcome, timedelta(seconds=time.monotonic() - began))

    async def _next_candidates(self, finished: Sequence[FinishedAttempt]) -> list[_Candidate]:
        """Return the due deliveries of the next round; none when the turn should end."""
        if self._attempts >= TURN_DELIVERIES or time.monotonic() > self._end:
            return []
        if any(not item.outcome.succeeded or item.took > SLOW_ATTEMPT for item in finished):
            return []
        async with self._services.database.autocommit_session() as session:
            others = [item.started.delivery_id for item in finished]
            given = {"target": self._target_id, "others": others}
            rows = (await session.execute(_NEXT, given)).tuples().all()
            candidates, length = list[_Candidate](), 0
            for delivery, target, now in rows[: _most_concurrent(*rows[0][1:]) if rows else 0]:
                if length >= ROUND_BYTES:
                    break
                erased_at = delivery.erased_at
                prepared = await self._prepared(session, delivery, target, now)
                candidates.append(_Candidate(delivery.id, erased_at, prepared))
                length += len(prepared.body) if isinstance(prepared, PreparedDelivery) else 0
            return candidates

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
        self, finished: Sequence[FinishedAttempt], candidates: Sequence[_Candidate]
    ) -> list[StartedAttempt]:
        """Record the finished attempts and claim the candidates in one transaction.

        Keep the lease if there are candidates; otherwise release it. Raise TargetBusyError.
        """
        recorded, started = list[Delivery](), list[StartedAttempt]()
        async with self._services.transactions.begin() as tx:
            target, kept = await _lock(tx, self._target_id), False
            if finished:
                recorded = await record_outcomes(tx, target, finished)
            elif not self._leased:
                self._take_lease(tx, target)
            if target.lease == self._lease:
                paused = target.paused_until and target.paused_until > tx.now
                kept = bool(candidates) and not paused
                if kept:
                    target.leased_until = tx.now + LEASE
                    started = await _claim(tx, target, candidates)
                else:
                    await _release_lease(tx, target)
        for delivery in recorded:
            if delivery.status is not DeliveryStatus.PENDING:
                _ENDED.labels(delivery.channel, delivery.status).inc()
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


def _most_concurrent(target: DeliveryTarget, now: datetime) -> int:
    """Return how many deliveries the target may get concurrently now."""
    if target.paused_until and target.paused_until > now:
        return 0
    return CONCURRENT if target.channel is DeliveryChannel.WEBHOOK and not target.failures else 1


_DUE = (
    select(
        Delivery.id,
        Delivery.next_attempt_at,
        func.coalesce(Delivery.conversation_id, Delivery.id).label("about"),
    )
    .where(
        Delivery.target_id == bindparam("target"),
        Delivery.status == DeliveryStatus.PENDING,
        # Not clock_timestamp(): only a stable function can be compared by the index.
        Delivery.next_attempt_at <= func.now(),
        Delivery.id != all_(bindparam("others", type_=ARRAY(Uuid))),
    )
    .order_by(Delivery.next_attempt_at, Delivery.id)
    .limit(AHEAD)
    .subquery()
)
# The first due deliveries of a target, one of each conversation.
_NEXT = (
    select(Delivery, DeliveryTarget, func.now())
    .join(DeliveryTarget, DeliveryTarget.id == Delivery.target_id)
    .where(
        Delivery.id.in_(
            select(_DUE.c.id)
            .ext(distinct_on(_DUE.c.about))
            .order_by(_DUE.c.about, _DUE.c.next_attempt_at, _DUE.c.id)
        )
    )
    .order_by(Delivery.next_attempt_at, Delivery.id)
    .limit(CONCURRENT)
)
_CLAIMED = (
    select(Delivery)
    .where(
        Delivery.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        Delivery.status == DeliveryStatus.PENDING,
        Delivery.next_attempt_at <= bindparam("now"),
    )
    .order_by(Delivery.id)
    .with_for_update()
)


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


async def _claim(
    tx: Transaction, target: DeliveryTarget, candidates: Sequence[_Candidate]
) -> list[StartedAttempt]:
    """Record the next attempt of each delivery that is still due; return the attempts to make."""
    ids = [candidate.delivery_id for candidate in candidates]
    rows = await tx.session.scalars(_CLAIMED, {"ids": ids, "now": tx.now})
    due = {delivery.id: delivery for delivery in rows}
    started = []
    for candidate in candidates:
        delivery = due.get(candidate.delivery_id)
        # What was rendered before an erasure is not sent.
        if delivery is not None and delivery.erased_at == candidate.erased_at:
            started.append(await _start(tx, target, delivery, candidate.prepared))
    return [attempt for attempt in started if attempt]


async def _start(
    tx: Transaction, target: DeliveryTarget, delivery: Delivery, candidate: PreparedDelivery | str
) -> StartedAttempt | None:
    """Record the next attempt of a delivery; end a delivery that has none left or need not be sent."""
    if next_attempt(delivery.attempts_made, tx.now, 0.5) is None:
        # Its worker died in the last attempt.
        end_delivery(tx, delivery, DeliveryStatus.FAILED, "Every attempt was used up.")
        await alert_of_failed(tx, target, delivery, "not known: the worker ended in the attempt")
        return None
    if isinstance(candidate, str):
        end_delivery(tx, delivery, DeliveryStatus.DROPPED, candidate)
        if candidate == UNCONFIRMED:
            request_confirmation(tx, target, delivery.agent_id, delivery.target)
        return None
    # A body that another worker has fixed in the meantime is the one to send.
    prepared = candidate.with_fixed_body(delivery.body)
    delivery.body, delivery.target = prepared.body or None, prepared.address
    delivery.attempts_made += 1
    attempt = DeliveryAttempt(id=new_id(), delivery_id=delivery.id, attempted_at=tx.now)
    tx.session.add(attempt)
    return StartedAttempt(delivery.id, attempt.id, prepared)


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
