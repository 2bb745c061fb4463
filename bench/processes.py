"""CPU, memory and cores of processes, as Linux reports them."""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat, counted from the state after the command's name.
_PARENT, _USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 11, 12, 13, 14


@dataclass(frozen=True, slots=True)
class Memory:
    """In KiB. `pss` counts shared pages by their share; None where it may not be read."""

    rss: int
    pss: int | None


class Processes:
    """A group of processes, whose members are listed again for each reading."""

    def __init__(self, members: Callable[[], Collection[int]]) -> None:
        self._members = members

    def members(self) -> list[int]:
        """Return the ids of the processes."""
        return list(self._members())

    def __len__(self) -> int:
        return len(self._members())

    def cpu_seconds(self) -> float:
        """User and system time of all, also of children that have ended and were waited for."""
        fields = (_USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM)
        stats = [result for pid in self._members() if (result := _stat(pid))]
        return sum(int(stat[field]) for stat in stats for field in fields) / _TICK

    def memory(self) -> Memory:
        """Return the sum over all processes. RSS counts shared pages in each."""
        pids = list(self._members())
        pss = [_kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in pids]
        rss = [_kib(Path(f"/proc/{pid}/status"), "VmRSS") or 0 for pid in pids]
        previous = [item for item in pss if item is not None]
        return Memory(sum(rss), sum(previous) if len(previous) == len(pss) else None)

    def descriptors(self) -> int:
        """Return the number of open files and sockets of all."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self._members())

    def pin(self, core: int) -> None:
        """Bind all of them, and whatever they start from now on, to one core."""
        for pid in self._members():
            os.sched_setaffinity(pid, {core})


def busy_seconds() -> float:
    """Return the CPU used by the machine and its hypervisor since the start."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _idle, _waiting, irq, softirq, stolen = (int(word) for word in words[1:9])
    return (user + nice + system + irq + softirq + stolen) / _TICK


def only(pid: int) -> Processes:
    """Return a group of one process."""
    return Processes(lambda: [pid])


def with_children(parent: int) -> Processes:
    """Return a process and its descendants."""

    def members() -> list[int]:
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [parent, *(pid for pid in pids if (stat := _stat(pid)) and int(stat[_PARENT]) == parent)]

    return Processes(members)


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _kib(file: Path, name: str) -> int | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)
