"""
HTTP connections: uvicorn's protocol with deadlines and a limit for the head, and its transport in the scope.

uvicorn waits forever for a head, for a body, and for a client that does not read its answer. Decision 0019
lists what is overridden and used of it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 32_768
HEAD_FIELDS = 100

_EXTENSION = "baton.transport"


def transport_of(scope: Mapping[str, Any]) -> asyncio.WriteTransport:
    """Return the transport of a request's scope."""
    transport: asyncio.WriteTransport = scope["extensions"][_EXTENSION]["transport"]
    return transport


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for a request's head, for its body, and until a client has read some of its answer."""

    head: float = 10.0
    body: float = 30.0
    unread: float = 30.0


class HeadTooLargeError(Exception):
    """The head of a request has more than 32 KiB or 100 fields."""


class RequestProtocol(HttpToolsProtocol):
    """
    HTTP connection that is aborted when its client is too slow.

    One timer checks all deadlines, a fifth of the shortest apart: no request needs a timer of its own.
    """

    deadlines = Deadlines()

    _deadline: float | None = None
    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0  # an upper bound: what came with the head's first and last bytes is included
    _received_bytes = 0
    _unread_bytes = 0
    _unread_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head."""
        super().connection_made(transport)
        self._deadline = self.loop.time() + self.deadlines.head
        self._schedule_check()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop checking deadlines."""
        self._stop_checking()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Hand the transport to a WebSocketProtocol."""
        self._stop_checking()
        super().handle_websocket_upgrade()

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
        self._deadline = self.loop.time() + self.deadlines.body
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect nothing more: uvicorn ends idle connections by itself."""
        self._deadline = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer a head that cannot be parsed, or is too large."""
        if self._in_head and (len(self.headers) > HEAD_FIELDS or self._head_bytes > HEAD_BYTES):
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def _refuse_head(self) -> None:
        body = b"The head of a request has at most 32 KiB and 100 fields."
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body)
        )
        self.transport.close()

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
        unread, now = self.transport.get_write_buffer_size(), self.loop.time()
        blocks = self.flow.write_paused or self.transport.is_closing()
        if not unread or not blocks or unread < self._unread_bytes or not self._unread_bytes:
            self._unread_since = now
        self._unread_bytes = unread
        return now - self._unread_since > self.deadlines.unread
