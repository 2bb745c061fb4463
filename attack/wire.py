"""HTTP and WebSocket by plain sockets, since libraries refuse to send hostile requests."""

import asyncio
import base64
import json
import os
import struct
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

HOST = "127.0.0.1"
READ_BYTES = 1 << 18
PROTOCOL = "graphql-transport-ws"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class BrokenPromiseError(Exception):
    """The server did not keep the promise of a case; the message says what it did instead."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status 0 if the server closed the connection without one."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    size: int = 0
    seconds: float = 0.0

    def json(self) -> Any:
        """Return the body as JSON; raises BrokenPromiseError if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise BrokenPromiseError(f"{self.status} without JSON: {self.body[:80]!r}") from None


@asynccontextmanager
async def connection(port: int, source: str = HOST) -> AsyncIterator[Streams]:
    """Open a connection from an address of this machine, and close it at the end of the block."""
    reader, writer = await asyncio.open_connection(HOST, port, local_addr=(source, 0), limit=READ_BYTES)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def exchange(port: int, data: bytes, *, source: str = HOST, seconds: float = 40) -> Reply:
    """Send bytes, read until the server closes the connection, and return its first answer."""
    began = time.monotonic()
    async with connection(port, source) as (reader, writer):
        with suppress(ConnectionError):
            writer.write(data)
            await writer.drain()
        received = await read_all(reader, seconds)
    return parse(received, time.monotonic() - began)


async def read_all(reader: asyncio.StreamReader, seconds: float) -> bytes:
    """Return everything until the end; raises BrokenPromiseError if it does not end in time."""
    received = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while data := await reader.read(READ_BYTES):
                received += data
    except ConnectionError:
        pass
    except TimeoutError:
        raise BrokenPromiseError(
            f"the connection is open after {seconds:.0f} s, having sent {bytes(received[:60])!r}"
        ) from None
    return bytes(received)


def parse(received: bytes, seconds: float = 0.0) -> Reply:
    """Return the first answer in received bytes."""
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) < 2 or not words[1].isdigit():
        return Reply(0, size=len(received), seconds=seconds)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
    }
    return Reply(int(words[1]), headers, body, len(received), seconds)


def request(
    method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """Return the bytes of a request that closes its connection."""
    given = {"Host": HOST, "Connection": "close"} | dict(headers or {})
    if body is not None:
        given.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


# WebSocket


async def open_socket(streams: Streams, headers: Mapping[str, str] | None = None) -> int:
    """Send the handshake, and return the status of its answer."""
    reader, writer = streams
    given = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": PROTOCOL,
    }
    writer.write(request("GET", "/graphql", given | dict(headers or {})))
    return parse(await reader.readuntil(b"\r\n\r\n")).status


def frame(data: bytes, opcode: int = 1, *, final: bool = True) -> bytes:
    """Return a masked frame of a client."""
    first = bytes([(0x80 if final else 0) | opcode])
    if len(data) < 126:
        length = bytes([0x80 | len(data)])
    elif len(data) < 65_536:
        length = bytes([0x80 | 126]) + struct.pack(">H", len(data))
    else:
        length = bytes([0x80 | 127]) + struct.pack(">Q", len(data))
    # A mask of zeros is valid, and leaves the data as it is.
    return first + length + bytes(4) + data


def message(**fields: Any) -> bytes:
    """Return a frame with a message of the protocol."""
    return frame(json.dumps(fields).encode())
