"""A limit for how many tasks do something with the same key concurrently."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
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

    @asynccontextmanager
    async def of(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for the semaphore of this key, and hold it during the block."""
        used = self._keys.get(key)
        if used is None:
            used = self._keys[key] = _Key(asyncio.Semaphore(self._concurrent))
        used.tasks += 1
        try:
            async with used.semaphore:
                yield
        finally:
            used.tasks -= 1
            if not used.tasks:
                del self._keys[key]
