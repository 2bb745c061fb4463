"""Sockets of many callers, and one whose frames are the test's own, as no library would write them."""

import base64
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed

from tests.support.baton_client import PROTOCOL, Caller, Server, Socket


class Raw:
    """A socket whose bytes are the test's own."""

    def __init__(self, server: Server, receive_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", server.port))
        self._read = self.socket.makefile("rb")

    def close(self) -> None:
        self._read.close()
        self.socket.close()

    def ask(self, *more: str) -> str:
        """Send the handshake and return the answer."""
        lines = [
            "GET /graphql HTTP/1.1",
            "Host: 127.0.0.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            f"Sec-WebSocket-Protocol: {PROTOCOL}",
            *more,
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._read.read(1)
        return head.decode()

    def introduce(self, token: str) -> None:
        self.ask()
        self.say({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        assert self.hear() == {"type": "connection_ack"}

    def say(self, message: Any) -> None:
        self.socket.sendall(text(json.dumps(message).encode()))

    def frame(self) -> tuple[int, bytes]:
        """Return the next frame's first byte and payload; empty after the peer has disconnected."""
        head = self._read.read(2)
        if len(head) < 2:
            return 0, b""
        length = head[1]
        if length >= 126:
            length = int.from_bytes(self._read.read(2 if length == 126 else 8), "big")
        return head[0], self._read.read(length)

    def hear(self) -> Any:
        first, payload = self.frame()
        assert first == 0x81, (first, payload)
        return json.loads(payload)

    def closed(self) -> int:
        """Wait for the close frame and return its code."""
        while True:
            first, payload = self.frame()
            assert first, "the other side has hung up without a word"
            if first == 0x88:
                return int.from_bytes(payload[:2], "big")


def framed(first: int, payload: bytes = b"", masked: int = 0x80) -> bytes:
    """Return a client's frame that begins with this byte, with a mask of zero."""
    length = len(payload)
    if length < 126:
        head = bytes((first, masked | length))
    else:
        head = bytes((first, masked | 126)) + length.to_bytes(2, "big")
    return head + (bytes(4) if masked else b"") + payload


def begun(payload: bytes) -> bytes:
    """Return the first fragment of a text."""
    return framed(0x01, payload)


def more(payload: bytes = b"") -> bytes:
    """Return a fragment that is not the last."""
    return framed(0x00, payload)


def text(payload: bytes) -> bytes:
    return framed(0x81, payload)


def ping(payload: bytes) -> bytes:
    return framed(0x89, payload)


@asynccontextmanager
async def open_sockets(*callers: Caller) -> AsyncIterator[list[Socket]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(caller.socket(max_queue=None)) for caller in callers]


async def close_code(client: Socket) -> int:
    with suppress(ConnectionClosed):
        while True:
            await client.receive()
    assert client.raw.close_code is not None
    return client.raw.close_code
