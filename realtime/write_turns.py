"""The turns of a workspace's writes: a few are in the database at a time, the others wait in the process."""

import asyncio
from contextlib import AbstractAsyncContextManager, suppress
from uuid import UUID

from models.database import WRITE_CONNECTIONS, DatabaseUnavailableError
from realtime.keyed_semaphore import KeyedSemaphore

# The stream of a workspace lets one write commit after the other. More of them only wait in PostgreSQL, which
# has to wake each: with 16, the one that holds the stream often waits for a core.
WRITES_OF_WORKSPACE = 3
# Many times the usual wait. A write that waits for a locked row must not keep those of other rows waiting.
LONGEST_WAIT_SECONDS = 0.1
# They go ahead without a turn. The connections that are left serve other workspaces, whatever row is locked.
WRITES_AHEAD = WRITE_CONNECTIONS * 3 // 4 - WRITES_OF_WORKSPACE
# About as long as a write waits for a lock.
AHEAD_WAIT_SECONDS = 3.0


class WriteTurns:
    """The turns of all workspaces in a process. They save work, and order nothing: locks do that."""

    def __init__(self) -> None:
        self._writes = KeyedSemaphore(WRITES_OF_WORKSPACE)
        self._ahead = KeyedSemaphore(WRITES_AHEAD)

    def of(self, workspace: UUID | None) -> AbstractAsyncContextManager[None]:
        """Return a block that waits for a turn of the workspace, but not for long, and holds it.

        Without a turn it goes ahead, unless too many do. Then it raises DatabaseUnavailableError.
        """
        return _Turn(self._writes, self._ahead, workspace)


class _Turn(AbstractAsyncContextManager[None]):
    __slots__ = ("_ahead", "_held", "_workspace")

    def __init__(self, writes: KeyedSemaphore, ahead: KeyedSemaphore, workspace: UUID | None) -> None:
        self._held, self._ahead, self._workspace = writes, ahead, workspace

    async def __aenter__(self) -> None:
        if self._held.is_free(self._workspace):
            await self._held.acquire(self._workspace)
            return
        with suppress(TimeoutError):
            await self._acquire(LONGEST_WAIT_SECONDS)
            return
        self._held = self._ahead
        try:
            await self._acquire(AHEAD_WAIT_SECONDS)
        except TimeoutError as error:
            raise DatabaseUnavailableError(error) from error

    async def _acquire(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await self._held.acquire(self._workspace)

    async def __aexit__(self, *_: object) -> None:
        self._held.release(self._workspace)
