"""A disk of the database, which can be full.

The run gets a mount namespace of its own, where the disk is a file system in memory; both end with the run.
Nothing is written to fill it: its size is lowered to what is used.
"""

import ctypes
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

SIZE = 1 << 30  # bytes of memory at most
SPARE = 16 << 10  # bytes that stay free on a full disk, so that its size is never below what is used
_INSIDE = "CHAOS_OWN_NAMESPACE"
_REMOUNT, _DETACH = 32, 2  # MS_REMOUNT and MNT_DETACH of <sys/mount.h>
# Root needs its other accounts, which no namespace of users would have. Others need the right to mount.
_AS_ROOT = ("unshare", "--mount")
_AS_USER = ("unshare", "--user", "--map-current-user", "--keep-caps", "--mount")


def enter_namespace() -> None:
    """Run this command again in a mount namespace of its own, where the machine allows it."""
    alone = _AS_ROOT if os.geteuid() == 0 else _AS_USER
    if os.environ.get(_INSIDE) or not _works(*alone):
        return
    command = [*alone, sys.executable, "-m", "chaos", *sys.argv[1:]]
    os.execvpe(command[0], command, os.environ | {_INSIDE: "1"})


def _works(*command: str) -> bool:
    try:
        return subprocess.run([*command, "true"], stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


class Disk:
    """A file system in memory at `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def mounted(cls, folder: Path) -> "Disk | None":
        """Mount a disk at an empty folder, or return None where that is not possible."""
        disk = cls(folder)
        # Outside a namespace of the run's own the mount would stay.
        if not os.environ.get(_INSIDE):
            return None
        try:
            disk._mount(0, SIZE)
        except OSError:
            return None
        return disk

    def fill(self) -> None:
        """Leave no space for more than is stored now."""
        while True:
            # More may be stored between the two calls: then the size is refused.
            with suppress(OSError):
                self._mount(_REMOUNT, self._used + SPARE)
                return

    def empty(self) -> None:
        """Give the disk its space again."""
        self._mount(_REMOUNT, SIZE)

    def unmount(self, keep: Path | None = None) -> None:
        """End the disk; with `keep`, copy what is stored to a folder before."""
        if keep:
            subprocess.run(["cp", "-a", self._folder, keep], check=False)
        if _libc.umount2(os.fsencode(self._folder), _DETACH):
            raise OSError(ctypes.get_errno(), f"{self._folder} cannot be unmounted")

    @property
    def _used(self) -> int:
        status = os.statvfs(self._folder)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    def _mount(self, flags: int, size: int) -> None:
        options = f"size={size},mode=755".encode()
        if _libc.mount(b"tmpfs", os.fsencode(self._folder), b"tmpfs", flags, options):
            raise OSError(ctypes.get_errno(), f"{self._folder} cannot have {size} bytes")


_libc = ctypes.CDLL(None, use_errno=True)
