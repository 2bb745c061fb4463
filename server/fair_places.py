"""Places for deliveries, shared between workspaces.

A workspace takes a place only while it holds fewer places than are free. With n places, one busy workspace
holds up to n/2, and k busy ones hold n/(k+1) each. So a place stays free for a workspace that has none. This
is the rule of dynamic thresholds for buffers that queues share (Choudhury and Hahne, 1998). The jobs in hand,
which run or wait for a place, are shared by the same rule.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID


class CrowdedError(Exception):
    """The workspace has too many jobs in hand already."""


class FairPlaces:
    """The places of one worker for one channel; `in_hand` limits the jobs that run or wait."""

    def __init__(self, places: int, in_hand: int) -> None:
        self._free = places
        self._free_in_hand = in_hand
        self._held: Counter[UUID] = Counter()
        self._queues: dict[UUID, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def place(self, workspace_id: UUID, seconds: float) -> AsyncIterator[None]:
        """Wait for the workspace's next place and hold it for `seconds` at most.

        Raise CrowdedError, and TimeoutError after that time.
        """
        queue = self._queues.setdefault(workspace_id, deque())
        if len(queue) + self._held[workspace_id] >= self._free_in_hand:
            raise CrowdedError
        self._free_in_hand -= 1
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._start_waiting()
        try:
            await turn
            async with asyncio.timeout(seconds):
                yield
        finally:
            self._free_in_hand += 1
            if turn.cancelled():
                with suppress(ValueError):
                    queue.remove(turn)
            else:
                self._release(workspace_id)
            self._start_waiting()

    def _release(self, workspace_id: UUID) -> None:
        self._free += 1
        self._held[workspace_id] -= 1
        if not self._held[workspace_id]:
            del self._held[workspace_id]

    def _start_waiting(self) -> None:
        """Give free places to waiting jobs; first to the workspace that holds the fewest."""
        while self._queues:
            first = min(self._queues, key=self._held.__getitem__)
            queue = self._queues[first]
            if not queue:
                del self._queues[first]
            elif queue[0].done():
                queue.popleft()
            elif self._held[first] < self._free:
                self._free -= 1
                self._held[first] += 1
                queue.popleft().set_result(None)
            else:
                return
