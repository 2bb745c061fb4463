"""WebSocket connections: RFC 6455 by websockets' sans-I/O `ServerProtocol`, bytes by an asyncio transport.

RequestProtocol creates a WebSocketProtocol for each upgrade request and hands it the transport and the
request; uvicorn calls `shutdown`. The ASGI application finds it in its scope and accepts the handshake
through it. Messages then go to a receiver by plain calls, so an idle connection needs no task.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import structlog
import uvicorn
from starlette.types import ASGIApp, Send
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from server.graphql.websocket_handshake import RefusedHandshakeError, accept_value, answer, websocket_scope
from server.http.connection_limits import ConnectionLimits
from server.http.unread_bytes import unread_bytes

READ_BYTES = 4_096  # bytes parsed in one iteration of the event loop: up to 700 of the smallest frames
FRAGMENTS = 1_000  # per message: an empty fragment takes memory, too
CLOSE_SECONDS = 3.0

_EXTENSION = "baton.connection"

_logger = structlog.get_logger(__name__)
_protocol_logger = logging.getLogger("websockets.server")


def connection_of(scope: Mapping[str, Any]) -> "WebSocketProtocol":
    """Return the connection that an ASGI WebSocket scope belongs to."""
    connection: WebSocketProtocol = scope["extensions"][_EXTENSION]["connection"]
    return connection


class MessageReceiver(Protocol):
    """Destination of the messages of one connection."""

    def receive_message(self, data: bytes, is_text: bool) -> None:
        """Take a message. The connection reads no further until `resume_reading` is called."""

    def client_gone(self) -> None:
        """Handle the end by the client: it closed, broke RFC 6455 or vanished. Called at most once."""


class ServerState(Protocol):
    """Connections and tasks that uvicorn waits for when it stops, and the headers of every answer."""

    connections: set[Any]
    tasks: set["asyncio.Task[None]"]
    default_headers: list[tuple[bytes, bytes]]


class WebSocketProtocol(asyncio.Protocol):
    """One WebSocket connection, from its handshake to its end.

    `write` takes whole frames. `on_change` is called when `writable` may have changed. `hold_place` has the
    place among an address's connections released at the end.
    """

    __slots__ = (
        "_accept_value",
        "_address",
        "_blocked",
        "_fragments",
        "_is_text",
        "_limits",
        "_ping_interval",
        "_protocol",
        "_reading_paused",
        "_receiver",
        "_server_state",
        "_silent",
        "_timer",
        "_transport",
        "_unparsed",
        "on_change",
    )

    def __init__(
        self, config: uvicorn.Config, server_state: ServerState, transport: asyncio.Transport
    ) -> None:
        self.on_change: Callable[[], None] = _do_nothing
        self._ping_interval = config.ws_ping_interval
        self._server_state = server_state
        self._limits: ConnectionLimits | None = None
        self._address = ""
        # The handshake is ours: a protocol that parses it would keep its headers.
        self._protocol = ServerProtocol(state=OPEN, max_size=config.ws_max_size, logger=_protocol_logger)
        self._transport = transport
        self._receiver: MessageReceiver | None = None
        # That of the handshake, until it is accepted or refused.
        self._accept_value: bytes | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fragments: list[bytes] = []
        self._is_text = False
        self._unparsed = b""
        self._reading_paused = False
        self._blocked = False
        self._silent = False

    # Called by RequestProtocol, uvicorn and the event loop

    def hold_place(self, limits: ConnectionLimits, address: str) -> None:
        """Release the place of a connection of the address when this one ends."""
        self._limits, self._address = limits, address

    def data_received(self, data: bytes) -> None:
        """Parse a little in each iteration of the event loop: many tiny frames would block it otherwise."""
        self._silent = False
        if self._unparsed or len(data) > READ_BYTES:
            self._unparsed += data
            self._transport.pause_reading()
            self._parse_next()
        else:
            self._parse(data)

    def pause_writing(self) -> None:
        """Note that the client reads more slowly than it is written to."""
        self._blocked = True
        self.on_change()

    def resume_writing(self) -> None:
        """Note that the client has caught up."""
        self._blocked = False
        self.on_change()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release everything."""
        self._server_state.connections.discard(self)
        if self._limits is not None:
            self._limits.release(self._address)
        self._set_timer(None)
        self._unparsed = b""
        self._fragments.clear()
        self.on_change()
        self._report_gone()

    def shutdown(self) -> None:
        """Close the connection, since uvicorn stops."""
        if self._accept_value is None and self._protocol.state is OPEN:
            self.close(CloseCode.SERVICE_RESTART, "Service restart")
        self._transport.close()

    # Called by the application

    def accept(self, receiver: MessageReceiver, subprotocol: str | None = None) -> None:
        """Complete the handshake. The receiver gets every message from now on."""
        self._receiver = receiver
        accept, self._accept_value = self._accept_value, None
        if accept is None or self._transport.is_closing():
            self._report_gone()
            return
        self._transport.write(answer(accept, subprotocol, self._server_state.default_headers))
        self._schedule_ping()
        self.on_change()

    def resume_reading(self) -> None:
        """Read on after a message."""
        if self._reading_paused:
            self._reading_paused = False
            self._read_on()

    def close(self, code: int, reason: str, seconds: float = CLOSE_SECONDS) -> None:
        """Start the closing handshake, and abort the connection if it is not over in time."""
        self._receiver = None
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason)
            self._flush()
        self._abort_after(seconds)
        self.resume_reading()
        self.on_change()

    def abort(self) -> None:
        """Drop the connection and everything that the client has not read."""
        self._receiver = None
        self._transport.abort()

    @property
    def writable(self) -> bool:
        """Return whether frames may be written now."""
        is_open = self._accept_value is None and self._protocol.state is OPEN
        return is_open and not self._blocked and not self._transport.is_closing()

    @property
    def unread_bytes(self) -> int:
        """Return the number of bytes that the client's system has not taken yet."""
        return unread_bytes(self._transport)

    @property
    def write(self) -> Callable[[bytes], None]:
        """Return the transport's method. `SendQueue` calls it with each data frame, which costs one call."""
        return self._transport.write

    # Reading

    def _parse_next(self) -> None:
        piece, self._unparsed = self._unparsed[:READ_BYTES], self._unparsed[READ_BYTES:]
        self._parse(piece)
        if not self._reading_paused:
            self._read_on()

    def _read_on(self) -> None:
        if self._unparsed:
            asyncio.get_running_loop().call_soon(self._parse_next)
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    def _parse(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._handle_frame(event)
        if self._blocked and self._protocol.state is OPEN:
            # Drop pongs: they would pile up while the client does not read.
            self._protocol.data_to_send()
        else:
            self._flush()

    def _handle_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CONT:
            if len(self._fragments) == FRAGMENTS:
                self._protocol.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
                return
            self._fragments.append(bytes(frame.data))
        elif frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY:
            self._is_text = frame.opcode is Opcode.TEXT
            self._fragments = [bytes(frame.data)]
        else:
            return  # ServerProtocol answers pings and closes
        if frame.fin:
            message, self._fragments = b"".join(self._fragments), []
            self._deliver(message)

    def _deliver(self, message: bytes) -> None:
        if self._receiver is None or self._transport.is_closing():
            return
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
        self._receiver.receive_message(message, self._is_text)

    # Handshake

    def begin_handshake(self, app: ASGIApp, request: Mapping[str, Any], url: bytes) -> None:
        """Have the application accept or refuse the request, if it is one for a WebSocket."""
        self._server_state.connections.add(self)
        try:
            self._accept_value = accept_value(request["method"], url, request["headers"])
        except RefusedHandshakeError as error:
            self._send_refusal(error.status, str(error))
            return
        scope = websocket_scope(request, url)
        scope["extensions"] = {_EXTENSION: {"connection": self}}
        task = asyncio.get_running_loop().create_task(self._run_app(app, scope))
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    async def _run_app(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, _receive, cast(Send, self._refuse))
        except Exception:
            _logger.exception("websocket.handshake_failed")
        finally:
            self._reject(500)

    async def _refuse(self, message: Mapping[str, Any]) -> None:
        """Refuse the handshake: that is all that an application can say by ASGI's `send`."""
        self._reject(message.get("status", 403))

    def _reject(self, status: int) -> None:
        if self._accept_value is not None:
            self._accept_value = None
            self._send_refusal(status)

    def _send_refusal(self, status: int, text: str = "") -> None:
        if self._transport.is_closing():
            return
        response = self._protocol.reject(status, text)
        if status == 405:
            response.headers["Allow"] = "GET"
        self._transport.write(response.serialize())
        self._transport.close()
        self._abort_after(CLOSE_SECONDS)

    # Writing and the end

    def _flush(self) -> None:
        output = self._protocol.data_to_send()
        if self._transport.is_closing():
            return
        for data in output:
            if data:
                self._transport.write(data)
            else:
                # ServerProtocol is done: it refused, failed, or has taken the client's close.
                self._transport.close()
                self._abort_after(CLOSE_SECONDS)
                self.on_change()
                self._report_gone()

    def _report_gone(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.client_gone()

    def _schedule_ping(self) -> None:
        if self._ping_interval:
            self._set_timer(asyncio.get_running_loop().call_later(self._ping_interval, self._check_client))

    def _check_client(self) -> None:
        """Send a ping, or abort the connection if nothing at all came since the last one."""
        if self._silent and not self._reading_paused:
            self._transport.abort()
            return
        if self.writable:
            self._silent = True
            self._protocol.send_ping(b"")
            self._flush()
        self._schedule_ping()

    def _abort_after(self, seconds: float) -> None:
        self._set_timer(asyncio.get_running_loop().call_later(seconds, self._transport.abort))

    def _set_timer(self, timer: asyncio.TimerHandle | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer


async def _receive() -> dict[str, str]:
    return {"type": "websocket.connect"}


def _do_nothing() -> None:
    pass
