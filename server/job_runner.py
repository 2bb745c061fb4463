"""The runner of pgqueuer's jobs, on one connection: all of it fails and is rebuilt together."""

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
from structlog.contextvars import bind_contextvars

from realtime.cancellation import cancel_and_wait
from realtime.timers import TimerKind

LEASE = timedelta(seconds=10)
LOOK = timedelta(seconds=1)
JOB_SECONDS = 120  # for one job
MAX_BATCH = 120  # jobs that are taken up by one statement, so that other workers get some
GRACE_SECONDS = 4  # for running jobs when the runner must stop
MAX_PAUSE_SECONDS = 5
LONG_RUN_SECONDS = 30  # a failure after a longer run starts with the shortest pause again

Handlers = Mapping[TimerKind, Callable[[UUID], Awaitable[None]]]

_logger = structlog.get_logger(__name__)


class RetryLaterError(Exception):
    """A job that cannot be done now and must be tried again after `delay`."""

    def __init__(self, delay: timedelta) -> None:
        super().__init__(f"must be tried again after {delay}")
        self.delay = delay


class Jobs:
    """A runner of at most `limit` concurrent jobs until `stop`; each handler receives the id of a row.

    A job that takes longer than `seconds` returns to the queue.
    """

    def __init__(
        self,
        url: str,
        handlers: Handlers,
        limit: int,
        stopping: asyncio.Event,
        seconds: float = JOB_SECONDS,
    ) -> None:
        self._url = url
        self._handlers = handlers
        self._limit = limit
        self._seconds = seconds
        self._stopping = stopping
        self._connection: asyncpg.Connection | None = None
        self._manager: QueueManager | None = None

    def stop(self) -> None:
        """Take up no further job; running jobs end or are returned to the queue."""
        if self._manager:
            self._manager.shutdown.set()

    def abandon(self) -> None:
        """Cut the connection, since pgqueuer would record a cancelled job as done."""
        if self._connection:
            self._connection.terminate()

    async def run(self) -> None:
        """Run jobs until `stop`; raises any failure of the connection."""
        connection = await asyncpg.connect(self._url, timeout=10, command_timeout=10)
        try:
            manager = QueueManager(Queries(AsyncpgDriver(connection)))
            for kind in self._handlers:
                manager.entrypoint(kind, on_failure="hold")(self._handler(kind))
            self._connection, self._manager = connection, manager
            if not self._stopping.is_set():
                await manager.run(
                    dequeue_timeout=LOOK,
                    batch_size=min(self._limit // 2, MAX_BATCH),
                    max_concurrent_tasks=self._limit,
                    shutdown_on_listener_failure=True,
                    heartbeat_timeout=LEASE,
                    log_aggregation_interval=timedelta(),
                )
        finally:
            self._connection = self._manager = None
            connection.terminate()

    def _handler(self, kind: TimerKind) -> Callable[[Job], Awaitable[None]]:
        async def handle(job: Job) -> None:
            # A job without a key can never succeed: pgqueuer holds it and logs that.
            key = UUID(bytes=job.payload)
            bind_contextvars(timer=kind.value, row_id=str(key))
            try:
                await self._run_job(self._handlers[kind](key))
            except RetryRequested:
                raise
            except RetryLaterError as later:
                raise RetryRequested(later.delay) from later
            except Exception as error:
                delay = min(2**job.attempts, 60)
                _logger.warning("job.failed", kind=kind, error=repr(error), retry_seconds=delay)
                raise RetryRequested(timedelta(seconds=delay)) from error

        return handle

    async def _run_job(self, handling: Awaitable[None]) -> None:
        """Run the job; on shutdown, return it to the queue if it does not finish."""
        running = asyncio.ensure_future(handling)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait(
                {running, stopping}, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if not running.done():
                await asyncio.wait({running}, timeout=GRACE_SECONDS)
        finally:
            stopping.cancel()
            if not running.done():
                await cancel_and_wait([running])
        if running.cancelled():
            raise RetryRequested(timedelta(), "returned to the queue")
        running.result()


async def supervised(loop: Callable[[], Awaitable[None]], name: str, stopping: asyncio.Event) -> None:
    """Run `loop` repeatedly until `stopping` is set, after a failure with a growing pause.

    tenacity would not be simpler: the pause shrinks after a long run and ends early at a stop.
    """
    pause = 0.2
    while not stopping.is_set():
        began = time.monotonic()
        try:
            await loop()
            pause = 0.2
        except Exception as error:
            if time.monotonic() - began > LONG_RUN_SECONDS:
                pause = 0.2
            _logger.warning("worker.failed", loop=name, error=repr(error), retry_seconds=pause)
            await wait(stopping, pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, for `seconds` at most."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
