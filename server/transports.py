"""
uvicorn's protocols, with what long-lived connections need of them.

Its `send` waits without end for a client that takes nothing, and neither its ping timeout nor a close ends
that: only aborting the transport does. An application finds the way to do so in its scope.
"""

from collections.abc import Callable, Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_EXTENSION = "baton.connection"

Abort = Callable[[], None]


def abort_of(scope: Mapping[str, Any]) -> Abort:
    """What drops the connection of a scope at once; does nothing where the server gives no way to."""
    abort: Abort = scope.get("extensions", {}).get(_EXTENSION, {}).get("abort", _leave)
    return abort


def _leave() -> None:
    pass


class SocketProtocol(WebSocketsSansIOProtocol):
    """WebSockets that can be aborted, and are when they answer no ping."""

    async def run_asgi(self) -> None:
        """Runs the application, which finds `abort` in its scope."""
        self.scope["extensions"][_EXTENSION] = {"abort": self.transport.abort}
        await super().run_asgi()

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
