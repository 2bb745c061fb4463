"""
Writing to a live socket: frames go to the transport itself, several times cheaper than by ASGI's `send`.

uvloop's transport sends all that is written in one turn of the loop by one call: that costs the same for one
frame and for ten. Frames of the protocol's own (pings, pongs, the close) go out between whole writes, so none
is cut in two.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from server.graphql.send_queue import PIECE, Outgoing


class Connection(Protocol):
    """A WebSocket's connection. `on_turn` is called when it is blocked, when no longer, and at its end."""

    on_turn: Callable[[], None]

    @property
    def blocked(self) -> bool:
        """Whether the other side is behind with reading."""

    @property
    def unread(self) -> int:
        """How many bytes it is behind."""

    @property
    def ended(self) -> bool:
        """Whether nothing more may be written."""

    @property
    def write(self) -> Callable[[bytes], None]:
        """Writes whole frames."""


class Wire:
    """
    Sends frames, or keeps them while the other side is behind: as many as `Outgoing` has room for.

    `on_stuck` is called when nothing was taken for `patience` seconds. Each frame has an `owner`, the
    operation that it belongs to.
    """

    __slots__ = ("_connection", "_deadline", "_free", "_on_stuck", "_patience", "_waiting", "_write")

    def __init__(self, connection: Connection, patience: float, on_stuck: Callable[[], None]) -> None:
        self._connection = connection
        self._patience = patience
        self._on_stuck = on_stuck
        self._write = connection.write
        self._waiting = Outgoing()
        self._deadline: asyncio.TimerHandle | None = None
        self._free = False
        connection.on_turn = self._turn
        self._turn()

    def offer(self, data: bytes, owner: str = "", frames: int = 1) -> bool:
        """Sends frames, or keeps them if there is room."""
        if self._free:
            self._write(data)
            return True
        return self._waiting.offer(data, owner, frames)

    async def put(self, data: bytes, owner: str = "", frames: int = 1) -> None:
        """Sends or keeps frames as soon as there is room."""
        while not self.offer(data, owner, frames):
            await self._waiting.change()

    def add(self, data: bytes, owner: str = "") -> None:
        """Sends or keeps an operation's last word, room or not: of those a client has few."""
        if self._free:
            self._write(data)
        else:
            self._waiting.add(data, owner)

    async def room(self) -> None:
        """Waits until there is room for a small frame."""
        while not self._free and self._waiting.full:
            await self._waiting.change()

    def forget(self, owner: str) -> None:
        """Drops what an operation still had to say."""
        self._waiting.forget(owner)

    def _turn(self) -> None:
        connection = self._connection
        # Piece by piece: a ping must not wait behind megabytes.
        while len(self._waiting) and not connection.blocked and not connection.ended:
            self._write(self._waiting.take(PIECE))
        self._free = not connection.blocked and not connection.ended
        if self._deadline and not connection.blocked:
            self._deadline.cancel()
            self._deadline = None
        elif self._deadline is None and connection.blocked and not connection.ended:
            self._expect(connection.unread)

    def _expect(self, unread: int) -> None:
        self._deadline = asyncio.get_running_loop().call_later(self._patience, self._look, unread)

    def _look(self, unread: int) -> None:
        # A slow reader is no dead one.
        left = self._connection.unread
        if left < unread:
            self._expect(left)
        else:
            self._on_stuck()

    def close(self) -> None:
        """Sends nothing any more."""
        self._free = False
        if self._deadline:
            self._deadline.cancel()
        self._connection.on_turn = _nothing


def _nothing() -> None:
    pass
