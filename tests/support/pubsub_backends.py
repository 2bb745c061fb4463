"""Servers of pub/sub, and ways to make them fail."""

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
from redis import asyncio as redis

from realtime.pubsub import CHANNEL
from tests.support.pubsub_probe import eventually


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for_server(probe: list[str | Path]) -> None:
    deadline = time.monotonic() + 30
    while subprocess.run(probe, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        assert time.monotonic() < deadline, f"no answer to {probe}"
        time.sleep(0.02)


class RedisServer:
    """A Redis process that can be killed, and another started in its place."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for_server(["redis-cli", "-p", str(self.port), "-e", "ping"])

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(30)
            self._process = None


async def publish(url: str, *payloads: str | bytes) -> None:
    """Publish payloads on the channel directly."""
    if url.startswith("redis"):
        async with redis.Redis.from_url(url) as client:
            for payload in payloads:
                await client.publish(CHANNEL, payload)
        return
    connection = await asyncpg.connect(url)
    for payload in payloads:
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)
    await connection.close()


async def drop_connections(url: str) -> None:
    """Close the server's pub/sub connections, and no others."""
    if url.startswith("redis"):
        async with redis.Redis.from_url(url) as client:
            await client.client_kill_filter(_type="normal", skipme=True)
            await client.client_kill_filter(_type="pubsub")
        return
    connection = await asyncpg.connect(url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND (query ILIKE '%pg_notify%' OR query ILIKE 'LISTEN %')"
    )
    await connection.close()


class BlackHole:
    """A way to a server that can swallow everything without closing anything."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._folder = parse_qs(parts.query).get("host", [""])[0]
        self._port_here = free_port()
        self._swallowing = asyncio.Event()
        self._over = asyncio.Event()
        self._ways = 0
        user = f"{parts.username}@" if parts.username else ""
        self.url = f"{parts.scheme}://{user}127.0.0.1:{self._port_here}{parts.path}"

    def swallow(self) -> None:
        self._swallowing.set()

    def pass_on(self) -> None:
        """Forward new connections. Those that were accepted while it swallowed are never answered."""
        self._swallowing = asyncio.Event()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["BlackHole"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self._port_here)
        try:
            yield self
        finally:
            self._over.set()
            server.close()
            await eventually(lambda: self._ways == 0)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._folder:
            return await asyncio.open_unix_connection(f"{self._folder}/.s.PGSQL.{self._port or 5432}")
        return await asyncio.open_connection(self._host, self._port)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ways += 1
        swallowing = self._swallowing
        far_reader, far_writer = await self._dial()
        there, back = self._pump(reader, far_writer, swallowing), self._pump(far_reader, writer, swallowing)
        await asyncio.gather(there, back)
        self._ways -= 1

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, swallowing: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if swallowing.is_set():
                    await self._over.wait()
                    break
                writer.write(data)
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
