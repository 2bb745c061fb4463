"""Places for deliveries, shared between workspaces.

A workspace takes a place only while it holds fewer places than are free. With n places, one busy workspace
holds up to n/2, and k busy ones hold n/(k+1) each. So a place stays free for a workspace that has none. This
is the rule of dynamic thresholds for buffers that queues share (Choudhury and Hahne, 1998).
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID


class CrowdedError(Exception):
    """The workspace has too many jobs in hand already."""


class FairPlaces:
    """The places of one worker; `in_hand` limits the jobs that run or wait, half of them of one workspace."""

    def __init__(self, places: int, in_hand: int) -> None:
        self._free = places
        self._in_hand = in_hand
        self._held: Counter[UUID] = Counter()
        self._lines: dict[UUID, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def place(self, workspace_id: UUID) -> AsyncIterator[None]:
        """Wait for the workspace's next place and hold it. Raise CrowdedError."""
        line = self._lines.setdefault(workspace_id, deque())
        if 2 * (len(line) + self._held[workspace_id]) >= self._in_hand:
            raise CrowdedError
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        self._seat()
        try:
            await turn
            yield
        finally:
            if turn.cancelled():
                with suppress(ValueError):
                    line.remove(turn)
            else:
                self._release(workspace_id)
            self._seat()

    def _release(self, workspace_id: UUID) -> None:
        self._free += 1
        self._held[workspace_id] -= 1
        if not self._held[workspace_id]:
            del self._held[workspace_id]

    def _seat(self) -> None:
        """Give free places to jobs in line; first to the workspace that holds the fewest."""
        while self._lines:
            first = min(self._lines, key=self._held.__getitem__)
            line = self._lines[first]
            if not line:
                del self._lines[first]
            elif line[0].done():
                line.popleft()
            elif self._held[first] < self._free:
                self._free -= 1
                self._held[first] += 1
                line.popleft().set_result(None)
            else:
                return
