"""What waits to be sent over one socket: bounded, in order, sent by one task."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

FRAMES = 1_000
BYTES = 4 * 1_024 * 1_024


class StuckError(Exception):
    """The other side does not take what it is sent."""


class Outgoing:
    """
    The frames that wait, at most 1,000 or 4 MiB of them; a larger one waits alone.

    Who finds no room waits for it. When nothing was taken for `patience` seconds, StuckError is raised: in
    `run` by a send that is blocked, in `put` by the lack of room.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waiting: deque[tuple[bytes, str]] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    async def put(self, frame: bytes, owner: str = "") -> None:
        """Adds a frame behind all others; `owner` is the id of the operation that it belongs to."""
        while not self._has_room(frame):
            self._taken.clear()
            try:
                async with asyncio.timeout(self._patience):
                    await self._taken.wait()
            except TimeoutError:
                raise StuckError from None
        self._waiting.append((frame, owner))
        self._bytes += len(frame)
        self._filled.set()

    def forget(self, owner: str) -> None:
        """Drops the frames of an operation that nobody waits for any more."""
        kept = [one for one in self._waiting if one[1] != owner]
        self._waiting = deque(kept)
        self._bytes = sum(len(frame) for frame, _ in kept)
        self._taken.set()

    async def run(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Sends what waits until it is cancelled or `send` raises."""
        while True:
            while not self._waiting:
                self._filled.clear()
                await self._filled.wait()
            frame, _ = self._waiting.popleft()
            self._bytes -= len(frame)
            self._taken.set()
            try:
                async with asyncio.timeout(self._patience):
                    await send(frame.decode())
            except TimeoutError:
                raise StuckError from None

    def _has_room(self, frame: bytes) -> bool:
        if not self._waiting:
            return True
        return len(self._waiting) < FRAMES and self._bytes + len(frame) <= BYTES
