"""The server that is measured: one `baton serve` process as a user starts it, on cores of its own."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bench.client import Target
from bench.processes import Processes, only, with_children
from server.embedded.location import cluster_location

BATON = Path(sys.executable).with_name("baton")
HOST = "127.0.0.1"
START_SECONDS = 180

# The load of a benchmark comes from one caller, who would soon be refused.
WIDE_LIMITS = {
    f"BATON_{name}": "1000000"
    for name in (
        "MESSAGES_PER_WIDGET",
        "ESCALATIONS_PER_WIDGET",
        "WRITES_PER_WIDGET",
        "WRITES_PER_KEY",
        "WRITES_PER_MEMBER",
        "WRITES_PER_CONVERSATION",
        "WRITES_PER_ADDRESS",
        "WRITES_PER_WORKSPACE",
    )
} | {"BATON_WIDGET_DOCUMENTS": "any"}


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core each runs on. With two cores PostgreSQL shares the client's, with more it has its own."""

    server: int
    postgres: int
    client: int

    @classmethod
    def of_this_machine(cls) -> "Cores":
        """Share out the cores that this process may use."""
        free = sorted(os.sched_getaffinity(0))
        return cls(server=free[0], postgres=free[1 if len(free) > 2 else -1], client=free[-1])

    def in_words(self) -> str:
        """Return the cores of a run in words."""
        if self.server == self.client:
            return f"server, PostgreSQL and client share core {self.server}: the figures do not hold"
        shared = " (shared)" if self.postgres == self.client else ""
        return f"server {self.server}, PostgreSQL {self.postgres}{shared}, client {self.client}{shared}"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace, and who may do everything in it."""

    agent_id: str
    api_key: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A running server, its database, and how to reach them."""

    target: Target
    data_dir: Path
    home: Path
    database_url: str
    server: Processes
    postgres: Processes
    cores: Cores

    def new_tenant(self, name: str) -> Tenant:
        """Create a workspace with `baton init`."""
        command = [str(BATON), "init", "--json", "--name", name, "--email", f"{name}@example.com"]
        made = subprocess.run(
            command, env=with_data(self.data_dir), check=True, capture_output=True, text=True
        )
        result = json.loads(made.stdout)
        return Tenant(result["agentId"], result["apiKey"])


@contextmanager
def stage(*options: str, folder: Path | None = None, **environment: str) -> Iterator[Stage]:
    """Start a server with options and settings, on a temporary database folder unless one is given."""
    cores = Cores.of_this_machine()
    temporary = tempfile.TemporaryDirectory(prefix="baton-bench-")
    with nullcontext(folder) if folder else temporary as used:
        data_dir = Path(used)
        data_dir.mkdir(parents=True, exist_ok=True)
        # Run by root, the embedded PostgreSQL is another user, who must get in.
        data_dir.chmod(0o755)
        log = data_dir / "serve.log"
        os.sched_setaffinity(0, {cores.server})
        with log.open("wb") as output:
            process = subprocess.Popen(
                [BATON, "serve", *options],
                env=with_data(data_dir) | environment,
                stdout=output,
                stderr=output,
            )
        os.sched_setaffinity(0, {cores.client})
        try:
            yield _staged(process, data_dir, log, cores)
        finally:
            process.terminate()
            process.wait(START_SECONDS)


@contextmanager
def worker_beside(stage: Stage) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a `baton worker` on the same database, on the server's core."""
    with _beside(stage, "worker", {}) as (process, _):
        yield process


@contextmanager
def server_beside(stage: Stage, **environment: str) -> Iterator[tuple["subprocess.Popen[bytes]", Target]]:
    """Start a second server, with its worker, on the same database and core."""
    with _beside(stage, "serve", environment) as (process, log):
        yield process, Target(HOST, _port_when_ready(process, log))


@contextmanager
def _beside(
    stage: Stage, command: str, environment: dict[str, str]
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    log = stage.data_dir / f"{command}-beside.log"
    with log.open("wb") as output:
        os.sched_setaffinity(0, {stage.cores.server})
        process = subprocess.Popen(
            [BATON, command], env=with_data(stage.data_dir) | environment, stdout=output, stderr=output
        )
        os.sched_setaffinity(0, {stage.cores.client})
    try:
        yield process, log
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _staged(process: "subprocess.Popen[bytes]", data_dir: Path, log: Path, cores: Cores) -> Stage:
    port = _port_when_ready(process, log)
    place = cluster_location(data_dir)
    postmaster = int((place.cluster / "postmaster.pid").read_text().split()[0])
    postgres = with_children(postmaster)
    postgres.pin(cores.postgres)
    url = f"postgresql://baton@/baton?host={place.sockets}"
    return Stage(Target(HOST, port), data_dir, place.home, url, only(process.pid), postgres, cores)


def _port_when_ready(process: "subprocess.Popen[bytes]", log: Path) -> int:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if result := re.search(rf'http://{re.escape(HOST)}:(\d+)","event":"serve.ready', log.read_text()):
            return int(result[1])
        time.sleep(0.02)
    raise RuntimeError(f"the server does not answer; it says:\n{log.read_text()}")


def with_data(data_dir: Path) -> dict[str, str]:
    """Return the environment of a server with that data folder.

    Of Baton's settings it keeps only row-level security, which the benchmark itself and its data need, too.
    """
    kept = ("BATON_ROW_LEVEL_SECURITY",)
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("BATON_") or name in kept
    }
    own = {"BATON_DATA_DIR": str(data_dir), "BATON_HOST": HOST, "BATON_PORT": str(_free_port())}
    return inherited | WIDE_LIMITS | own


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
