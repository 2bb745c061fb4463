"""Single flight: concurrent callers with one key share one run."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from realtime.flag import Flag

T = TypeVar("T")

# For sockets that reconnect together: each asks for the same a fraction of a millisecond after the other.
BURST_SECONDS = 0.01


class SingleFlight(Generic[T]):
    """Single flight with freshness: concurrent callers with one key share one run.

    Callers never get a result older than their request. A caller that finds no run has one of its own, in its
    own task. Those that arrive during a run share the next run. With an `interval`, in seconds, so do those
    that arrive so soon after the beginning of a run: the next one begins when the interval is over.
    """

    __slots__ = ("_begun", "_ended", "_interval", "_next", "_now")

    def __init__(self, interval: float = 0, now: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._now = now
        # The latest run of each key, the oldest first. A dict would look for it among all that were deleted.
        self._begun: OrderedDict[Hashable, float] = OrderedDict()
        self._ended: dict[Hashable, Flag] = {}
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, or raise its exception; the first caller's `work` runs."""
        task = self._next.get(key)
        if task is None:
            if key not in self._ended and self._seconds_to_wait(key) <= 0:
                return await self._run(key, work)
            task = self._next[key] = asyncio.create_task(self._run_next(key, work))
            task.add_done_callback(_retrieve_exception)
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        self._note_beginning(key)
        ended = self._ended[key] = Flag()
        try:
            return await work()
        finally:
            del self._ended[key]
            ended.set()

    async def _run_next(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        try:
            if ended := self._ended.get(key):
                await ended.take()
            if (seconds := self._seconds_to_wait(key)) > 0:
                await asyncio.sleep(seconds)
        finally:
            del self._next[key]
        return await self._run(key, work)

    def _seconds_to_wait(self, key: Hashable) -> float:
        begun = self._begun.get(key)
        return begun + self._interval - self._now() if begun is not None else 0

    def _note_beginning(self, key: Hashable) -> None:
        if not self._interval:
            return
        now = self._now()
        self._begun[key] = now
        self._begun.move_to_end(key)
        while self._begun[oldest := next(iter(self._begun))] <= now - self._interval:
            del self._begun[oldest]


def _retrieve_exception(task: "asyncio.Task[T]") -> None:
    # The callers may have left; asyncio logs an exception that is never retrieved.
    _ = task.cancelled() or task.exception()
