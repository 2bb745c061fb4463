"""The PostgreSQL that `baton serve` keeps in its data folder when no database URL is set.

Three files beside the cluster are locked with flock, which the kernel undoes for whoever dies:

* `postgres.start.lock`: held by the one process that is starting or stopping the server;
* `postgres.users.lock`: shared by all processes that use the server; the last one to leave stops it;
* `postgres.server.lock`: inherited by all processes of the server, so it is free exactly when none of them
  lives. The process id in `postmaster.pid` says less: after a crash it may be a stranger's or a zombie's.
"""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from server.embedded.location import ClusterLocation, EmbeddedPostgresError, cluster_location, give

TIMEOUT = 60  # seconds for a start, a crash recovery or a stop
ORPHANS_TIMEOUT = 10  # seconds for the children of a killed server to notice

INITDB = (
    "--username=postgres",
    # Whoever can open the socket is the account that owns the files, or root: its folder is 0700.
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
)

# wal_level stays `replica`, so that pg_basebackup works: people run this in earnest.
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
    """How to reach the server: as the owner of the tables for migrations, as the service for all else."""

    owner_url: str
    service_url: str
    place: ClusterLocation

    def restart_if_dead(self) -> bool:
        """Start the server again if it has died beside us; says whether it had to. Cheap while it lives."""
        with _locked(self.place, "start") as start:
            fcntl.flock(start, fcntl.LOCK_EX)
            with _locked(self.place, "server") as server:
                if not _try_lock(server):
                    return False
            _ensure_running(self.place)
            return True


@contextmanager
def embedded_postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """Run the PostgreSQL of `data_dir`, or join the one that runs; the last to leave stops it.

    Raises EmbeddedPostgresError when it cannot be made, started or stopped.
    """
    with _explained(data_dir):
        place = cluster_location(data_dir)
        users = _open_lock(place, "users")
    try:
        with _explained(data_dir):
            _join(place, users)
        yield EmbeddedPostgres(
            owner_url=f"postgresql://baton_owner@/baton?host={place.sockets}",
            service_url=f"postgresql://baton@/baton?host={place.sockets}",
            place=place,
        )
    finally:
        try:
            _leave(place, users)
        finally:
            os.close(users)


def _join(place: ClusterLocation, users: int) -> None:
    with _locked(place, "start") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        _ensure_running(place)
        if _run(
            place,
            "psql",
            "-XqU",
            "postgres",
            "-h",
            str(place.sockets),
            "-v",
            "ON_ERROR_STOP=1",
            sql=PROVISION,
        ):
            raise _failure(
                place, "The embedded PostgreSQL runs, but its roles and database could not be prepared."
            )


def _leave(place: ClusterLocation, users: int) -> None:
    with _locked(place, "start") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        if _try_lock(users):
            _stop(place)


def _ensure_running(place: ClusterLocation) -> None:
    """Use the server that runs; else start one, once the last process of a former one has gone."""
    deadline = time.monotonic() + TIMEOUT
    with _locked(place, "server") as server:
        while not _try_lock(server):
            if _accepts(place):
                return
            if time.monotonic() > deadline:
                raise _failure(
                    place, f"The embedded PostgreSQL has not accepted a connection for {TIMEOUT} seconds."
                )
            time.sleep(0.05)
        if place.log.exists():
            place.log.replace(place.log.with_suffix(".log.old"))
        if not place.has_cluster:
            _create_cluster(place, server)
        _start(place, server)


def _create_cluster(place: ClusterLocation, server: int) -> None:
    """Make the cluster beside its place and rename it when complete: a kill leaves nothing half made."""
    for leftover in place.home.glob("postgres.new-*"):
        shutil.rmtree(leftover)
    fresh = Path(mkdtemp(prefix="postgres.new-", dir=place.home))
    give(fresh, place.account)
    if _run(place, "initdb", f"--pgdata={fresh}", *INITDB, inherit=server):
        shutil.rmtree(fresh)
        raise _failure(place, "The database's files could not be made.")
    fresh.rename(place.cluster)
    _sync(place.home)


def _start(place: ClusterLocation, server: int) -> None:
    _forget_stale_pid(place, place.cluster / "postmaster.pid")
    _forget_stale_pid(place, place.sockets / ".s.PGSQL.5432.lock")
    settings = SETTINGS | {"unix_socket_directories": str(place.sockets)}
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    if _run(
        place, "pg_ctl", "start", "--silent", "--wait", f"--timeout={TIMEOUT}", "-o", options, inherit=server
    ):
        raise _failure(place, "The embedded PostgreSQL did not start.")


def _forget_stale_pid(place: ClusterLocation, lock_file: Path) -> None:
    """Remove a lock file that is empty or whose process is no server, where PostgreSQL would refuse to start.

    Its own test is whether the process id exists. Without /proc we cannot tell better and leave it to that.
    """
    if not Path("/proc/self").exists():
        return
    with suppress(FileNotFoundError, ValueError):
        words = lock_file.read_text().split()
        if words and _works_in(int(words[0]), place.cluster):
            raise EmbeddedPostgresError(
                f"Process {words[0]}, a PostgreSQL that Baton did not start, uses {place.cluster}. "
                "Stop it, then start again."
            )
        lock_file.unlink()


def _works_in(pid: int, folder: Path) -> bool:
    """Whether the process lives in `folder`, as a server does in its cluster; a zombie lives nowhere."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def _stop(place: ClusterLocation) -> None:
    with _locked(place, "server") as server:
        if _try_lock(server):  # it has died, and pg_ctl would signal whoever has its process id now
            return
        if not _run(place, "pg_ctl", "stop", "--silent", "--mode=fast", f"--timeout={TIMEOUT}"):
            return
        # Somebody killed it just now: pg_ctl has nobody to ask, and its children end by themselves.
        deadline = time.monotonic() + ORPHANS_TIMEOUT
        while not _try_lock(server):
            if time.monotonic() > deadline:
                raise _failure(place, "The embedded PostgreSQL did not stop.")
            time.sleep(0.05)


def _accepts(place: ClusterLocation) -> bool:
    return _run(place, "pg_isready", "-q", "-U", "postgres", "-d", "postgres", "-h", str(place.sockets)) == 0


def _run(
    place: ClusterLocation, program: str, *arguments: str, sql: str = "", inherit: int | None = None
) -> int:
    """Run a program of PostgreSQL to its end, with its words in the log, and return its exit code."""
    account = place.account
    log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        return subprocess.run(  # noqa: S603
            [place.install / "bin" / program, *arguments],
            input=sql.encode(),
            stdout=log,
            stderr=log,
            cwd="/",
            # PGDATA, since pg_ctl would hand an argument to a shell; and none of our secrets.
            env={"PATH": os.defpath, "LC_ALL": "C", "PGDATA": str(place.cluster)},
            start_new_session=True,  # the terminal's Ctrl-C is for Baton
            pass_fds=() if inherit is None else (inherit,),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            check=False,
        ).returncode
    finally:
        os.close(log)


def _failure(place: ClusterLocation, what: str) -> EmbeddedPostgresError:
    lines = place.log.read_text(errors="replace").splitlines()[-15:] if place.log.exists() else []
    said = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
    return EmbeddedPostgresError(
        f"{what} Mend what its log tells and start again, or set a database URL to use a PostgreSQL of your "
        f"own. The end of {place.log}:\n{said}"
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
def _locked(place: ClusterLocation, name: str) -> Iterator[int]:
    lock = _open_lock(place, name)
    try:
        yield lock
    finally:
        os.close(lock)  # not LOCK_UN, which would also take the lock from a server that inherited it


def _open_lock(place: ClusterLocation, name: str) -> int:
    return os.open(place.home / f"postgres.{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


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
