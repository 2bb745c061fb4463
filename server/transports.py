"""
uvicorn's protocols, with what long-lived connections need of them.

Its `send` waits without end for a client that takes nothing, and neither its ping timeout nor a close ends
that: only aborting the transport does. An application finds the way to do so in its scope.
"""

from collections.abc import Callable, Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from server.wire import Connection

_EXTENSION = "baton.connection"

Abort = Callable[[], None]


def abort_of(scope: Mapping[str, Any]) -> Abort:
    """What drops the connection of a scope at once; does nothing where the server gives no way to."""
    abort: Abort = scope.get("extensions", {}).get(_EXTENSION, {}).get("abort", _leave)
    return abort


def _leave() -> None:
    pass


def connection_of(scope: Mapping[str, Any]) -> Connection:
    """The connection of a WebSocket's scope, to be written to."""
    connection: Connection = scope["extensions"][_EXTENSION]["connection"]
    return connection


class SocketProtocol(WebSocketsSansIOProtocol):
    """WebSockets that can be written to and aborted, and are aborted when they answer no ping."""

    on_ready: Callable[[], None] = staticmethod(_leave)

    async def run_asgi(self) -> None:
        """Runs the application, which finds the connection and `abort` in its scope."""
        self.scope["extensions"][_EXTENSION] = {"abort": self.transport.abort, "connection": self}
        await super().run_asgi()

    @property
    def blocked(self) -> bool:
        """Whether the other side is behind with reading."""
        return not self.writable.is_set()

    @property
    def ended(self) -> bool:
        """Whether nothing more may be written."""
        return self.close_sent or self.disconnected or self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Writes whole frames."""
        self.transport.write(data)

    def resume_writing(self) -> None:
        """The other side has read on."""
        super().resume_writing()
        self.on_ready()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; nobody waits for it any more."""
        super().connection_lost(exc)
        self.on_ready()

    def keepalive_timeout(self) -> None:
        """Drops the connection: who answers no ping drains no buffer either."""
        super().keepalive_timeout()
        self.transport.abort()

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
