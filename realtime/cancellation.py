"""Cancelling tasks, and cancellations that the caller did not request."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

import structlog

T = TypeVar("T")

CANCELLATIONS = 4

_logger = structlog.get_logger(__name__)


async def convert_stray_cancellation(work: Awaitable[T]) -> T:
    """Await `work` and return its result.

    Raises RuntimeError when a part of the work was cancelled although the caller was not.
    """
    try:
        return await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("a part of the work was cancelled") from None


def set_unless_done(future: asyncio.Future[T], result: T) -> None:
    """Set the result, unless there is one or the caller that awaits the future was cancelled."""
    if not future.done():
        future.set_result(result)


async def cancel_and_wait(tasks: Iterable[asyncio.Future[None]]) -> None:
    """Cancel tasks and wait until they have ended.

    It repeats the cancellation: asyncpg and redis-py can swallow one while they connect.
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
        _logger.warning("tasks.not_cancelled", tasks=[repr(task) for task in running])
