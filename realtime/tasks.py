"""Tasks: asking once for all who ask for the same, and stopping what runs."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")

CANCELLATIONS = 4

_logger = structlog.get_logger(__name__)


class Together(Generic[T]):
    """
    Asks once for all who ask by one key.

    Nobody is given what was found before they asked: who comes while one question is under way shares the
    next one with all others who do.
    """

    def __init__(self) -> None:
        self._asking: dict[Hashable, asyncio.Task[T]] = {}
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    async def ask(self, key: Hashable, question: Callable[[], Awaitable[T]]) -> T:
        """What the question finds, or raises; it is that of whoever asks first."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._ask(key, question))
            task.add_done_callback(_look_at)
        return await asyncio.shield(task)

    async def _ask(self, key: Hashable, question: Callable[[], Awaitable[T]]) -> T:
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


async def unbroken(work: Awaitable[T]) -> T:
    """What the work gives. A cancellation within it that nobody asked for is an error like any other."""
    try:
        return await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("a part of it was cancelled") from None


def _look_at(task: "asyncio.Task[T]") -> None:
    # Who asked may have gone; nobody else would read its failure.
    _ = task.cancelled() or task.exception()


async def stop(tasks: Iterable[asyncio.Future[None]]) -> None:
    """
    Cancels tasks and waits for their end.

    More than once: a library may swallow a cancellation, as asyncpg and redis-py can while they connect.
    """
    running = set(tasks)
    for _ in range(CANCELLATIONS):
        for task in running:
            task.cancel()
        if not running:
            return
        ended, running = await asyncio.wait(running, timeout=1)
        for task in ended:
            _ = task.cancelled() or task.exception()
    if running:
        _logger.warning("tasks.left_running", tasks=[repr(task) for task in running])
