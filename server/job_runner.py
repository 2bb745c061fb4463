"""Jobs of pgqueuer: what runs them, on one connection, so that all of it fails and is built anew together."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import asyncpg
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries

from realtime.cancellation import cancel_and_wait
from realtime.timers import TimerKind

LEASE = timedelta(seconds=10)
LOOK = timedelta(seconds=1)
LONGEST_SECONDS = 120  # that one job may take
GRACE_SECONDS = 4  # for what is in hand when they are told to stop
LONGEST_PAUSE_SECONDS = 5
LONG_RUN_SECONDS = 30  # after which a failure is a new one

Handlers = Mapping[TimerKind, Callable[[UUID], Awaitable[None]]]

_logger = structlog.get_logger(__name__)


class RetryLaterError(Exception):
    """A handler cannot do it now; it is to be tried again after `delay`."""

    def __init__(self, delay: timedelta) -> None:
        super().__init__(f"to be tried again after {delay}")
        self.delay = delay


class Jobs:
    """A runner of jobs, at most `at_once` concurrently, until `stop`; each handler receives the key."""

    def __init__(self, url: str, handlers: Handlers, at_once: int, stopping: asyncio.Event) -> None:
        self._url = url
        self._handlers = handlers
        self._at_once = at_once
        self._stopping = stopping
        self._connection: asyncpg.Connection | None = None
        self._manager: QueueManager | None = None

    def stop(self) -> None:
        """Takes up nothing more; what is in hand ends or is given back."""
        if self._manager:
            self._manager.shutdown.set()

    def abandon(self) -> None:
        """Cuts the connection: a job that is cancelled counts as done, and nobody is to write that down."""
        if self._connection:
            self._connection.terminate()

    async def run(self) -> None:
        """Runs jobs until told to stop; raises whatever goes wrong with the connection."""
        connection = await asyncpg.connect(self._url, timeout=10, command_timeout=10)
        try:
            manager = QueueManager(Queries(AsyncpgDriver(connection)))
            for kind in self._handlers:
                manager.entrypoint(kind, on_failure="hold")(self._handler(kind))
            self._connection, self._manager = connection, manager
            if not self._stopping.is_set():
                await manager.run(
                    dequeue_timeout=LOOK,
                    batch_size=self._at_once // 2,
                    max_concurrent_tasks=self._at_once,
                    shutdown_on_listener_failure=True,
                    heartbeat_timeout=LEASE,
                    log_aggregation_interval=timedelta(),
                )
        finally:
            self._connection = self._manager = None
            connection.terminate()

    def _handler(self, kind: TimerKind) -> Callable[[Job], Awaitable[None]]:
        async def handle(job: Job) -> None:
            # A job without a key is of no use whenever it is tried: it is held, and the log says so.
            key = UUID(bytes=job.payload)
            try:
                await self._run_job(self._handlers[kind](key))
            except RetryRequested:
                raise
            except RetryLaterError as later:
                raise RetryRequested(later.delay) from later
            except Exception as error:
                delay = min(2**job.attempts, 60)
                _logger.warning("job.failed", kind=kind, error=repr(error), again_in_seconds=delay)
                raise RetryRequested(timedelta(seconds=delay)) from error

        return handle

    async def _run_job(self, tx: Awaitable[None]) -> None:
        """Does it; gives it back, undone, when there is to be an end and it does not come to one."""
        doing = asyncio.ensure_future(tx)
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
                await cancel_and_wait([doing])
        if doing.cancelled():
            raise RetryRequested(timedelta(), "given back")
        doing.result()


async def supervised(loop: Callable[[], Awaitable[None]], name: str, stopping: asyncio.Event) -> None:
    """Runs `loop` again and again until told to stop; after a failure a little later."""
    pause = 0.2
    while not stopping.is_set():
        began = time.monotonic()
        try:
            await loop()
            pause = 0.2
        except Exception as error:
            if time.monotonic() - began > LONG_RUN_SECONDS:
                pause = 0.2
            _logger.warning("worker.failed", loop=name, error=repr(error), again_in_seconds=pause)
            await wait(stopping, pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Waits for an event, so long at most."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
