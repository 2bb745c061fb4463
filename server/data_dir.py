"""The data folder: made for its account only, and checked."""

import os
import stat
from pathlib import Path

_READ_OR_WRITE_BY_OTHERS = 0o066


def make_data_dir(path: Path) -> None:
    """Make the data folder if it is missing, with mode 0700.

    As root it gets 0711: the account of the embedded PostgreSQL must pass through it, and can list nothing.
    """
    if path.is_dir():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = _own_mode()
    try:
        path.mkdir(mode=mode)
    except FileExistsError:  # another process was faster
        return
    path.chmod(mode)  # the umask may have removed bits


def openness(path: Path) -> str | None:
    """Return why other accounts can read or change the data folder, or None if they cannot."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    if not mode & _READ_OR_WRITE_BY_OTHERS:
        return None
    return f"{path} has mode {mode:04o}: other accounts can list or change it"


def advice_on_openness(path: Path) -> str:
    """Return how to close the data folder to other accounts, while the embedded PostgreSQL can go on."""
    return f"Run `chmod {_own_mode():o} {path}`."


def _own_mode() -> int:
    return 0o711 if os.geteuid() == 0 else 0o700
