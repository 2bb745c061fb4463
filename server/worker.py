"""
The worker: runs timers as jobs of pgqueuer, beside a serving process or as a process of its own.

Any number of them share the jobs. One that dies, or stops longer than its lease, loses its jobs to the
others; what has lost its job altogether is found overdue by all of them.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import asyncpg
import structlog
import uvloop
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries

from realtime.timers import TimerKind
from resolvers.context import House
from resolvers.timers import TIMERS, overdue
from server.house import database_urls, keep_embedded_running, open_house, prepare
from server.settings import Settings
from server.visits import stop

LEASE = timedelta(seconds=10)
LOOK = timedelta(seconds=1)
AT_ONCE = 10  # jobs of one worker: each takes a connection of the process's pool
SWEEP_SECONDS = 5
OVERDUE = timedelta(seconds=3)
LONGEST_SECONDS = 30  # that one timer may take
GRACE_SECONDS = 4  # for what is in hand when the worker is told to stop
CLOSE_SECONDS = 8
LONGEST_PAUSE_SECONDS = 5

_logger = structlog.get_logger(__name__)


class Worker:
    """Runs what is due. `run` goes on until `stop`; `close` waits until what is in hand has ended."""

    def __init__(self, house: House, url: str) -> None:
        self._house = house
        self._url = url
        self._stopping = asyncio.Event()
        self._connection: asyncpg.Connection | None = None
        self._manager: QueueManager | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begins to work."""
        loops = (self._supervised(self._work, "jobs"), self._supervised(self._sweep, "sweep"))
        self._tasks = {asyncio.create_task(loop) for loop in loops}

    def stop(self) -> None:
        """Takes up nothing more."""
        self._stopping.set()
        if self._manager:
            self._manager.shutdown.set()

    async def close(self) -> None:
        """Stops, and waits up to 8 s for what is in hand: it ends, or is given back."""
        self.stop()
        _, running = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        if running:
            # A job that is cancelled counts as done: without its connection nobody can write so.
            if self._connection:
                self._connection.terminate()
            _logger.warning("worker.left_running", loops=len(running))
            await stop(running)

    async def _supervised(self, loop: Callable[[], Awaitable[None]], name: str) -> None:
        pause = 0.2
        while not self._stopping.is_set():
            try:
                await loop()
                pause = 0.2
            except Exception as error:
                _logger.warning("worker.failed", loop=name, error=repr(error), again_in_seconds=pause)
                await self._wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _work(self) -> None:
        # One connection for all of it: when it is lost everything fails at once, and is built anew.
        connection = await asyncpg.connect(self._url, timeout=10, command_timeout=10)
        try:
            manager = QueueManager(Queries(AsyncpgDriver(connection)))
            for kind in TimerKind:
                manager.entrypoint(kind, on_failure="hold")(self._handler(kind))
            self._connection, self._manager = connection, manager
            if not self._stopping.is_set():
                await manager.run(
                    dequeue_timeout=LOOK,
                    batch_size=AT_ONCE // 2,
                    max_concurrent_tasks=AT_ONCE,
                    shutdown_on_listener_failure=True,
                    heartbeat_timeout=LEASE,
                    log_aggregation_interval=timedelta(),
                )
        finally:
            self._connection = self._manager = None
            connection.terminate()

    def _handler(self, kind: TimerKind) -> Callable[[Job], Awaitable[None]]:
        async def handle(job: Job) -> None:
            if job.payload is None:
                raise ValueError(f"A timer of kind {kind} has no key.")
            try:
                await self._in_hand(TIMERS[kind](self._house, UUID(bytes=job.payload)))
            except RetryRequested:
                raise
            except Exception as error:
                delay = min(2**job.attempts, 60)
                _logger.warning("timer.failed", kind=kind, error=repr(error), again_in_seconds=delay)
                raise RetryRequested(timedelta(seconds=delay)) from error

        return handle

    async def _in_hand(self, act: Awaitable[None]) -> None:
        """Does it; gives it back, undone, when the worker is to stop and it does not end."""
        doing = asyncio.ensure_future(act)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait(
                {doing, stopping}, timeout=LONGEST_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if not doing.done():
                await asyncio.wait({doing}, timeout=GRACE_SECONDS)
        finally:
            stopping.cancel()
            if not doing.done():
                await stop([doing])
        if doing.cancelled():
            raise RetryRequested(timedelta(), "given back")
        doing.result()

    async def _sweep(self) -> None:
        for kind, key in await overdue(self._house, OVERDUE):
            _logger.info("timer.overdue", kind=kind, key=str(key))
            await TIMERS[kind](self._house, key)
        await self._wait(SWEEP_SECONDS)


def work(settings: Settings) -> None:
    """Works until it is told to stop."""
    with database_urls(settings) as urls, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        async def run() -> None:
            await prepare(urls)
            asked = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, asked.set)
            async with open_house(settings, urls.service) as house:
                worker = Worker(house, urls.service)
                worker.start()
                _logger.info("worker.ready")
                beside = [asyncio.create_task(keep_embedded_running(urls.embedded))] if urls.embedded else []
                await asked.wait()
                await worker.close()
                await stop(beside)

        runner.run(run())
    _logger.info("worker.stopped")
