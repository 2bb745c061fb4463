"""A TCP proxy that fails in the ways in which networks fail between a browser and a server."""

import asyncio
import re
from contextlib import suppress
from enum import StrEnum

from tests.support.cutting_proxy import CuttingProxy


class Fault(StrEnum):
    """A way to fail."""

    NONE = "none"
    SWALLOW = "swallow"
    """Connections stay open, and nothing arrives on either side."""
    REFUSE = "refuse"
    """New connections are aborted."""
    NO_WEBSOCKETS = "no websockets"
    """Requests for a WebSocket are answered with 403, as by a proxy that does not know them."""


class FaultyProxy(CuttingProxy):
    """Proxy to one port of this machine, with a fault that tests switch."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.fault = Fault.NONE

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault is Fault.REFUSE:
            writer.transport.abort()
        elif self.fault is Fault.NO_WEBSOCKETS:
            await self._serve_without_websockets(reader, writer)
        else:
            with suppress(OSError):  # The server may be away.
                await super()._accept(reader, writer)

    async def _serve_without_websockets(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass one request on, unless it asks for a WebSocket, and close the connection."""
        with suppress(OSError, asyncio.IncompleteReadError):
            async with self._open(writer):
                head = await reader.readuntil(b"\r\n\r\n")
                if b"upgrade: websocket" in head.lower():
                    writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    await writer.drain()
                    return
                there, back = await asyncio.open_connection("127.0.0.1", self._target)
                async with self._open(back):
                    # Without keep-alive the next request is a connection of its own, and is looked at, too.
                    back.write(re.sub(rb"(?i)\r\nconnection: keep-alive", b"\r\nconnection: close", head))
                    await asyncio.gather(self._copy(reader, back), self._copy(there, writer))

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                if self.fault is not Fault.SWALLOW:
                    sink.write(data)
                    await sink.drain()
        with suppress(OSError):
            sink.close()
