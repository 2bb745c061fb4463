"""Single flight: concurrent callers with one key share one run."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """
    Asks once for all who ask by one key.

    Nobody is given what was found before they asked: who comes while one question is under way shares the
    next one with all others who do.
    """

    def __init__(self) -> None:
        self._asking: dict[Hashable, asyncio.Task[T]] = {}
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    async def run(self, key: Hashable, question: Callable[[], Awaitable[T]]) -> T:
        """What the question finds, or raises; it is that of whoever asks first."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._run(key, question))
            task.add_done_callback(_retrieve_exception)
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, question: Callable[[], Awaitable[T]]) -> T:
        if before := self._asking.get(key):
            await asyncio.wait({before})
        else:
            await asyncio.sleep(0)
        own = self._asking[key] = self._next.pop(key)
        try:
            return await question()
        finally:
            if self._asking.get(key) is own:
                del self._asking[key]


def _retrieve_exception(task: "asyncio.Task[T]") -> None:
    # Who asked may have gone; nobody else would read its failure.
    _ = task.cancelled() or task.exception()
