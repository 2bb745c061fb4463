"""A limit for how many tasks do something with the same key concurrently."""

import asyncio
from collections.abc import Hashable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass


@dataclass(slots=True)
class _Key:
    """The semaphore of a key, and how many tasks hold or await it."""

    semaphore: asyncio.Semaphore
    tasks: int = 0


class KeyedSemaphore:
    """A semaphore for each key, which is kept only while it is used. Tasks wait in the order of arrival."""

    def __init__(self, concurrent: int) -> None:
        self._concurrent = concurrent
        self._keys: dict[Hashable, _Key] = {}

    def of(self, key: Hashable) -> AbstractAsyncContextManager[None]:
        """Return a block that waits for the semaphore of this key, and holds it."""
        return _Held(self, key)

    def is_free(self, key: Hashable) -> bool:
        """Return whether `acquire` would not wait."""
        used = self._keys.get(key)
        return used is None or not used.semaphore.locked()

    async def acquire(self, key: Hashable) -> None:
        """Wait for the semaphore of this key."""
        used = self._keys.get(key)
        if used is None:
            used = self._keys[key] = _Key(asyncio.Semaphore(self._concurrent))
        used.tasks += 1
        try:
            await used.semaphore.acquire()
        except BaseException:
            self._leave(key, used)
            raise

    def release(self, key: Hashable) -> None:
        """Release the semaphore of this key."""
        used = self._keys[key]
        used.semaphore.release()
        self._leave(key, used)

    def _leave(self, key: Hashable, used: _Key) -> None:
        used.tasks -= 1
        if not used.tasks:
            del self._keys[key]


class _Held(AbstractAsyncContextManager[None]):
    """A block that holds a key. A generator would take 10 µs of each call, as the event loop refers to it."""

    __slots__ = ("_key", "_semaphores")

    def __init__(self, semaphores: KeyedSemaphore, key: Hashable) -> None:
        self._semaphores, self._key = semaphores, key

    async def __aenter__(self) -> None:
        await self._semaphores.acquire(self._key)

    async def __aexit__(self, *_: object) -> None:
        self._semaphores.release(self._key)
