"""HTTP connections: uvicorn's protocol with deadlines, limits, and its transport in the scope.

uvicorn waits forever for a head, for a body, and for a client that does not read its answer. Decision 0019
lists what is overridden and used of it.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from server.graphql.websocket_protocol import WebSocketProtocol
from server.http.connection_limits import Admission, ConnectionLimits
from server.http.unread_bytes import unread_bytes

HEAD_BYTES = 32_768
HEAD_FIELDS = 100

_EXTENSION = "baton.transport"


def transport_of(scope: Mapping[str, Any]) -> asyncio.WriteTransport:
    """Return the transport of a request's scope."""
    transport: asyncio.WriteTransport = scope["extensions"][_EXTENSION]["transport"]
    return transport


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for a request's head, for its body, and until a client has read some of its answer.

    When the server stops, head and body have `stop` seconds more.
    """

    head: float = 10.0
    body: float = 30.0
    unread: float = 30.0
    stop: float = 1.0


HEALTH_PATHS = frozenset({b"/healthz", b"/readyz"})

_REFUSAL = (
    b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 10\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b"
)


class HeadTooLargeError(Exception):
    """The head of a request has more than 32 KiB or 100 fields."""


class HealthOnlyError(Exception):
    """Only requests about health are answered on this connection, since the server has too many."""


class RequestProtocol(HttpToolsProtocol):
    """HTTP connection that is aborted when its client is too slow, and refused when its address has too many.

    One timer checks all deadlines, a fifth of the shortest apart: no request needs a timer of its own.
    """

    deadlines = Deadlines()

    _limits: ConnectionLimits | None = None
    _counted_address: str | None = None
    _health_only = False
    _deadline: float | None = None
    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0  # an upper bound: what came with the head's first and last bytes is included
    _received_bytes = 0
    _unread_bytes = 0
    _unread_since = 0.0
    # Requests that a client sent before the latest one without waiting for their answers.
    _earlier: deque[RequestResponseCycle] | None = None

    def __init__(self, *arguments: Any, limits: ConnectionLimits | None = None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head, or refuse the connection."""
        super().connection_made(transport)
        self._deadline = self.loop.time() + self.deadlines.head
        self._schedule_check()
        if self._limits:
            self._admit(self._limits, self.client[0] if self.client else "")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop checking deadlines, and release the connection's place."""
        self._stop_checking()
        self._release()
        # uvicorn notes it in the latest request only: the one that runs would write to a closed transport.
        for cycle in self._earlier or ():
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """Note that the client has read: what follows may fill the buffer as much as before."""
        self._unread_bytes = 0
        super().resume_writing()

    def handle_websocket_upgrade(self) -> None:
        """Hand the transport to a WebSocketProtocol, with the request and the connection's place."""
        if self.cycle is not None and not self.cycle.response_complete:
            # Its answer would come among the frames, and it would not learn that the client has left.
            self.send_400_response("A WebSocket is opened after the answers to all requests before it.")
            return
        self._stop_checking()
        self.connections.discard(self)
        protocol = WebSocketProtocol(self.config, self.server_state, self.transport)
        if self._limits and self._counted_address is not None:
            protocol.hold_place(self._limits, self._counted_address)
        self.transport.set_protocol(protocol)
        protocol.begin_handshake(self.app, self.scope, self.url)
        # Parser and protocol refer to each other. They would stay until the garbage collector looks.
        self.parser = None  # type: ignore[assignment] # as uvicorn does at the end of a connection

    def data_received(self, data: bytes) -> None:
        """Parse data, and refuse a head that is too large before it is complete."""
        self._received_bytes = len(data)
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._refuse_head()

    def on_message_begin(self) -> None:
        """Start a request, whose scope holds the transport."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"transport": self.transport}}
        self._in_head = True
        self._head_bytes = self._received_bytes
        self._deadline = self.loop.time() + self.deadlines.head

    def on_headers_complete(self) -> None:
        """Check the size of the head, and expect the body."""
        if len(self.headers) > HEAD_FIELDS or self._head_bytes > HEAD_BYTES < self._exact_head_bytes():
            raise HeadTooLargeError
        self._in_head = False
        if self._health_only and self.url not in HEALTH_PATHS:
            raise HealthOnlyError
        self._deadline = self.loop.time() + self.deadlines.body
        if self.cycle is not None and not self.cycle.response_complete:
            self._keep_earlier(self.cycle)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect nothing more: uvicorn ends idle connections by itself."""
        self._deadline = None
        super().on_message_complete()

    def shutdown(self) -> None:
        """End the connection after its request. Nothing of one that is half sent has been executed."""
        super().shutdown()
        if self._deadline is not None:
            self._deadline = min(self._deadline, self.loop.time() + self.deadlines.stop)

    def send_400_response(self, msg: str) -> None:
        """Answer a head that cannot be parsed, or is too large."""
        if self._in_head and (len(self.headers) > HEAD_FIELDS or self._head_bytes > HEAD_BYTES):
            self._refuse_head()
        elif self._health_only:
            self._refuse(b"503 Service Unavailable", b"The server has no free connections. Try again later.")
        else:
            super().send_400_response(msg)

    def _refuse_head(self) -> None:
        text = b"The head of a request has at most 32 KiB and 100 fields."
        self._refuse(b"431 Request Header Fields Too Large", text)

    def _refuse(self, status: bytes, text: bytes) -> None:
        self.transport.write(_REFUSAL % (status, len(text), text))
        self.transport.close()

    def _admit(self, limits: ConnectionLimits, address: str) -> None:
        admission = limits.admit(address)
        if admission is Admission.REFUSED:
            self._refuse(b"429 Too Many Requests", b"This address has too many open connections.")
            return
        self._counted_address = address
        self._health_only = admission is Admission.HEALTH_ONLY

    def _release(self) -> None:
        if self._limits and self._counted_address is not None:
            self._limits.release(self._counted_address)
            self._counted_address = None

    def _keep_earlier(self, cycle: RequestResponseCycle) -> None:
        if self._earlier is None:
            self._earlier = deque()
        while self._earlier and self._earlier[0].response_complete:
            self._earlier.popleft()
        self._earlier.append(cycle)

    def _exact_head_bytes(self) -> int:
        return len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers])

    def _schedule_check(self) -> None:
        deadlines = self.deadlines
        seconds = min(deadlines.head, deadlines.body, deadlines.unread) / 5
        self._timer = self.loop.call_later(seconds, self._check_deadlines)

    def _stop_checking(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _check_deadlines(self) -> None:
        if self._is_late() or self._is_unread():
            self.transport.abort()
        else:
            self._schedule_check()

    def _is_late(self) -> bool:
        # While uvicorn does not read, the client is not the one who is late.
        if self._deadline is None or self.flow.read_paused:
            return False
        return self.loop.time() > self._deadline

    def _is_unread(self) -> bool:
        """Return whether the client has read nothing for too long while it blocks writing or the end."""
        unread, now = unread_bytes(self.transport), self.loop.time()
        blocks = self.flow.write_paused or self.transport.is_closing()
        if not unread or not blocks or unread < self._unread_bytes or not self._unread_bytes:
            self._unread_since = now
        self._unread_bytes = unread
        return now - self._unread_since > self.deadlines.unread
