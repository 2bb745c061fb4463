"""The cluster under test: PostgreSQL, Redis, `baton serve`, `baton worker`, and the links between them."""

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.server_under_test import WIDE_LIMITS
from chaos.disk import Disk
from chaos.processes import Process, Say
from chaos.proxy import HOST, Link
from chaos.schedule import SERVES, WORKERS
from server.embedded.postgres import EmbeddedPostgres

BATON = Path(sys.executable).with_name("baton")
SECRET = secrets.token_hex(32)  # all processes share it
UP_SECONDS, DOWN_SECONDS = 60, 60
_ENDS = {"killed": signal.SIGKILL, "immediately": signal.SIGQUIT, "fast": signal.SIGINT}


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace, and who may do everything in it."""

    agent_id: str
    api_key: str


class Postgres:
    """The embedded PostgreSQL, ended in its own way or against its will, and started again."""

    def __init__(self, embedded: EmbeddedPostgres) -> None:
        self._embedded = embedded
        self.owner_url = embedded.owner_url
        self.service_url = embedded.service_url

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to PostgreSQL."""
        return await asyncio.open_unix_connection(f"{self._embedded.location.sockets}/.s.PGSQL.5432")

    def end(self, way: str) -> None:
        """End PostgreSQL: "killed", "immediately" (a crash) or "fast" (as a service manager does)."""
        noted = (self._embedded.location.cluster / "postmaster.pid").read_text()
        os.kill(int(noted.split()[0]), _ENDS[way])

    @asynccontextmanager
    async def locked(self, table: str) -> AsyncIterator[None]:
        """Hold a lock that stops all writes to a table. It is lost with the server."""
        connection = await self._connect_when_up()
        try:
            # The server may end before it has the lock.
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.execute(f"BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield
        finally:
            connection.terminate()

    async def _connect_when_up(self) -> asyncpg.Connection:
        async with asyncio.timeout(UP_SECONDS):
            while True:
                try:
                    return await asyncpg.connect(self.owner_url)
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await asyncio.sleep(0.1)

    async def set_read_only(self, on: bool) -> None:
        """Make new transactions read-only, as on a standby, or writing again."""
        superuser = self.owner_url.replace("baton_owner@", "postgres@")
        connection = await asyncpg.connect(superuser)
        try:
            await connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {on}")
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            await connection.close()

    async def restart_if_dead(self) -> None:
        """Start PostgreSQL again after its end."""
        async with asyncio.timeout(DOWN_SECONDS):
            while not await asyncio.to_thread(self._embedded.restart_if_dead):
                await asyncio.sleep(0.1)

    async def recover(self) -> None:
        """Wait until PostgreSQL accepts connections, whether it has ended by itself or not."""
        async with asyncio.timeout(DOWN_SECONDS):
            while not await self._accepts():
                await asyncio.to_thread(self._embedded.restart_if_dead)

    async def _accepts(self) -> bool:
        try:
            connection = await asyncpg.connect(self.owner_url)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(0.1)
            return False
        await connection.close()
        return True


class Stage:
    """All processes. `links` are by "owner.to", such as serve1.front or worker1.postgres."""

    def __init__(self, folder: Path, postgres: Postgres, disk: Disk | None, blame: Say) -> None:
        self.folder = folder
        self.postgres = postgres
        self.disk = disk
        self.processes: dict[str, Process] = {}
        self.links: dict[str, Link] = {}
        self.tenant: Tenant | None = None
        self._redis_socket = folder / "redis.sock"
        if redis := shutil.which("redis-server"):
            socket = str(self._redis_socket)
            command = [redis, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", str(folder)]
            self._add(Process("redis", command, "eady to accept connections", folder, blame))
        for name in SERVES:
            ready = r'http://127\.0\.0\.1:(\d+)","event":"serve.ready'
            self._add(Process(name, [BATON, "serve", "--no-worker"], ready, folder, blame))
        for name in WORKERS:
            self._add(Process(name, [BATON, "worker"], '"event":"worker.ready', folder, blame))

    @property
    def has_redis(self) -> bool:
        """True when Redis carries the wake-ups, otherwise PostgreSQL does."""
        return "redis" in self.processes

    @property
    def missing(self) -> dict[str, str]:
        """Parts that this machine does not have, and what follows."""
        lines = {}
        if not self.has_redis:
            lines["redis"] = "without redis-server: PostgreSQL carries the wake-ups, and Redis is not broken"
        if self.disk is None:
            lines["disk"] = "without a disk for the database alone: no disk is filled"
        return lines

    @property
    def fronts(self) -> list[str]:
        """The URLs for clients."""
        return [f"http://{HOST}:{self.links[f'{name}.front'].port}" for name in SERVES]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All of it runs; in the end none of it does, however it ends."""
        async with AsyncExitStack() as closing:
            for name in (*SERVES, *WORKERS):
                await self._open_links(name, closing)
            tasks = [asyncio.create_task(process.keep()) for process in self.processes.values()]
            closing.push_async_callback(_end, tasks)
            for process in self.processes.values():
                process.want()
            await self.all_ready()
            yield

    async def all_ready(self) -> None:
        """Wait until every process is up; TimeoutError names those that are not."""
        try:
            async with asyncio.timeout(UP_SECONDS):
                for process in self.processes.values():
                    await process.ready.wait()
        except TimeoutError:
            down = ", ".join(name for name, item in self.processes.items() if not item.ready.is_set())
            raise TimeoutError(f"not up within {UP_SECONDS} s: {down}") from None

    async def new_tenant(self) -> Tenant:
        """Create a workspace with `baton init`."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        environment = inherited | {
            "BATON_DATABASE_URL": self.postgres.service_url,
            "BATON_MIGRATION_URL": self.postgres.owner_url,
            "BATON_SECRET_KEY": SECRET,
        }
        command = [str(BATON), "init", "--json", "--name", "Chaos"]
        made = await asyncio.to_thread(
            subprocess.run, command, env=environment, check=True, stdout=subprocess.PIPE
        )
        result = json.loads(made.stdout)
        self.tenant = Tenant(result["agentId"], result["apiKey"])
        return self.tenant

    def _add(self, process: Process) -> None:
        self.processes[process.name] = process

    async def _open_links(self, name: str, closing: AsyncExitStack) -> None:
        links = [Link(f"{name}.postgres", self.postgres.dial)]
        if self.has_redis:
            links.append(Link(f"{name}.redis", self._dial_redis))
        if name in SERVES:
            links.append(Link(f"{name}.front", lambda: self._dial_serve(name)))
        for link in links:
            await link.listen()
            closing.push_async_callback(link.close)
            self.links[link.name] = link
        self.processes[name].environment = self._environment(name)

    async def _dial_redis(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self._redis_socket)

    async def _dial_serve(self, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        result = self.processes[name].found
        if result is None:
            raise ConnectionRefusedError(f"{name} has not been up yet")
        return await asyncio.open_connection(HOST, int(result[1]))

    def _environment(self, name: str) -> dict[str, str]:
        at = f"{HOST}:{self.links[f'{name}.postgres'].port}/baton"
        result = {
            **WIDE_LIMITS,
            "BATON_DATABASE_URL": f"postgresql://baton@{at}",
            "BATON_MIGRATION_URL": f"postgresql://baton_owner@{at}",
            "BATON_SECRET_KEY": SECRET,
            "BATON_DATA_DIR": str(self.folder),
            "BATON_HOST": HOST,
            # A free port at every start: another process may take an unused one.
            "BATON_PORT": "0",
            "BATON_WEBHOOK_ALLOW_PRIVATE": "true",
        }
        if self.has_redis:
            result["BATON_BROADCAST_URL"] = f"redis://{HOST}:{self.links[f'{name}.redis'].port}"
        return result


async def _end(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
