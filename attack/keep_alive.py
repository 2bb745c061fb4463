"""A connection that is kept for many requests, as callers in mass have it."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from attack.wire import HOST, Reply, Streams, connection, request

_HEADERS = {"Connection": "keep-alive", "Content-Type": "application/json"}


class KeptConnection:
    """A connection for one request after another."""

    def __init__(self, streams: Streams, token: str) -> None:
        self.streams = streams
        self._reader, self._writer = streams
        self._headers = _HEADERS | {"Authorization": f"Bearer {token}"}

    async def graphql(self, document: str, variables: Mapping[str, Any]) -> Reply:
        """Send a document, and return the answer."""
        body = json.dumps({"query": document, "variables": variables}).encode()
        return await self.send(request("POST", "/graphql", self._headers, body))

    async def send(self, data: bytes) -> Reply:
        """Send a request, and return the answer with its time."""
        began = time.monotonic()
        self._writer.write(data)
        head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Reply(int(first.split()[1]), headers, body, len(head) + len(body), time.monotonic() - began)


@asynccontextmanager
async def kept_connection(port: int, token: str, source: str = HOST) -> AsyncIterator[KeptConnection]:
    """Open a connection for the block."""
    async with connection(port, source) as streams:
        yield KeptConnection(streams, token)
