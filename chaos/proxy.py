"""A TCP proxy that can swallow, slow down and cut what goes through it."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

HOST = "127.0.0.1"
CHUNK, SLOW_CHUNK = 65_536, 256  # bytes
GOODBYE_SECONDS = 10
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST

Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@dataclass(eq=False)
class _Way:
    """One connection through the proxy."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    silent: bool = False

    def reset(self) -> None:
        for writer in self.writers:
            # The number of a socket that is closed may be another's by now.
            if not writer.is_closing():
                raw = writer.get_extra_info("socket")
                if raw.family == socket.AF_INET:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def close(self) -> None:
        for writer in self.writers:
            writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                for writer in self.writers:
                    await writer.wait_closed()


class Link:
    """The way to a server, by a port that stays the same.

    No fault breaks what TCP promises: bytes come late or never, but in their order, and none is left out.
    """

    def __init__(self, name: str, dial: Dial) -> None:
        self.name = name
        self.port = 0
        self._dial = dial
        self._ways: set[_Way] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._rate: int | None = None
        self._refuses = False
        self._server: asyncio.Server | None = None

    @property
    def used(self) -> bool:
        """True while a connection uses the link."""
        return any(not way.silent for way in self._ways)

    async def listen(self) -> None:
        """Open the port."""
        self._server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Close all connections and the port."""
        if self._server:
            self._server.close()
        for way in list(self._ways):
            way.reset()
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def black_hole(self) -> None:
        """Accept everything and forward nothing, not even a close."""
        self._open.clear()

    def slow(self, rate: int) -> None:
        """Forward so many bytes per second, in each direction of each connection."""
        self._rate = rate

    def cut(self) -> None:
        """Reset every connection, present and new."""
        self._refuses = True
        self.reset()

    def reset(self) -> None:
        """Reset every present connection; new ones pass."""
        for way in list(self._ways):
            way.reset()

    def silence(self) -> None:
        """Keep present connections open but forward nothing on them any more."""
        for way in self._ways:
            way.silent = True

    def heal(self) -> None:
        """Forward everything, also what was held back."""
        self._rate = None
        self._refuses = False
        self._open.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = _Way([writer])
        self._ways.add(way)
        try:
            await self._connect(way, reader, writer)
            await way.close()
        finally:
            self._ways.discard(way)
            way.reset()

    async def _connect(self, way: _Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._refuses:
            await self._open.wait()
            with suppress(OSError):
                far_reader, far_writer = await self._dial()
                way.writers.append(far_writer)
                there, back = self._pump(way, reader, far_writer), self._pump(way, far_reader, writer)
                await asyncio.gather(there, back)
                return
        way.reset()

    async def _pump(self, way: _Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward until the end and forward the end; an error in one direction closes both."""
        try:
            while data := await reader.read(CHUNK):
                await self._write(way, writer, data)
            await self._let_through(way)
            writer.write_eof()
        except (OSError, RuntimeError):  # uvloop says by the latter that a connection is closed
            await self._let_through(way)
            way.reset()

    async def _let_through(self, way: _Way) -> None:
        await self._open.wait()
        if way.silent:
            await asyncio.Event().wait()

    async def _write(self, way: _Way, writer: asyncio.StreamWriter, data: bytes) -> None:
        while data:
            rate = self._rate
            piece, data = (data[:SLOW_CHUNK], data[SLOW_CHUNK:]) if rate else (data, b"")
            if rate:
                await asyncio.sleep(len(piece) / rate)
            await self._let_through(way)
            writer.write(piece)
            await writer.drain()
