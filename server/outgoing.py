"""What waits to be sent to one client: bounded, in order."""

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

    `wake` is called when there is something to send. Who finds no room may wait for it: when nothing was
    taken for `patience` seconds, StuckError is raised.
    """

    def __init__(self, patience: float, wake: Callable[[], None]) -> None:
        self.patience = patience
        self._wake = wake
        self._waiting: deque[tuple[bytes, str]] = deque()
        self._bytes = 0
        self._taken = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, frame: bytes, owner: str = "") -> bool:
        """Adds a frame behind all others if there is room; `owner` is the operation that it belongs to."""
        if self._waiting and (len(self._waiting) >= FRAMES or self._bytes + len(frame) > BYTES):
            return False
        self._waiting.append((frame, owner))
        self._bytes += len(frame)
        self._wake()
        return True

    async def put(self, frame: bytes, owner: str = "") -> None:
        """Adds a frame as soon as there is room."""
        while not self.offer(frame, owner):
            self._taken.clear()
            try:
                async with asyncio.timeout(self.patience):
                    await self._taken.wait()
            except TimeoutError:
                raise StuckError from None

    def take(self, most: int = FRAMES) -> list[bytes]:
        """The frames that wait longest, to be sent now."""
        taken = [self._waiting.popleft()[0] for _ in range(min(most, len(self._waiting)))]
        self._bytes -= sum(map(len, taken))
        self._taken.set()
        return taken

    def forget(self, owner: str) -> None:
        """Drops the frames of an operation that nobody waits for any more."""
        kept = [one for one in self._waiting if one[1] != owner]
        self._waiting = deque(kept)
        self._bytes = sum(len(frame) for frame, _ in kept)
        self._taken.set()


class Sender:
    """Sends what waits frame by frame by an ASGI `send`, which waits by itself."""

    def __init__(self, patience: float, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._filled = asyncio.Event()
        self._sent = asyncio.Event()
        self._send = send
        self._sending = False
        self.outgoing = Outgoing(patience, self._filled.set)

    async def run(self) -> None:
        """Sends until it is cancelled or `send` raises; StuckError when that is blocked."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            self._sending = True
            while frames := self.outgoing.take(1):
                try:
                    async with asyncio.timeout(self.outgoing.patience):
                        await self._send(frames[0])
                except TimeoutError:
                    raise StuckError from None
            self._sending = False
            self._sent.set()

    async def drained(self) -> None:
        """Waits until all has been sent."""
        while len(self.outgoing) or self._sending:
            self._sent.clear()
            await self._sent.wait()
