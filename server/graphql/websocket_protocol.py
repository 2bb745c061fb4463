"""WebSocket connections: RFC 6455 by websockets' sans-I/O `ServerProtocol`, bytes by an asyncio transport.

uvicorn creates a WebSocketProtocol for each upgrade request and calls `connection_made`, `data_received` and
`shutdown`. The ASGI application finds it in its scope and accepts the handshake through it. Messages then go
to a receiver by plain calls, so an idle connection needs no task.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import structlog
import uvicorn
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from server.graphql.websocket_handshake import MalformedHeadError, read_head, scope_of

READ_BYTES = 4_096  # bytes parsed in one iteration of the event loop: up to 700 of the smallest frames
FRAGMENTS = 1_000  # per message: an empty fragment takes memory, too
CLOSE_SECONDS = 3.0

_EXTENSION = "baton.connection"

_logger = structlog.get_logger(__name__)


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
    """Connections and tasks that uvicorn waits for when it stops."""

    connections: set[Any]
    tasks: set["asyncio.Task[None]"]


class WebSocketProtocol(asyncio.Protocol):
    """One WebSocket connection, from its handshake to its end.

    `write` takes whole frames. `on_change` is called when `writable` may have changed, and `on_lost` once at
    the end of the connection.
    """

    __slots__ = (
        "_app",
        "_app_state",
        "_blocked",
        "_fragments",
        "_has_head",
        "_is_text",
        "_ping_interval",
        "_protocol",
        "_reading_paused",
        "_receiver",
        "_response",
        "_root_path",
        "_server_state",
        "_silent",
        "_timer",
        "_transport",
        "_unparsed",
        "on_change",
        "on_lost",
    )

    def __init__(
        self, config: uvicorn.Config, server_state: ServerState, app_state: Mapping[str, Any]
    ) -> None:
        self.on_change: Callable[[], None] = _do_nothing
        self.on_lost: Callable[[], None] = _do_nothing
        self._app = config.loaded_app
        self._root_path = config.root_path
        self._ping_interval = config.ws_ping_interval
        self._server_state = server_state
        self._app_state = app_state
        # The handshake is ours: a protocol that parses it would keep its headers.
        self._protocol = ServerProtocol(state=OPEN, max_size=config.ws_max_size)
        self._transport: asyncio.Transport
        self._receiver: MessageReceiver | None = None
        self._has_head = False
        # That of the handshake, until it is accepted or refused.
        self._response: Response | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fragments: list[bytes] = []
        self._is_text = False
        self._unparsed = b""
        self._reading_paused = False
        self._blocked = False
        self._silent = False

    # Called by uvicorn and the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the transport."""
        self._transport = cast(asyncio.Transport, transport)
        self._server_state.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Take the head of the handshake first. Then parse a little in each iteration of the event loop.

        Many tiny frames would block it otherwise.
        """
        self._silent = False
        if not self._has_head:
            self._has_head = True
            self._begin_handshake(data)
        elif self._unparsed or len(data) > READ_BYTES:
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
        self.on_lost()
        self._set_timer(None)
        self._unparsed = b""
        self._fragments.clear()
        self.on_change()
        self._report_gone()

    def shutdown(self) -> None:
        """Close the connection, since uvicorn stops."""
        if self._response is None and self._protocol.state is OPEN:
            self.close(CloseCode.SERVICE_RESTART, "Service restart")
        self._transport.close()

    # Called by the application

    def accept(self, receiver: MessageReceiver, subprotocol: str | None = None) -> None:
        """Complete the handshake. The receiver gets every message from now on."""
        self._receiver = receiver
        response, self._response = self._response, None
        if response is None or self._transport.is_closing():
            self._report_gone()
            return
        if subprotocol:
            response.headers["Sec-WebSocket-Protocol"] = subprotocol
        self._transport.write(response.serialize())
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
        is_open = self._response is None and self._protocol.state is OPEN
        return is_open and not self._blocked and not self._transport.is_closing()

    @property
    def unread_bytes(self) -> int:
        """Return the number of bytes that the client's kernel has not taken yet."""
        return self._transport.get_write_buffer_size()

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

    def _begin_handshake(self, head: bytes) -> None:
        try:
            request = read_head(head)
        except MalformedHeadError:
            self._send_refusal(self._protocol.reject(400, ""))
            return
        response = self._protocol.accept(request)
        if response.status_code != 101:
            self._send_refusal(response)
            return
        self._response = response
        transport = self._transport
        connection = {
            "scheme": "wss" if transport.get_extra_info("sslcontext") else "ws",
            "server": _address(transport.get_extra_info("sockname")),
            "client": _address(transport.get_extra_info("peername")),
            "state": dict(self._app_state),
            "extensions": {_EXTENSION: {"connection": self}},
        }
        app = self._run_app(scope_of(request, self._root_path, connection))
        task = asyncio.get_running_loop().create_task(app)
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    async def _run_app(self, scope: dict[str, Any]) -> None:
        try:
            await self._app(cast(Any, scope), cast(Any, _receive), cast(Any, self._refuse))
        except Exception:
            _logger.exception("websocket.handshake_failed")
        finally:
            self._reject(500)

    async def _refuse(self, message: Mapping[str, Any]) -> None:
        """Refuse the handshake: that is all that an application can say by ASGI's `send`."""
        self._reject(message.get("status", 403))

    def _reject(self, status: int) -> None:
        if self._response is not None:
            self._response = None
            self._send_refusal(self._protocol.reject(status, ""))

    def _send_refusal(self, response: Response) -> None:
        if self._transport.is_closing():
            return
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


def _address(name: object) -> tuple[str, int] | None:
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) and len(name) >= 2 else None
