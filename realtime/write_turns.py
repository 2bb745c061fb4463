"""The turns of a workspace's writes: a few are in the database at a time, the others wait in the process."""

import asyncio
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from realtime.keyed_semaphore import KeyedSemaphore

# The stream of a workspace lets one write commit after the other. More of them only wait in PostgreSQL, which
# has to wake each: with 16, the one that holds the stream often waits for a core.
WRITES_OF_WORKSPACE = 3
# Many times the usual wait. A write that waits for a locked row must not keep those of other rows waiting.
LONGEST_WAIT_SECONDS = 0.1


class WriteTurns:
    """The turns of all workspaces in a process. They save work, and order nothing: locks do that."""

    def __init__(self) -> None:
        self._writes = KeyedSemaphore(WRITES_OF_WORKSPACE)

    def of(self, workspace: UUID | None) -> AbstractAsyncContextManager[None]:
        """Return a block that waits for a turn of the workspace, but not for long, and holds it."""
        return _Turn(self._writes, workspace)


class _Turn(AbstractAsyncContextManager[None]):
    __slots__ = ("_has_turn", "_workspace", "_writes")

    def __init__(self, writes: KeyedSemaphore, workspace: UUID | None) -> None:
        self._writes, self._workspace, self._has_turn = writes, workspace, True

    async def __aenter__(self) -> None:
        if self._writes.is_free(self._workspace):
            await self._writes.acquire(self._workspace)
            return
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                await self._writes.acquire(self._workspace)
        except TimeoutError:
            self._has_turn = False

    async def __aexit__(self, *_: object) -> None:
        if self._has_turn:
            self._writes.release(self._workspace)
