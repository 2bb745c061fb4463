"""The embedded PostgreSQL: shared, private, and hard to break by killing."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from server.embedded import location
from server.embedded.location import EmbeddedPostgresError
from server.embedded.postgres import embedded_postgres

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from server.embedded.postgres import embedded_postgres
with embedded_postgres(Path(sys.argv[1])) as postgres:
    print(postgres.service_url, flush=True)
    sys.stdin.read()
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has PostgreSQL run by another account")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account may enter, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="baton-test-"))
    path.chmod(0o755)
    yield path
    for pid_file in path.rglob("postmaster.pid"):
        stop_by_force(pid_file)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def used_folder() -> Iterator[Path]:
    """A folder whose server was started once and stopped."""
    with tempfile.TemporaryDirectory(prefix="baton-used-") as name:
        path = Path(name)
        path.chmod(0o755)
        with embedded_postgres(path):
            pass
        yield path


@pytest.fixture
def used(folder: Path, used_folder: Path) -> Path:
    """A copy of that folder: a copy takes a tenth of the time of a first start."""
    subprocess.run(["cp", "-a", f"{used_folder}/.", folder], check=True)
    return folder


@pytest.fixture
def holders() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Start other processes that hold the server until their standard input ends."""
    started: list[subprocess.Popen[str]] = []

    def hold(data_dir: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(data_dir)]
        started.append(
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield hold
    for process in started:
        process.communicate(timeout=60)


def query(url: str, sql: str) -> Any:
    async def answer() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(answer())


def ready(holder: subprocess.Popen[str]) -> str:
    assert holder.stdout is not None
    return holder.stdout.readline().strip()


def postmaster(cluster: Path) -> int:
    return int((cluster / "postmaster.pid").read_text().split()[0])


def runs_here(pid: int, cluster: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(cluster)
    except OSError:
        return False


def stop_by_force(pid_file: Path) -> None:
    pid = postmaster(pid_file.parent)
    if runs_here(pid, pid_file.parent):
        os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: not runs_here(pid, pid_file.parent))


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_service_uses_tables_that_the_owner_makes(folder: Path) -> None:
    with embedded_postgres(folder) as postgres:
        query(postgres.owner_url, "CREATE TABLE notes (id serial PRIMARY KEY, text text)")
        assert (
            query(postgres.service_url, "INSERT INTO notes (text) VALUES ('Ünïcode') RETURNING lower(text)")
            == "ünïcode"
        )
        for refused in (
            "CREATE TABLE mine ()",
            "CREATE TEMP TABLE mine ()",
            "DROP TABLE notes",
            "TRUNCATE notes",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                query(postgres.service_url, refused)
        for url in (postgres.owner_url, postgres.service_url):
            assert not query(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        for setting, value in {"data_checksums": "on", "fsync": "on", "max_connections": "200"}.items():
            assert query(postgres.service_url, f"SHOW {setting}") == value
        assert (folder / "postgres").stat().st_mode & 0o777 == 0o700
        assert os.getpgid(postmaster(folder / "postgres")) != os.getpgid(0)
    with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
        query(postgres.service_url, "SELECT 1")
    with embedded_postgres(folder) as postgres:
        assert query(postgres.service_url, "SELECT count(*) FROM notes") == 1


def test_concurrent_processes_share_a_server_until_the_last_leaves(
    folder: Path, holders: Callable[[Path], subprocess.Popen[str]]
) -> None:
    processes = [holders(folder) for _ in range(3)]
    urls = {ready(process) for process in processes}
    assert len(urls) == 1
    with embedded_postgres(folder) as postgres:
        pid = postmaster(folder / "postgres")
        for process in processes:
            process.communicate(timeout=60)
            assert process.returncode == 0
        assert query(postgres.service_url, "SELECT 1") == 1
        assert postmaster(folder / "postgres") == pid
    assert not (folder / "postgres" / "postmaster.pid").exists()


def test_process_can_leave_while_another_starts(
    used: Path, holders: Callable[[Path], subprocess.Popen[str]]
) -> None:
    for _ in range(5):
        other = holders(used)
        with embedded_postgres(used):
            pass
        assert query(ready(other), "SELECT 1") == 1
        other.communicate(timeout=60)
        assert other.returncode == 0


def test_killed_process_leaves_the_server_to_the_next(
    used: Path, holders: Callable[[Path], subprocess.Popen[str]]
) -> None:
    holder = holders(used)
    assert ready(holder)
    pid = postmaster(used / "postgres")
    holder.kill()
    holder.wait()
    with embedded_postgres(used) as postgres:
        assert postmaster(used / "postgres") == pid
        assert query(postgres.service_url, "SELECT 1") == 1
    assert not (used / "postgres" / "postmaster.pid").exists()


def test_killed_server_recovers_committed_rows(used: Path) -> None:
    with embedded_postgres(used) as postgres:
        query(postgres.owner_url, "CREATE TABLE kept AS SELECT generate_series(1, 1000)")
        os.kill(postmaster(used / "postgres"), signal.SIGKILL)
        with embedded_postgres(used) as again:
            assert query(again.service_url, "SELECT count(*) FROM kept") == 1000
    assert "not properly shut down" in (used / "postgres.log").read_text()


def test_reused_process_id_does_not_block(used: Path) -> None:
    cluster = used / "postgres"
    files = [cluster / "postmaster.pid", cluster / ".s.PGSQL.5432.lock"]
    with embedded_postgres(used):
        left = [file.read_text().partition("\n")[2] for file in files]
    owner = cluster.stat()
    stranger = (
        subprocess.Popen(["sleep", "60"], user=owner.st_uid, group=owner.st_gid, extra_groups=[])
        if (os.geteuid() == 0)
        else subprocess.Popen(["sleep", "60"])
    )
    try:
        for file, rest in zip(files, left, strict=True):
            file.write_text(f"{stranger.pid}\n{rest}")
            os.chown(file, owner.st_uid, owner.st_gid)
        with embedded_postgres(used) as postgres:
            assert query(postgres.service_url, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_first_start_killed_half_way_does_not_block_the_next(
    folder: Path, holders: Callable[[Path], subprocess.Popen[str]]
) -> None:
    holder = holders(folder)
    wait_until(lambda: list(folder.glob("postgres.new-*/global")))
    holder.kill()
    holder.wait()
    assert not (folder / "postgres").exists()
    with embedded_postgres(folder) as postgres:
        assert query(postgres.service_url, "SELECT 1") == 1
    assert not list(folder.glob("postgres.new-*"))


def test_path_too_long_for_sockets_with_odd_characters_is_usable(folder: Path) -> None:
    data_dir = folder / ('long $HOME, "quoted" ' * 6)
    with embedded_postgres(data_dir) as postgres:
        sockets = Path(postgres.service_url.partition("host=")[2])
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert query(postgres.service_url, "SELECT 1") == 1
    sockets.rmdir()
    sockets.symlink_to(folder)
    try:
        with pytest.raises(EmbeddedPostgresError, match="remove it"), embedded_postgres(data_dir):
            pass
    finally:
        sockets.unlink()


def test_failure_shows_the_log_and_what_to_do(used: Path) -> None:
    (used / "postgres" / "global" / "pg_control").unlink()
    advice = r"(?s)start again.*pg_control"
    with pytest.raises(EmbeddedPostgresError, match=advice), embedded_postgres(used):
        pass


def _remove(cluster: Path) -> None:
    cluster.rename(cluster.with_name("moved"))


def _empty(cluster: Path) -> None:
    _remove(cluster)
    cluster.mkdir()


def _unname(cluster: Path) -> None:
    (cluster / "PG_VERSION").rename(cluster.with_name("moved"))


def _age(cluster: Path) -> None:
    shutil.copy(cluster / "PG_VERSION", cluster.with_name("moved"))
    (cluster / "PG_VERSION").write_text("9.6\n")


def _give_away(cluster: Path) -> None:
    os.chown(cluster, 0, -1)


@pytest.mark.parametrize(
    ("damage", "advice"),
    [
        (_remove, "is missing. Put the folder back"),
        (_empty, "PG_VERSION is missing. Mount its volume"),
        (_unname, "PG_VERSION is missing. Mount its volume"),
        (_age, "was made by PostgreSQL 9.6"),
        pytest.param(_give_away, "belongs to the account with id 0", marks=as_root),
    ],
)
def test_lost_database_is_not_replaced_by_an_empty_one(
    used: Path, damage: Callable[[Path], None], advice: str
) -> None:
    damage(used / "postgres")
    before = sorted(path.relative_to(used) for path in used.rglob("*"))
    with pytest.raises(EmbeddedPostgresError, match=re.escape(advice)), embedded_postgres(used):
        pass
    assert sorted(path.relative_to(used) for path in used.rglob("*")) == before


def test_missing_database_is_made_again_after_the_marker_is_deleted(used: Path) -> None:
    shutil.rmtree(used / "postgres")
    (used / "postgres.made").unlink()
    with embedded_postgres(used) as postgres:
        assert query(postgres.service_url, "SELECT 1") == 1


@as_root
def test_unreachable_folder_as_root_has_its_cluster_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location, "ROOT_HOME", folder / "var")
    private = folder / "private"
    private.mkdir(mode=0o700)
    with embedded_postgres(private / "data") as postgres:
        query(postgres.owner_url, "CREATE TABLE kept ()")
    home = Path((private / "data" / location.NOTE).read_text().partition("\n")[0])
    assert home.parent == folder / "var"
    assert private.stat().st_mode & 0o777 == 0o700
    with embedded_postgres(private / "data") as postgres:
        assert query(postgres.service_url, "SELECT count(*) FROM kept") == 0
    (private / "data").rename(private / "moved")
    with pytest.raises(EmbeddedPostgresError, match="was moved"), embedded_postgres(private / "moved"):
        pass


@as_root
def test_unreachable_binaries_as_root_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    installed = distribution(location.WHEEL)
    for part in (location.INSTALL, location.LIBRARIES):
        shutil.copytree(str(installed.locate_file(part)), private / part, symlinks=True)
    monkeypatch.setattr(location, "ROOT_HOME", folder / "var")
    monkeypatch.setattr(type(installed), "locate_file", lambda _, path: private / path)
    with embedded_postgres(folder / "data") as postgres:
        assert query(postgres.service_url, "SELECT 1") == 1
        running = Path(f"/proc/{postmaster(folder / 'data' / 'postgres')}/exe").resolve()
    assert running.is_relative_to(folder / "var")
