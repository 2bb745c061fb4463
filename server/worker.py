"""The worker: runs timers and deliveries, inside a serving process or as a process of its own.

It runs the jobs of pgqueuer and plans deliveries from the log. Any number of workers share the work. The jobs
of a worker that dies, or stops longer than its lease, go to the others. Every worker also looks for overdue
work that has lost its job.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
import uvloop

from notifications.attempts import TargetBusyError, deliver_due, overdue_targets, place_of_target
from notifications.digests import overdue_digests, plan_digest
from notifications.pages import finish_pages, next_pages
from notifications.planner import plan
from notifications.services import NotificationServices
from realtime.cancellation import cancel_and_wait
from realtime.timers import TimerKind
from realtime.transaction import Transactions
from resolvers.analytics.rollups import count_changes, refresh_months, refresh_rollups
from resolvers.context import Services
from resolvers.conversation_retention import expire_conversations
from resolvers.erasure import finish_erasure, overdue_erasures
from resolvers.timer_handlers import announce_clock, fire_pending, overdue_clocks, overdue_pending
from rules.delivery import DeliveryChannel
from rules.typeid import WORKSPACE, format_id
from server.fair_places import CrowdedError, FairPlaces
from server.job_runner import Jobs, RetryLaterError, supervised, wait
from server.probe_server import serving_probes
from server.services import ProcessServices, database_urls, keep_embedded_running, open_services, prepare
from server.settings import Settings, with_secret_key
from server.stop_signals import stop_signals

# Separate runners, so that a receiver that hangs delays no clock.
MAX_TIMERS = 10  # that run concurrently
# Of one channel in this worker: deliveries that run, and those that run or wait for a place. All mails go to
# one server, so a channel has places of its own: a mail server that hangs delays no webhook.
CHANNEL_PLACES, CHANNEL_IN_HAND = 40, 240
DELIVERIES_IN_HAND = CHANNEL_IN_HAND * len(DeliveryChannel)
# For the deliveries of one job: a turn and its last round take up to 95 s. The wait for a place comes before.
DELIVERIES_SECONDS, DELIVERIES_AND_WAIT_SECONDS = 120, 1_800
SWEEP_SECONDS = 5
SWEEP_LIMIT_SECONDS = 3  # for one overdue timer
OVERDUE, OVERDUE_DELIVERIES = timedelta(seconds=3), timedelta(seconds=30)
PLAN_SECONDS = 1  # between two looks at the heads of the logs, without a wake-up
PLAN_PAUSE_SECONDS = 0.05  # events within this time are planned together
PLAN_REST_SECONDS = 0.25  # the same, after a turn without recipients
ANALYTICS_SECONDS = 2  # between checks for changes that the analytics have to take in
# Changes are taken in together: a turn costs as much as a few writes. Readers see them meanwhile.
MANY_CHANGES, CHANGES_SECONDS, MONTHS_SECONDS = 300, 300, 1_800
ANALYTICS_REST = 20  # times the duration of a turn, so that turns take at most 5 % of a core
RETENTION_SECONDS = 3_600  # between two looks for conversations whose retention has ended
CLOSE_SECONDS = 8
BUSY = timedelta(seconds=2)  # until the next look at a target that another worker holds
CROWDED = timedelta(seconds=5)  # until the next look at a target whose workspace has too many in hand

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TimerHandler:
    """The handling of one kind of timer.

    `overdue` returns the ids of rows that have been due for longer than a grace period. The sweep runs these
    itself.
    """

    run: Callable[[UUID], Awaitable[None]]
    overdue: Callable[[], Awaitable[Sequence[UUID]]]


def timer_handlers(
    services: Services, notifications: NotificationServices
) -> Mapping[TimerKind, TimerHandler]:
    """Return the one table of timers: for each kind its handler and its overdue query."""
    database, transactions = services.database, services.transactions
    places = {channel: FairPlaces(CHANNEL_PLACES, CHANNEL_IN_HAND) for channel in DeliveryChannel}
    return {
        TimerKind.SLA_CLOCK: TimerHandler(
            partial(announce_clock, services), partial(overdue_clocks, services, OVERDUE)
        ),
        TimerKind.PENDING_ESCALATION: TimerHandler(
            partial(fire_pending, services), partial(overdue_pending, services, OVERDUE)
        ),
        TimerKind.DIGEST: TimerHandler(
            partial(plan_digest, transactions), partial(overdue_digests, database, OVERDUE)
        ),
        TimerKind.ERASURE: TimerHandler(
            partial(finish_erasure, services), partial(overdue_erasures, services, OVERDUE)
        ),
        TimerKind.DELIVERIES: TimerHandler(
            partial(_deliver, notifications, places),
            partial(_reschedule_deliveries, transactions),
        ),
    }


async def _deliver(
    notifications: NotificationServices, places: Mapping[DeliveryChannel, FairPlaces], target_id: UUID
) -> None:
    workspace_id, channel, is_leased = await place_of_target(notifications.database, target_id)
    if is_leased:
        # A turn would read and render deliveries before it meets the lease.
        raise RetryLaterError(BUSY)
    try:
        async with places[channel].place(workspace_id, DELIVERIES_SECONDS):
            await deliver_due(notifications, target_id)
    except TargetBusyError as busy:
        raise RetryLaterError(BUSY) from busy
    except CrowdedError as crowded:
        raise RetryLaterError(CROWDED) from crowded


async def _reschedule_deliveries(transactions: Transactions) -> Sequence[UUID]:
    # An attempt takes long: overdue targets get a new job instead of being attempted in the sweep.
    await overdue_targets(transactions, OVERDUE_DELIVERIES)
    return ()


class Worker:
    """The loops that run what is due, from `start` to `close`."""

    def __init__(self, opened: ProcessServices, url: str) -> None:
        self._services, self._mail_limits = opened.services, opened.notifications.mail_limits
        self._handlers = timer_handlers(opened.services, opened.notifications)
        self._stopping = asyncio.Event()
        jobs = {kind: handler.run for kind, handler in self._handlers.items()}
        deliveries = {TimerKind.DELIVERIES: jobs.pop(TimerKind.DELIVERIES)}
        self._timers = Jobs(url, jobs, MAX_TIMERS, self._stopping)
        self._deliveries = Jobs(
            url, deliveries, DELIVERIES_IN_HAND, self._stopping, DELIVERIES_AND_WAIT_SECONDS
        )
        self._woken = asyncio.Event()
        self._last_planned: UUID | None = None
        self._changes_due = self._months_due = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start the loops."""
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            "timers": self._timers.run,
            "deliveries": self._deliveries.run,
            "planner": self._plan,
            "sweep": self._sweep,
            "analytics": self._refresh_analytics,
            "retention": self._expire,
        }
        self._tasks = {
            asyncio.create_task(supervised(loop, name, self._stopping)) for name, loop in loops.items()
        }

    def stop(self) -> None:
        """Take up no further work."""
        self._stopping.set()
        self._timers.stop()
        self._deliveries.stop()
        self._woken.set()

    async def close(self) -> None:
        """Stop, and wait up to 8 s for running jobs: each ends or is returned to the queue."""
        self.stop()
        _, running = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        if running:
            self._timers.abandon()
            self._deliveries.abandon()
            _logger.warning("worker.close_timeout", loops=len(running))
            await cancel_and_wait(running)

    async def _plan(self) -> None:
        """Plan one page of each workspace in turn, so that a long log delays no other workspace."""
        self._woken.clear()
        pages = await next_pages(self._services.database, self._last_planned)
        quiet = []
        for page in pages:
            if self._stopping.is_set():
                return
            self._services.feed.listen(page.workspace_id, self._woken)
            self._last_planned = page.workspace_id
            try:
                if page.has_recipients:
                    await plan(self._services.transactions, page, self._mail_limits)
                else:
                    quiet.append(page)
            except Exception:
                # The notifications of other workspaces must go on.
                workspace = format_id(WORKSPACE, page.workspace_id)
                _logger.exception("planner.failed", workspace=workspace)
        if quiet:
            await finish_pages(self._services.database, quiet)
        if any(page.is_full for page in pages):
            return
        await wait(self._stopping, PLAN_REST_SECONDS if len(quiet) == len(pages) else PLAN_PAUSE_SECONDS)
        await wait(self._woken, PLAN_SECONDS)

    async def _sweep(self) -> None:
        for kind, handler in self._handlers.items():
            for row_id in await handler.overdue():
                await self._run_overdue(kind, handler.run(row_id))
        await wait(self._stopping, SWEEP_SECONDS)

    async def _refresh_analytics(self) -> None:
        transactions, began = self._services.transactions, time.monotonic()
        changes = await count_changes(self._services.database, MANY_CHANGES)
        if not changes:
            self._changes_due = began + CHANGES_SECONDS
        if changes >= MANY_CHANGES or began >= self._changes_due:
            while await refresh_rollups(transactions) and not self._stopping.is_set():
                pass
            self._changes_due = began + CHANGES_SECONDS
        if began >= self._months_due:
            self._months_due = began + MONTHS_SECONDS
            await refresh_months(transactions)
        rest = ANALYTICS_REST * (time.monotonic() - began)
        await wait(self._stopping, max(ANALYTICS_SECONDS, rest))

    async def _expire(self) -> None:
        if expired := await expire_conversations(self._services, self._stopping.is_set):
            _logger.info("retention.conversations", expired=expired)
        await wait(self._stopping, RETENTION_SECONDS)

    async def _run_overdue(self, kind: TimerKind, handling: Awaitable[None]) -> None:
        """Run one overdue timer for 3 s at most, so that none holds up the others."""
        running = asyncio.ensure_future(handling)
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait(
            {running, stopping}, timeout=SWEEP_LIMIT_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        stopping.cancel()
        await cancel_and_wait([running])
        failed = "took too long" if running.cancelled() else running.exception() and repr(running.exception())
        _logger.log(logging.WARNING if failed else logging.INFO, "timer.overdue", kind=kind, failed=failed)


def work(settings: Settings) -> None:
    """Run a worker until a signal to stop."""
    settings = with_secret_key(settings)
    with database_urls(settings) as urls, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        async def run() -> None:
            await prepare(urls)
            stopped = asyncio.Event()
            for number in stop_signals():
                asyncio.get_running_loop().add_signal_handler(number, stopped.set)
            async with open_services(settings, urls.service) as opened, serving_probes(opened, settings):
                worker = Worker(opened, urls.service)
                worker.start()
                tasks = []
                if urls.embedded:
                    tasks.append(asyncio.create_task(keep_embedded_running(urls.embedded)))
                _logger.info("worker.ready")
                await stopped.wait()
                await worker.close()
                await cancel_and_wait(tasks)

        runner.run(run())
    _logger.info("worker.stopped")
