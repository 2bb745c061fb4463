"""Releases of Baton that run as processes of their own: this one, the next one, and earlier commits."""

import asyncio
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.baton_client import Caller, Server, wait_for
from tests.support.baton_process import FOR_TESTS, ROOT, WIDE_LIMITS
from tests.support.failure_report import watch_log
from tests.support.older_data import SECRET, revisions

PACKAGES = ("rules", "models", "realtime", "resolvers", "notifications", "schema", "server")
NEXT_REVISION = "9999"
# A commit of this repository whose release runs in the place of this one.
PREVIOUS = "TESTS_PREVIOUS_RELEASE"
START_SECONDS, STOP_SECONDS = 90, 30
_RUN = "from server.cli.main import app; app()"
# What most migrations do: a column of a table that both releases write, and an index of it.
_MIGRATION = f'''"""A column that the release before does not know."""

import sqlalchemy as sa
from alembic import op

revision = "{NEXT_REVISION}"
down_revision = "{revisions()[-1]}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("conversations", "messages", "escalations"):
        op.add_column(table, sa.Column("next_release", sa.Text(), server_default="none", nullable=False))
        op.create_index(f"{{table}}_next_release_idx", table, ["next_release"])
'''


@dataclass(frozen=True)
class Release:
    """The packages of a release, in a folder."""

    folder: Path

    def command(self, own: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the release on a database to its end."""
        return subprocess.run(
            self._command(*arguments),
            cwd=self.folder,
            env=self._environment(own),
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )

    @asynccontextmanager
    async def serving(self, own: Server, name: str) -> AsyncIterator["Running"]:
        """Run `baton serve` of the release on a database, with its worker."""
        log = own.data_dir / f"{name}.log"
        watch_log(output := log.open("wb"))
        with output:
            process = subprocess.Popen(
                self._command("serve"),
                cwd=self.folder,
                env=self._environment(own),
                stdout=output,
                stderr=output,
            )
        try:
            yield Running(process, await asyncio.to_thread(_url, process, log))
        finally:
            process.kill()
            process.wait()

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", _RUN, *arguments]

    def _environment(self, own: Server) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        return (
            inherited
            | FOR_TESTS
            | WIDE_LIMITS
            | {
                # Before the installed packages, which are those of this release.
                "PYTHONPATH": str(self.folder),
                # Made by the first process, which keeps others out of it.
                "BATON_DATA_DIR": str(own.data_dir / "data"),
                "BATON_DATABASE_URL": own.service_url,
                "BATON_MIGRATION_URL": own.owner_url,
                "BATON_SECRET_KEY": SECRET,
                "BATON_PORT": "0",
            }
        )


@dataclass(frozen=True)
class Running:
    """A running server of a release."""

    process: "subprocess.Popen[bytes]"
    url: str

    def caller(self, token: str) -> Caller:
        """Return the holder of a credential at this server."""
        return Caller(self.url, token)

    def stop(self) -> int:
        """End the server by SIGTERM, and return its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)


def this_release(folder: Path) -> Release:
    """Return this release, or that of the commit which TESTS_PREVIOUS_RELEASE names."""
    if not (commit := os.environ.get(PREVIOUS)):
        return Release(ROOT)
    command = ["git", "archive", commit, *PACKAGES]
    packed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return Release(folder)


def next_release(folder: Path) -> Release:
    """Return a copy of this release with one more migration."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    versions = folder / "models" / "migrations" / "versions"
    (versions / f"{NEXT_REVISION}_next_release.py").write_text(_MIGRATION)
    return Release(folder)


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    def ready() -> str | None:
        written = log.read_text()
        assert process.poll() is None, written
        result = re.search(r'(http://127\.0\.0\.1:\d+)","event":"serve.ready', written)
        return result[1] if result else None

    return str(wait_for(ready, "the server to answer", START_SECONDS))
