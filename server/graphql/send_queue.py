"""What waits to be sent to one client: bounded, in order."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import accumulate, takewhile
from typing import NamedTuple

FRAMES = 1_000
BYTES = 4 * 1_024 * 1_024
PIECE = 65_536


class ClientStalledError(Exception):
    """The other side does not take what it is sent."""


class QueuedBytes(NamedTuple):
    """Bytes as they are sent: a number of frames of one operation, `owner`."""

    data: bytes
    frames: int
    owner: str


class Outgoing:
    """
    The chunks that wait, at most 1,000 frames or 4 MiB of them; a larger one waits alone.

    `wake` is called when something is added. Who finds no room may wait for it: it is up to whoever sends to
    see that the other side takes anything at all.
    """

    __slots__ = ("_bytes", "_frames", "_taken", "_waiting", "_wake")

    def __init__(self, wake: Callable[[], None] | None = None) -> None:
        self._wake = wake
        self._waiting: list[QueuedBytes] = []
        self._frames = 0
        self._bytes = 0
        # Few ever wait for room, and an event of its own weighs as much as all else here.
        self._taken: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, data: bytes, owner: str = "", frames: int = 1) -> bool:
        """Adds frames behind all others if there is room; `owner` is the operation that they belong to."""
        if self._waiting and (self._frames + frames > FRAMES or self._bytes + len(data) > BYTES):
            return False
        self.add(data, owner, frames)
        return True

    def add(self, data: bytes, owner: str = "", frames: int = 1) -> None:
        """Adds frames whether there is room or not: an operation's last word, of which a client has few."""
        self._waiting.append(QueuedBytes(data, frames, owner))
        self._frames += frames
        self._bytes += len(data)
        if self._wake:
            self._wake()

    async def put(self, data: bytes, owner: str = "", frames: int = 1) -> None:
        """Adds frames as soon as there is room."""
        while not self.offer(data, owner, frames):
            await self.change()

    @property
    def full(self) -> bool:
        """Whether there is no room even for a small frame."""
        return self._frames >= FRAMES or self._bytes >= BYTES

    async def change(self) -> None:
        """Waits until something has been taken."""
        self._taken = self._taken or asyncio.Event()
        self._taken.clear()
        await self._taken.wait()

    def take(self, most: int = BYTES) -> bytes:
        """What waits longest, to be sent now: `most` bytes of it at most, but one chunk at least."""
        waiting = self._waiting
        count = len(waiting)
        if self._bytes > most:
            sizes = accumulate(len(chunk.data) for chunk in waiting)
            count = max(1, sum(1 for _ in takewhile(lambda size: size <= most, sizes)))
        data = waiting[0].data if count == 1 else b"".join([chunk.data for chunk in waiting[:count]])
        self._keep(waiting[count:])
        return data

    def forget(self, owner: str) -> None:
        """Drops the frames of an operation that nobody waits for any more."""
        self._keep([chunk for chunk in self._waiting if chunk.owner != owner])

    def _keep(self, chunks: list[QueuedBytes]) -> None:
        self._waiting = chunks
        self._frames = sum([chunk.frames for chunk in chunks])
        self._bytes = sum([len(chunk.data) for chunk in chunks])
        if self._taken:
            self._taken.set()


class Sender:
    """Sends what waits piece by piece by an ASGI `send`, which waits by itself."""

    def __init__(self, patience: float, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._filled = asyncio.Event()
        self._sent = asyncio.Event()
        self._send = send
        self._sending = False
        self._patience = patience
        self.outgoing = Outgoing(self._filled.set)

    async def run(self) -> None:
        """Sends until it is cancelled or `send` raises; StuckError when that is blocked."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            self._sending = True
            while len(self.outgoing):
                try:
                    async with asyncio.timeout(self._patience):
                        await self._send(self.outgoing.take(PIECE))
                except TimeoutError:
                    raise ClientStalledError from None
            self._sending = False
            self._sent.set()

    async def drained(self) -> None:
        """Waits until all has been sent."""
        while len(self.outgoing) or self._sending:
            self._sent.clear()
            await self._sent.wait()
