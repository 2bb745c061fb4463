"""
The worker: does what happens later, beside a serving process or as a process of its own.

It runs timers and attempts deliveries as jobs of pgqueuer, and plans deliveries from the log. Any number of
workers share all of it. One that dies, or stops longer than its lease, loses its jobs to the others; what has
lost its job altogether is found overdue by all of them.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
import uvloop

from notifications.attempts import TargetBusyError, deliver_due, overdue_targets
from notifications.digests import overdue_digests, plan_digest
from notifications.planner import plan, workspaces_to_plan
from notifications.services import NotificationServices
from realtime.cancellation import cancel_and_wait
from realtime.timers import TimerKind
from resolvers.analytics.rollups import has_changes, refresh_months, refresh_rollups
from resolvers.context import Services
from resolvers.timer_handlers import TIMERS, overdue
from server.job_runner import Handlers, Jobs, RetryLaterError, supervised, wait
from server.services import database_urls, keep_embedded_running, open_services, prepare
from server.settings import Settings, with_secret_key

# Timers and deliveries do not wait for each other: a receiver that hangs delays no clock.
TIMERS_AT_ONCE, DELIVERIES_AT_ONCE = 10, 20
SWEEP_SECONDS = 5
OVERDUE_SECONDS = 3  # that one thing may take in a sweep
OVERDUE, OVERDUE_DELIVERIES = timedelta(seconds=3), timedelta(seconds=30)
PLAN_SECONDS = 1  # between looks at the logs' heads, beside the bell
PLAN_PAUSE_SECONDS = 0.05  # what happens within it is planned together
ANALYTICS_SECONDS, MONTHS_SECONDS = 2, 60  # between looks at changes, and between sums of months
CLOSE_SECONDS = 8
BUSY = timedelta(seconds=2)  # until a target is looked at again that another worker attends to

_logger = structlog.get_logger(__name__)


class Worker:
    """Does what is due from `start` to `cancel_and_wait`; `close` waits until what is in hand has ended."""

    def __init__(self, services: Services, url: str) -> None:
        assert isinstance(services.external, NotificationServices)
        self._house, self._office = services, services.external
        self._stopping = asyncio.Event()
        self._timers = Jobs(url, self._timer_handlers(), TIMERS_AT_ONCE, self._stopping)
        deliveries: Handlers = {TimerKind.DELIVERIES: self._attend}
        self._deliveries = Jobs(url, deliveries, DELIVERIES_AT_ONCE, self._stopping)
        self._rung = asyncio.Event()
        self._months_due = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begins to work."""
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            "timers": self._timers.run,
            "deliveries": self._deliveries.run,
            "planner": self._plan,
            "sweep": self._sweep,
            "analytics": self._refresh_analytics,
        }
        self._tasks = {
            asyncio.create_task(supervised(loop, name, self._stopping)) for name, loop in loops.items()
        }

    def stop(self) -> None:
        """Takes up nothing more."""
        self._stopping.set()
        self._timers.stop()
        self._deliveries.stop()
        self._rung.set()

    async def close(self) -> None:
        """Stops, and waits up to 8 s for what is in hand: it ends, or is given back."""
        self.stop()
        _, running = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        if running:
            self._timers.abandon()
            self._deliveries.abandon()
            _logger.warning("worker.close_timeout", loops=len(running))
            await cancel_and_wait(running)

    def _timer_handlers(self) -> Handlers:
        of_house = {kind: partial(tx, self._house) for kind, tx in TIMERS.items()}
        return {**of_house, TimerKind.DIGEST: partial(plan_digest, self._house.transactions)}

    async def _attend(self, target_id: UUID) -> None:
        try:
            await deliver_due(self._office, target_id)
        except TargetBusyError as busy:
            raise RetryLaterError(BUSY) from busy

    async def _plan(self) -> None:
        self._rung.clear()
        for workspace_id in await workspaces_to_plan(self._house.database):
            self._house.feed.listen(workspace_id, self._rung)
            try:
                while await plan(self._house.transactions, workspace_id) and not self._stopping.is_set():
                    pass
            except Exception as error:
                # One workspace must not keep the others from being told.
                _logger.exception("planner.failed", workspace=str(workspace_id), error=repr(error))
        await wait(self._stopping, PLAN_PAUSE_SECONDS)
        await wait(self._rung, PLAN_SECONDS)

    async def _sweep(self) -> None:
        for kind, key in await overdue(self._house, OVERDUE):
            await self._do_overdue(kind, TIMERS[kind](self._house, key))
        for digest_id in await overdue_digests(self._house.database, OVERDUE):
            await self._do_overdue(TimerKind.DIGEST, plan_digest(self._house.transactions, digest_id))
        await overdue_targets(self._house.transactions, OVERDUE_DELIVERIES)
        await wait(self._stopping, SWEEP_SECONDS)

    async def _refresh_analytics(self) -> None:
        transactions = self._house.transactions
        if await has_changes(self._house.database):
            while await refresh_rollups(transactions) and not self._stopping.is_set():
                pass
        if time.monotonic() >= self._months_due:
            self._months_due = time.monotonic() + MONTHS_SECONDS
            await refresh_months(transactions)
        await wait(self._stopping, ANALYTICS_SECONDS)

    async def _do_overdue(self, kind: TimerKind, tx: Awaitable[None]) -> None:
        """Does one thing; it holds up the others for 3 s at most, whatever is the matter with it."""
        doing = asyncio.ensure_future(tx)
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({doing, stopping}, timeout=OVERDUE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await cancel_and_wait([doing])
        failed = "took too long" if doing.cancelled() else doing.exception() and repr(doing.exception())
        _logger.log(logging.WARNING if failed else logging.INFO, "timer.overdue", kind=kind, failed=failed)


def work(settings: Settings) -> None:
    """Works until it is told to stop."""
    settings = with_secret_key(settings)
    with database_urls(settings) as urls, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        async def run() -> None:
            await prepare(urls)
            asked = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, asked.set)
            async with open_services(settings, urls.service) as services:
                worker = Worker(services, urls.service)
                worker.start()
                _logger.info("worker.ready")
                beside = [asyncio.create_task(keep_embedded_running(urls.embedded))] if urls.embedded else []
                await asked.wait()
                await worker.close()
                await cancel_and_wait(beside)

        runner.run(run())
    _logger.info("worker.stopped")
