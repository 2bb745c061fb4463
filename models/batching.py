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

    Keys that are requested in the same turn of the event loop share a call. While four calls run, further
    keys wait, and share the next one. So the busier a process is, the fewer calls it makes for each key.

    Invariant: a call begins after the requests that it answers, so no caller gets an older value.
    """

    def __init__(self, load: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._load = load
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """Return the value of the key, or None if there is none; raise the error of the call."""
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(_retrieve_exception)
            if len(self._calls) < CALLS:
                call = asyncio.create_task(self._answer())
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
        # Callers with the same key share the future: one that is cancelled must not cancel it.
        return await asyncio.shield(answer)

    async def _answer(self) -> None:
        while self._waiting:
            keys = list(islice(self._waiting, KEYS))
            answers = [self._waiting.pop(key) for key in keys]
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


def _as_exception(error: BaseException) -> Exception:
    # A future cannot hold a cancellation as an exception.
    return error if isinstance(error, Exception) else RuntimeError("a look-up was cancelled")


def _retrieve_exception(answer: "asyncio.Future[V | None]") -> None:
    # The callers may have left; asyncio logs an exception that is never retrieved.
    _ = answer.cancelled() or answer.exception()
