"""Temporary files in memory: the databases of tests wait for no disk, and write to none."""

import os
import re
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
# All databases of a run take about 2 GiB.
LEAST_BYTES = 6 * 2**30


def use_memory() -> None:
    """Make temporary folders in memory from now on, also in other processes, unless TMPDIR says where."""
    if not os.environ.get("TMPDIR") and is_suitable(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


def is_suitable(folder: Path) -> bool:
    """Return whether programs can run in a folder, and the folder and the memory are large enough."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    status = os.statvfs(folder)
    free = min(status.f_bavail * status.f_frsize, _available_memory())
    return not status.f_flag & os.ST_NOEXEC and free >= LEAST_BYTES


def _available_memory() -> int:
    available = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(available[1]) * 1024 if available else 0
