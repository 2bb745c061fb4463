"""Look-ups that concurrent callers make together."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# One call that hangs, such as on a dead connection, must not hold up all later keys.
CALLS = 4
KEYS = 500  # of a call


class Batching(Generic[K, V]):
    """Look-ups of keys, many by one call of `load`, which returns the values of those that it finds.

    A key is looked up immediately unless four calls run. Then it waits, and all that wait share the next
    call. So the busier a process is, the fewer calls it makes for each key.

    Invariants: keys wait only while four calls run, so the end of a call starts the next one. A call begins
    after the requests that it answers, so no caller gets an older value.
    """

    def __init__(self, load: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._load = load
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._calls = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """Return the value of the key, or None if there is none; raise the error of the call."""
        if self._calls < CALLS:
            self._calls += 1
            try:
                return (await self._load([key])).get(key)
            finally:
                self._end_call()
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(_retrieve_exception)
        # Callers with the same key share the future: one that is cancelled must not cancel it.
        return await asyncio.shield(answer)

    def _end_call(self) -> None:
        self._calls -= 1
        if self._waiting:
            keys = list(islice(self._waiting, KEYS))
            answers = [self._waiting.pop(key) for key in keys]
            self._calls += 1
            task = asyncio.get_running_loop().create_task(self._answer(keys, answers))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, keys: Sequence[K], answers: Sequence[asyncio.Future[V | None]]) -> None:
        try:
            values = await self._load(keys)
        except BaseException as error:
            for answer in answers:
                answer.set_exception(_as_exception(error))
            if not isinstance(error, Exception):
                raise
        else:
            for key, answer in zip(keys, answers, strict=True):
                answer.set_result(values.get(key))
        finally:
            self._end_call()


def _as_exception(error: BaseException) -> Exception:
    # A future cannot hold a cancellation as an exception.
    return error if isinstance(error, Exception) else RuntimeError("a look-up was cancelled")


def _retrieve_exception(answer: "asyncio.Future[V | None]") -> None:
    # The callers may have left; asyncio logs an exception that is never retrieved.
    _ = answer.cancelled() or answer.exception()
