"""Single flight: concurrent callers with one key share one run."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from realtime.flag import Flag

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Single flight with freshness: concurrent callers with one key share one run.

    Callers never get a result older than their request. A caller that finds no run has one of its own, in its
    own task. Those that arrive during a run share the next run.
    """

    __slots__ = ("_ended", "_next")

    def __init__(self) -> None:
        self._ended: dict[Hashable, Flag] = {}
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, or raise its exception; the first caller's `work` runs."""
        if key not in self._ended and key not in self._next:
            return await self._run(key, work)
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._run_next(key, work))
            task.add_done_callback(_retrieve_exception)
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
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
        finally:
            del self._next[key]
        return await self._run(key, work)


def _retrieve_exception(task: "asyncio.Task[T]") -> None:
    # The callers may have left; asyncio logs an exception that is never retrieved.
    _ = task.cancelled() or task.exception()
