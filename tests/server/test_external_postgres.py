"""Baton on a PostgreSQL of one's own, with a role that owns the tables and another that uses them."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.database import Database
from tests.support.baton_client import Server
from tests.support.pubsub_probe import eventually
from tests.support.requirements import need


def _oldest_of_the_system() -> Path | None:
    # Debian's clients stand there too, without a server.
    servers = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    result = sorted((path.parent for path in servers), key=lambda path: float(path.parent.name))
    return result[0] if result else None


@pytest.fixture
def port() -> Iterator[int]:
    """A PostgreSQL of the system's, the oldest there is, on a free port of the loopback."""
    binaries = _oldest_of_the_system()
    need("a PostgreSQL server of the system", binaries)
    assert binaries is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="baton-own-") as folder:
        if user:
            shutil.chown(folder, user)

        def run(program: str, *arguments: str) -> None:
            command = [str(binaries / program), "-D", f"{folder}/data", *arguments]
            subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)

        run("initdb", "-A", "trust", "-U", "postgres")
        options = f"-p {number} -c listen_addresses=127.0.0.1 -k {folder}"
        run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield number
        finally:
            run("pg_ctl", "-w", "-m", "fast", "stop")


def test_main_job_with_an_owner_and_a_service_role_succeeds(port: int) -> None:
    at = f"127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="baton-own-") as folder:
        admin = Server(Path(folder), f"postgresql://postgres@{at}/postgres", "")
        admin.execute("CREATE ROLE owner LOGIN")
        admin.execute("CREATE ROLE service LOGIN")
        admin.execute("CREATE DATABASE baton OWNER owner")
        server = Server(Path(folder), f"postgresql://owner@{at}/baton", f"postgresql://service@{at}/baton")
        server.start(
            BATON_DATABASE_URL=server.service_url,
            BATON_MIGRATION_URL=server.owner_url,
            BATON_SECRET_KEY=secrets.token_hex(32),
        )
        try:
            workspace = server.new_workspace()
            conversation = workspace.start()["conversation"]["id"]
            asked = workspace.key.record(conversation, "USER", "let me talk to a person")
            workspace.key.reply(asked["escalation"]["id"], authorEmail=workspace.email)
            workspace.key.resolve(asked["escalation"]["id"])
            assert workspace.key.conversation(conversation)["ai"]["state"] == "ACTIVE"
            owners = server.rows("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
            assert owners == [{"tableowner": "owner"}]
        finally:
            server.stop()


def keep_alive_timers(port: int) -> list[bool]:
    """Return of each TCP connection to the port whether its only timer is that of the next probe."""
    lines = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    connections = [line.split() for line in lines if line.split()[2].endswith(f":{port:04X}")]
    return [fields[5].startswith("02:") for fields in connections if fields[3] == "01"]


@pytest.mark.anyio
async def test_idle_connections_of_every_pool_are_kept_alive(port: int) -> None:
    database = Database(f"postgresql://postgres@127.0.0.1:{port}/postgres")
    try:
        await database.fetch("SELECT 1")
        await database.execute_write("SELECT 1")
        async with database.transaction():
            pass
        # A moment later nothing is unacknowledged.
        await eventually(lambda: keep_alive_timers(port) == [True] * 3)
    finally:
        await database.close()
