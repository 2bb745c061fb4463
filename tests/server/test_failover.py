"""Failover to a standby that the URL of the database names next to the primary."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from chaos.proxy import Link
from server.embedded.location import ClusterLocation, give
from server.embedded.postgres import SETTINGS, EmbeddedPostgres, embedded_postgres
from tests.support.baton_client import Refused, Server, Workspace, wait_for

pytestmark = pytest.mark.anyio

CAUGHT_UP = "SELECT bool_and(replay_lsn = pg_current_wal_lsn()) AS caught_up FROM pg_stat_replication"


class Standby:
    """A standby that streams from a primary."""

    def __init__(self, primary: ClusterLocation, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._primary, self._folder = primary, folder
        folder.mkdir()
        give(folder, primary.account)
        source = ("-U", "postgres", "-h", str(primary.sockets))
        self._run("pg_basebackup", *source, "-D", str(folder), "-R", "--checkpoint=fast")
        folder.chmod(0o700)

    @contextmanager
    def running(self) -> Iterator["Standby"]:
        """Stream and answer for the duration of the block."""
        # A standby needs at least the max_connections of its primary.
        given = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        given["max_connections"] = SETTINGS["max_connections"]
        options = " ".join(f"-c {name}={value}" for name, value in given.items())
        self._run(
            "pg_ctl", "start", "-w", "-D", str(self._folder), "-l", f"{self._folder}/log", "-o", options
        )
        try:
            yield self
        finally:
            self._run("pg_ctl", "stop", "-m", "immediate", "-D", str(self._folder))

    def promote(self) -> None:
        """Make it the primary."""
        self._run("pg_ctl", "promote", "-w", "-D", str(self._folder))

    def _run(self, program: str, *arguments: str) -> None:
        account = self._primary.account
        subprocess.run(
            [self._primary.install / "bin" / program, *arguments],
            check=True,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


def is_caught_up(primary: EmbeddedPostgres, server: Server) -> bool:
    superuser = primary.owner_url.replace("baton_owner@", "postgres@")
    (row,) = Server(server.data_dir, superuser, "").rows(CAUGHT_UP)
    return bool(row["caught_up"])


def is_answered(workspace: Workspace, conversation: str, content: str) -> bool:
    try:
        workspace.key.record(conversation, "USER", content, idempotencyKey=content)
    except Refused as refused:
        return refused.code != "UNAVAILABLE"
    return True


async def test_service_goes_on_with_the_promoted_standby_of_its_url(own_dir: Path) -> None:
    with embedded_postgres(own_dir) as primary:
        path = f"{primary.location.sockets}/.s.PGSQL.5432"
        link = Link("primary", lambda: asyncio.open_unix_connection(path))
        await link.listen()
        standby = await asyncio.to_thread(Standby, primary.location, primary.location.home / "standby")
        with standby.running():
            hosts = f"127.0.0.1:{link.port},127.0.0.1:{standby.port}/baton?target_session_attrs=read-write"
            urls = {
                "DATABASE": f"postgresql://baton@{hosts}",
                "MIGRATION": f"postgresql://baton_owner@{hosts}",
            }
            server = Server(own_dir, primary.owner_url, primary.service_url)
            await asyncio.to_thread(
                partial(server.start, **{f"BATON_{name}_URL": url for name, url in urls.items()})
            )
            try:
                workspace = await asyncio.to_thread(server.new_workspace)
                conversation = (await asyncio.to_thread(workspace.start))["conversation"]["id"]
                await asyncio.to_thread(workspace.key.record, conversation, "USER", "before")
                streamed = partial(is_caught_up, primary, server)
                await asyncio.to_thread(wait_for, streamed, "the standby to have everything")
                postmaster = (primary.location.cluster / "postmaster.pid").read_text().split()[0]
                os.kill(int(postmaster), signal.SIGKILL)
                assert not await asyncio.to_thread(is_answered, workspace, conversation, "meanwhile")
                await asyncio.to_thread(standby.promote)
                answered = partial(is_answered, workspace, conversation, "after")
                await asyncio.to_thread(wait_for, answered, "an answer by the promoted standby")
                messages = await asyncio.to_thread(workspace.key.messages, conversation)
                assert [item["content"] for item in messages if item["content"] != "meanwhile"] == [
                    "before",
                    "after",
                ]
            finally:
                await asyncio.to_thread(server.stop)
        await link.close()
