"""The PostgreSQL that `baton serve` keeps in its data folder when no database URL is set.

Three files next to the cluster are locked with flock, which the kernel releases when a process dies:

* `postgres.start.lock`: held by the one process that is starting or stopping the server;
* `postgres.users.lock`: shared by all processes that use the server; the last one to leave stops it;
* `postgres.server.lock`: inherited by all processes of the server, so it is free exactly when none of them
  lives. The process id in `postmaster.pid` is less reliable: after a crash it may belong to any process.
"""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from server.embedded.cluster_check import check_cluster, mark_cluster
from server.embedded.location import ClusterLocation, EmbeddedPostgresError, cluster_location, give

TIMEOUT = 60  # seconds for a start, a crash recovery or a stop
ORPHANS_TIMEOUT = 10  # seconds for the children of a killed server to notice

INITDB = (
    "--username=postgres",
    # Only root and the account that owns the files can open the socket: its folder is 0700.
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
)

# wal_level stays `replica`, so that pg_basebackup works.
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}

PROVISION = r"""
SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY['baton_owner', 'baton']) AS name
 WHERE name NOT IN (SELECT rolname FROM pg_roles) \gexec
SELECT 'CREATE DATABASE baton OWNER baton_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'baton') \gexec
\connect baton
REVOKE ALL ON DATABASE baton FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE baton TO baton;
GRANT USAGE ON SCHEMA public TO baton;
ALTER DEFAULT PRIVILEGES FOR ROLE baton_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO baton;
ALTER DEFAULT PRIVILEGES FOR ROLE baton_owner IN SCHEMA public
  GRANT USAGE, SELECT ON SEQUENCES TO baton;
-- The details of an error quote rows, and so people's data, which do not belong in a log.
ALTER ROLE baton_owner SET log_error_verbosity = terse;
ALTER ROLE baton SET log_error_verbosity = terse;
"""


@dataclass(frozen=True)
class EmbeddedPostgres:
    """The URLs of the server: as the owner of the tables for migrations, as the service for all else."""

    owner_url: str
    service_url: str
    location: ClusterLocation
    users_lock: int = field(repr=False)

    def restart_if_dead(self) -> bool:
        """Start the server again if it has died, and return whether it had. Cheap while it runs."""
        with _locked(self.location, "start") as start:
            fcntl.flock(start, fcntl.LOCK_EX)
            with _locked(self.location, "server") as server:
                if not _try_lock(server):
                    return False
            _ensure_running(self.location)
            return True

    def stop_if_last(self) -> None:
        """Stop the server unless another process uses it, for a process that cannot leave its block."""
        _leave(self.location, self.users_lock)


@contextmanager
def embedded_postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """Run the PostgreSQL of `data_dir`, or join the one that runs; the last to leave stops it.

    Raises EmbeddedPostgresError when it cannot be made, started or stopped.
    """
    with _explained(data_dir):
        location = cluster_location(data_dir)
        check_cluster(location)
        users = _open_lock(location, "users")
    try:
        with _explained(data_dir):
            _join(location, users)
        yield EmbeddedPostgres(
            owner_url=f"postgresql://baton_owner@/baton?host={location.sockets}",
            service_url=f"postgresql://baton@/baton?host={location.sockets}",
            location=location,
            users_lock=users,
        )
    finally:
        try:
            _leave(location, users)
        finally:
            os.close(users)


def _join(location: ClusterLocation, users: int) -> None:
    with _locked(location, "start") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        _ensure_running(location)
        if _run(
            location,
            "psql",
            "-XqU",
            "postgres",
            "-h",
            str(location.sockets),
            "-v",
            "ON_ERROR_STOP=1",
            sql=PROVISION,
        ):
            raise _failure(
                location, "The embedded PostgreSQL runs, but its roles and database could not be prepared."
            )


def _leave(location: ClusterLocation, users: int) -> None:
    with _locked(location, "start") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        if _try_lock(users):
            _stop(location)


def _ensure_running(location: ClusterLocation) -> None:
    """Use the server that runs; else start one, once the last process of a former one has gone."""
    deadline = time.monotonic() + TIMEOUT
    with _locked(location, "server") as server:
        while not _try_lock(server):
            if _accepts(location):
                return
            if time.monotonic() > deadline:
                raise _failure(
                    location, f"The embedded PostgreSQL has not accepted a connection for {TIMEOUT} seconds."
                )
            time.sleep(0.05)
        if location.log.exists():
            location.log.replace(location.log.with_suffix(".log.old"))
        check_cluster(location)
        if not location.has_cluster:
            _create_cluster(location, server)
        mark_cluster(location)
        _start(location, server)


def _create_cluster(location: ClusterLocation, server: int) -> None:
    """Make the cluster under another name and rename it when complete: a kill leaves nothing half made."""
    for leftover in location.home.glob("postgres.new-*"):
        shutil.rmtree(leftover)
    fresh = Path(mkdtemp(prefix="postgres.new-", dir=location.home))
    give(fresh, location.account)
    if _run(location, "initdb", f"--pgdata={fresh}", *INITDB, inherit=server):
        shutil.rmtree(fresh)
        raise _failure(location, "The database's files could not be made.")
    fresh.rename(location.cluster)
    _sync(location.home)


def _start(location: ClusterLocation, server: int) -> None:
    _forget_stale_pid(location, location.cluster / "postmaster.pid")
    _forget_stale_pid(location, location.sockets / ".s.PGSQL.5432.lock")
    settings = SETTINGS | {"unix_socket_directories": str(location.sockets)}
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    if _run(
        location,
        "pg_ctl",
        "start",
        "--silent",
        "--wait",
        f"--timeout={TIMEOUT}",
        "-o",
        options,
        inherit=server,
    ):
        raise _failure(location, "The embedded PostgreSQL did not start.")


def _forget_stale_pid(location: ClusterLocation, lock_file: Path) -> None:
    """Remove a lock file that is empty or whose process is no server, where PostgreSQL would refuse to start.

    Its own test is whether the process id exists. Without /proc there is no better test.
    """
    if not Path("/proc/self").exists():
        return
    with suppress(FileNotFoundError, ValueError):
        words = lock_file.read_text().split()
        if words and _works_in(int(words[0]), location.cluster):
            raise EmbeddedPostgresError(
                f"Process {words[0]}, a PostgreSQL that Baton did not start, uses {location.cluster}. "
                "Stop it, then start again."
            )
        lock_file.unlink()


def _works_in(pid: int, folder: Path) -> bool:
    """Return whether the process works in `folder`, as a server does in its cluster; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def _stop(location: ClusterLocation) -> None:
    with _locked(location, "server") as server:
        if _try_lock(server):  # it has died, and pg_ctl would signal another process with its id
            return
        if not _run(location, "pg_ctl", "stop", "--silent", "--mode=fast", f"--timeout={TIMEOUT}"):
            return
        # It was killed just now: pg_ctl finds no server, and the children end by themselves.
        deadline = time.monotonic() + ORPHANS_TIMEOUT
        while not _try_lock(server):
            if time.monotonic() > deadline:
                raise _failure(location, "The embedded PostgreSQL did not stop.")
            time.sleep(0.05)


def _accepts(location: ClusterLocation) -> bool:
    return (
        _run(location, "pg_isready", "-q", "-U", "postgres", "-d", "postgres", "-h", str(location.sockets))
        == 0
    )


def _run(
    location: ClusterLocation, program: str, *arguments: str, sql: str = "", inherit: int | None = None
) -> int:
    """Run a program of PostgreSQL to its end, with its output in the log, and return its exit code."""
    account = location.account
    log = os.open(location.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        return subprocess.run(  # noqa: S603
            [location.install / "bin" / program, *arguments],
            input=sql.encode(),
            stdout=log,
            stderr=log,
            cwd="/",
            # PGDATA, since pg_ctl would hand an argument to a shell; and none of our secrets.
            env={"PATH": os.defpath, "LC_ALL": "C", "PGDATA": str(location.cluster)},
            start_new_session=True,  # the terminal's Ctrl-C is for Baton
            pass_fds=() if inherit is None else (inherit,),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            check=False,
        ).returncode
    finally:
        os.close(log)


def _failure(location: ClusterLocation, what: str) -> EmbeddedPostgresError:
    lines = location.log.read_text(errors="replace").splitlines()[-15:] if location.log.exists() else []
    said = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
    return EmbeddedPostgresError(
        f"{what} Its log names the fault. Mend it and start again, or set a database URL to use a PostgreSQL "
        f"of your own. The end of {location.log}:\n{said}"
    )


@contextmanager
def _explained(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL cannot use {data_dir}: {error}. Run Baton as the user that owns this "
            "folder, choose another data folder, or set a database URL."
        ) from error


@contextmanager
def _locked(location: ClusterLocation, name: str) -> Iterator[int]:
    lock = _open_lock(location, name)
    try:
        yield lock
    finally:
        os.close(lock)  # not LOCK_UN, which would also take the lock from a server that inherited it


def _open_lock(location: ClusterLocation, name: str) -> int:
    return os.open(location.home / f"postgres.{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(folder: Path) -> None:
    """Make a rename within `folder` last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
