"""
uvicorn's protocols, with what long-lived connections need of them.

Its `send` waits without end for a client that takes nothing, and neither its ping timeout nor a close ends
that: only aborting the transport does. An application finds the way to do so in its scope.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from server.graphql.frame_writer import Connection

_EXTENSION = "baton.connection"

PIECE = 4_096  # bytes that are parsed in one turn of the loop: of the smallest frames, some 700
FRAGMENTS = 1_000

Abort = Callable[[], None]


def abort_of(scope: Mapping[str, Any]) -> Abort:
    """What drops the connection of a scope at once; does nothing where the server gives no way to."""
    abort: Abort = scope.get("extensions", {}).get(_EXTENSION, {}).get("abort", _leave)
    return abort


def _leave() -> None:
    pass


def connection_of(scope: Mapping[str, Any]) -> "SocketConnection":
    """The connection of a WebSocket's scope."""
    connection: SocketConnection = scope["extensions"][_EXTENSION]["connection"]
    return connection


class Receiver(Protocol):
    """Where the messages of a WebSocket go."""

    def take(self, event: Mapping[str, Any]) -> None:
        """An ASGI event: `websocket.receive` or `websocket.disconnect`. It may ask to `read_on` when done."""


class SocketConnection(Connection, Protocol):
    """A WebSocket's connection, for whoever serves it by themselves."""

    def hand_to(self, receiver: Receiver) -> None:
        """From now on the receiver is told what comes; nothing is read until it asks for more."""

    def read_on(self) -> None:
        """Reads on."""

    def forget_handshake(self) -> None:
        """Frees the headers."""

    async def close(self, code: int, reason: str) -> None:
        """Says goodbye."""


class _Inbox:
    """Stands in the place of uvicorn's queue."""

    __slots__ = ("put_nowait",)

    def __init__(self, receiver: Receiver) -> None:
        self.put_nowait = receiver.take


class SocketProtocol(WebSocketsSansIOProtocol):
    """
    WebSockets that can be written to and aborted, and are aborted when they answer no ping.

    What comes may be handed to a receiver, so that no task need wait for it.
    """

    on_turn: Callable[[], None] = staticmethod(_leave)
    _unparsed = b""

    async def run_asgi(self) -> None:
        """Runs the application, which finds the connection and `abort` in its scope."""
        self.scope["extensions"][_EXTENSION] = {"abort": self.transport.abort, "connection": self}
        await super().run_asgi()

    def hand_to(self, receiver: Receiver) -> None:
        """From now on the receiver is told what comes; nothing is read until it asks for more."""
        while not self.queue.empty():
            receiver.take(self.queue.get_nowait())
        self.queue = cast(Any, _Inbox(receiver))

    def read_on(self) -> None:
        """Reads on."""
        if self.read_paused:
            self.read_paused = False
            if self._unparsed:
                self.loop.call_soon(self._parse_on)
            else:
                self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Takes in a little in every turn of the loop: parsing many tiny frames would keep others waiting."""
        if self._unparsed or len(data) > PIECE:
            self._unparsed += data
            self.transport.pause_reading()
            self._parse_on()
        else:
            super().data_received(data)

    def _parse_on(self) -> None:
        if self.disconnected:
            return
        piece, self._unparsed = self._unparsed[:PIECE], self._unparsed[PIECE:]
        super().data_received(piece)
        if self.read_paused:
            return
        if self._unparsed:
            self.loop.call_soon(self._parse_on)
        else:
            self.transport.resume_reading()

    def handle_cont(self, event: Frame) -> None:
        """Adds a fragment to its message, of which there are not too many: an empty one takes room, too."""
        if len(self.frames) < FRAGMENTS:
            super().handle_cont(event)
        else:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.handle_parser_exception()

    def forget_handshake(self) -> None:
        """Frees the headers: they weigh as much as all that is kept of a socket."""
        self.request.headers.clear()
        self.response.headers.clear()
        cast("list[tuple[bytes, bytes]]", self.scope["headers"]).clear()

    async def close(self, code: int, reason: str) -> None:
        """Says goodbye; the other side's answer is waited for elsewhere."""
        await self.send({"type": "websocket.close", "code": code, "reason": reason})

    @property
    def blocked(self) -> bool:
        """Whether the other side is behind with reading."""
        return not self.writable.is_set()

    @property
    def unread(self) -> int:
        """How many bytes it is behind."""
        return self.transport.get_write_buffer_size()

    @property
    def ended(self) -> bool:
        """Whether nothing more may be written."""
        return self.close_sent or self.disconnected or self.transport.is_closing()

    @property
    def write(self) -> Callable[[bytes], None]:
        """Writes whole frames."""
        return self.transport.write

    def pause_writing(self) -> None:
        """The other side is behind with reading."""
        super().pause_writing()
        self.on_turn()

    def resume_writing(self) -> None:
        """The other side has read on."""
        super().resume_writing()
        self.on_turn()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; nobody waits for it any more."""
        super().connection_lost(exc)
        self.on_turn()

    def keepalive_timeout(self) -> None:
        """Drops the connection: who answers no ping drains no buffer either."""
        super().keepalive_timeout()
        self.on_turn()
        self.transport.abort()

    def handle_ping(self) -> None:
        """Answers a ping, unless the other side reads nothing: pongs would pile up without end."""
        if self.blocked:
            self.conn.data_to_send()
        else:
            super().handle_ping()

    def send_receive_event_to_app(self) -> None:
        """Hands a message on. Text that is not UTF-8 goes as bytes: uvicorn would log a traceback."""
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.curr_msg_data_type = "bytes"
        super().send_receive_event_to_app()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class RequestProtocol(HttpToolsProtocol):
    """HTTP whose connections can be aborted."""

    def on_message_begin(self) -> None:
        """Begins a request, which finds `abort` in its scope."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"abort": self.transport.abort}}
