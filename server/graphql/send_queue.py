"""Bounded queue of bytes for one client, emptied by the writer of a WebSocket or of an event stream."""

import asyncio
from collections.abc import Callable
from itertools import accumulate, takewhile
from typing import NamedTuple, Protocol

FRAMES = 1_000
BYTES = 4 * 1_024 * 1_024
LOOKS = 10  # how often a client's progress is read within its timeout
PIECE = 65_536  # bytes written at a time: a ping must not wait for megabytes


class Writer(Protocol):
    """Way to one client. It calls `on_change` when `writable` may have changed, also from within `write`."""

    on_change: Callable[[], None]

    @property
    def writable(self) -> bool:
        """Return whether `write` may be called now."""

    @property
    def unread_bytes(self) -> int:
        """Return how many bytes were written that the client has not taken yet."""

    @property
    def write(self) -> Callable[[bytes], None]:
        """Return the function that sends bytes to the client."""


class QueuedBytes(NamedTuple):
    """Bytes as they are sent: a number of frames (or events) of one operation."""

    data: bytes
    frames: int
    operation_id: str


class SendQueue:
    """Queue that sends bytes in order and keeps what its writer cannot take.

    It holds at most 1,000 frames or 4 MiB, or one larger item. `on_stalled` is called when the client has
    read nothing for `timeout` seconds, or at most a tenth later; a slow client is not stalled.

    Invariant: `_writable` is true only if the queue is empty and the writer can take bytes. So nothing
    overtakes queued bytes, and sending to a client that keeps up costs one call of `write`.
    """

    __slots__ = (
        "_bytes",
        "_changed",
        "_deadline",
        "_frames",
        "_on_stalled",
        "_queued",
        "_timeout",
        "_writable",
        "_write",
        "_writer",
    )

    def __init__(self, writer: Writer, timeout: float, on_stalled: Callable[[], None]) -> None:
        self._writer = writer
        self._write = writer.write
        self._timeout = timeout
        self._on_stalled = on_stalled
        self._queued: list[QueuedBytes] = []
        self._frames = 0
        self._bytes = 0
        # Created on first use: few senders ever wait, and an event takes as much memory as all the rest.
        self._changed: asyncio.Event | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._writable = False
        writer.on_change = self._update
        self._update()

    def try_send(self, data: bytes, operation_id: str = "", frames: int = 1) -> bool:
        """Send or queue bytes; return False if there is no space."""
        if self._writable:
            self._write(data)
            return True
        if self._queued and (self._frames + frames > FRAMES or self._bytes + len(data) > BYTES):
            return False
        self._append(data, operation_id, frames)
        return True

    async def send(self, data: bytes, operation_id: str = "", frames: int = 1) -> None:
        """Send or queue bytes as soon as there is space."""
        while not self.try_send(data, operation_id, frames):
            await self._wait_for_change()

    def send_last(self, data: bytes, operation_id: str = "") -> None:
        """Send or queue an operation's last frame even without space: a client has few of them."""
        if self._writable:
            self._write(data)
        else:
            self._append(data, operation_id, 1)

    async def wait_for_space(self) -> None:
        """Wait until a small frame has space."""
        while not self._writable and (self._frames >= FRAMES or self._bytes >= BYTES):
            await self._wait_for_change()

    async def wait_until_sent(self) -> None:
        """Wait until the writer has taken everything."""
        while not self._writable:
            await self._wait_for_change()

    def discard(self, operation_id: str) -> None:
        """Remove what is queued for an operation."""
        self._keep([item for item in self._queued if item.operation_id != operation_id])

    def close(self) -> None:
        """Send nothing more."""
        self._writable = False
        # The garbage collector would have to look for what these refer to.
        self._writer.on_change = self._on_stalled = _do_nothing
        if self._deadline:
            self._deadline.cancel()

    def _append(self, data: bytes, operation_id: str, frames: int) -> None:
        self._queued.append(QueuedBytes(data, frames, operation_id))
        self._frames += frames
        self._bytes += len(data)

    def _update(self) -> None:
        writer = self._writer
        if writer.writable:
            # The client has read, even if what follows fills the writer again.
            self._set_deadline(None)
        while self._queued and writer.writable:
            self._write(self._take())
        self._writable = writer.writable and not self._queued
        if not writer.writable and self._deadline is None:
            self._watch(writer.unread_bytes)
        if self._changed:
            self._changed.set()

    def _take(self) -> bytes:
        """Remove the oldest items, as many as make up one piece, and return their bytes."""
        count = len(self._queued)
        if self._bytes > PIECE:
            sizes = accumulate(len(item.data) for item in self._queued)
            count = max(1, sum(1 for _ in takewhile(lambda size: size <= PIECE, sizes)))
        taken = self._queued[:count]
        self._keep(self._queued[count:])
        return taken[0].data if count == 1 else b"".join([item.data for item in taken])

    def _keep(self, items: list[QueuedBytes]) -> None:
        self._queued = items
        self._frames = sum([item.frames for item in items])
        self._bytes = sum([len(item.data) for item in items])
        if self._changed:
            self._changed.set()

    async def _wait_for_change(self) -> None:
        self._changed = self._changed or asyncio.Event()
        self._changed.clear()
        await self._changed.wait()

    def _watch(self, unread: int, looks: int = LOOKS) -> None:
        loop = asyncio.get_running_loop()
        self._set_deadline(loop.call_later(self._timeout / LOOKS, self._check_progress, unread, looks - 1))

    def _check_progress(self, unread: int, looks: int) -> None:
        """Compare with the last look, and count down the looks without progress."""
        remaining = self._writer.unread_bytes
        # Without unread bytes the writer is late, and not the client.
        if remaining < unread or not unread or not remaining:
            self._watch(remaining)
        elif looks:
            self._watch(remaining, looks)
        else:
            self._on_stalled()

    def _set_deadline(self, deadline: asyncio.TimerHandle | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = deadline


def _do_nothing() -> None:
    pass
