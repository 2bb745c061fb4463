"""
Writing to a live socket: all frames of one turn of the loop go out in one write, to the transport itself.

A write costs the same for one frame and for ten, and uvicorn's `send` a good deal more than both. Frames of
the protocol's own (pings, pongs, the close) go out between whole writes, so none is cut in two.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from server.outgoing import Outgoing, StuckError

_TEXT = 0x81  # the whole of a text message, by RFC 6455


class Connection(Protocol):
    """A WebSocket's connection. `on_ready` is called when it is no longer blocked, and when it is lost."""

    on_ready: Callable[[], None]

    @property
    def blocked(self) -> bool:
        """Whether the other side is behind with reading."""

    @property
    def ended(self) -> bool:
        """Whether nothing more may be written."""

    def write(self, data: bytes) -> None:
        """Writes whole frames."""


class Wire:
    """Sends what waits in `outgoing`; `broken` raises StuckError when nothing was taken for its patience."""

    def __init__(self, connection: Connection, patience: float) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._deadline: asyncio.TimerHandle | None = None
        self.outgoing = Outgoing(patience, self._wake)
        self.broken: asyncio.Future[None] = self._loop.create_future()
        connection.on_ready = self._ready

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _ready(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
        self._wake()

    def _flush(self) -> None:
        self._scheduled = False
        connection = self._connection
        if connection.ended or not len(self.outgoing):
            return
        if not connection.blocked:
            connection.write(framed(self.outgoing.take()))
        if connection.blocked and self._deadline is None:
            self._deadline = self._loop.call_later(self.outgoing.patience, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        if not self.broken.done() and not self._connection.ended:
            self.broken.set_exception(StuckError())

    def close(self) -> None:
        """Sends what can be sent at once, and nothing afterwards."""
        if not (self._connection.ended or self._connection.blocked) and len(self.outgoing):
            self._connection.write(framed(self.outgoing.take()))
        if self._deadline:
            self._deadline.cancel()
        self._connection.on_ready = _nothing
        if not self.broken.done():
            self.broken.cancel()


def _nothing() -> None:
    pass


def framed(messages: Sequence[bytes]) -> bytes:
    """The messages as text frames of a server, one behind the other."""
    parts: list[bytes] = []
    for message in messages:
        parts += (_head(len(message)), message)
    return b"".join(parts)


def _head(length: int) -> bytes:
    if length < 126:
        return bytes((_TEXT, length))
    if length < 65_536:
        return bytes((_TEXT, 126, length >> 8, length & 255))
    return bytes((_TEXT, 127)) + length.to_bytes(8, "big")
