"""Single flight: concurrent callers with one key share one run."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Single flight with freshness: concurrent callers with one key share one run.

    Callers never get a result older than their request. Those that arrive during a run share the next run.
    """

    __slots__ = ("_next", "_running")

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, or raise its exception; the first caller's `work` runs."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._run(key, work))
            task.add_done_callback(_retrieve_exception)
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        if before := self._running.get(key):
            await asyncio.wait({before})
        else:
            await asyncio.sleep(0)
        own = self._running[key] = self._next.pop(key)
        try:
            return await work()
        finally:
            if self._running.get(key) is own:
                del self._running[key]


def _retrieve_exception(task: "asyncio.Task[T]") -> None:
    # The callers may have left; asyncio logs an exception that is never retrieved.
    _ = task.cancelled() or task.exception()
