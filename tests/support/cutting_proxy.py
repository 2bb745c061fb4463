"""A TCP proxy that cuts all its connections together, for clients that must reconnect."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress

from tests.support.baton_client import DEADLINE


class CuttingProxy:
    """Proxy to one port of this machine. It runs in a thread of its own."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.accepted = 0
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_closing = False

    @contextmanager
    def running(self) -> Iterator["CuttingProxy"]:
        """Serve for the duration of the block."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(DEADLINE)
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(DEADLINE)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(DEADLINE)
            self._loop.close()

    def cut(self) -> None:
        """Abort every connection, so that what is under way is lost."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(DEADLINE)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        async with self._open(writer), AsyncExitStack() as stack:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            await stack.enter_async_context(self._open(back))
            if not self._is_closing:
                await asyncio.gather(self._copy(reader, back), self._copy(there, writer))

    @asynccontextmanager
    async def _open(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        """Close the connection at the end of the block, and wait until it is closed."""
        self._writers.add(writer)
        try:
            yield
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        with suppress(OSError):
            sink.close()

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _close(self) -> None:
        self._is_closing = True
        self._server.close()
        # Connections that were accepted last may not have been handled yet.
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await self._cut()
            await asyncio.wait(tasks, timeout=0.1)
