"""`python -m attack.watcher PORT PID`: measures a server from outside, in a process of its own.

Each line of its output is one sample. The lag is the time of a call of `/healthz` without the time that the
server and the watcher waited for a core, which other processes of the machine cause.
"""

import http.client
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from attack.wire import HOST

SOURCE = "127.0.0.2"
PAUSE_SECONDS = 0.01
TIMEOUT_SECONDS = 30
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """A call of `/healthz`, and the server's memory and descriptors after it."""

    at: float  # seconds of the monotonic clock, at the end
    health: float  # seconds
    lag: float  # seconds
    status: int  # 0 without an answer
    memory: int  # bytes
    files: int


class Watcher:
    """A connection that calls `/healthz` again and again."""

    def __init__(self, port: int, pid: int) -> None:
        self._port, self._process = port, Path(f"/proc/{pid}")
        self._connection = self._connect()

    def sample(self) -> Sample:
        """Call once and measure."""
        waited = self._waiting()
        began = time.monotonic()
        status = self._call()
        at = time.monotonic()
        health = at - began
        lag = max(health - (self._waiting() - waited), 0.0)
        memory = int((self._process / "statm").read_text().split()[1]) * _PAGE
        return Sample(at, health, lag, status, memory, len(os.listdir(self._process / "fd")))

    def _call(self) -> int:
        try:
            self._connection.request("GET", "/healthz")
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = self._connect()
            return 0
        return answer.status

    def _waiting(self) -> float:
        return waiting_seconds(self._process) + waiting_seconds(Path("/proc/self"))

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(
            HOST, self._port, timeout=TIMEOUT_SECONDS, source_address=(SOURCE, 0)
        )


def waiting_seconds(process: Path) -> float:
    """Return how long the first thread of a process was runnable without a core; 0 if the kernel hides it."""
    try:
        return int((process / "schedstat").read_text().split()[1]) / 1e9
    except (FileNotFoundError, IndexError):
        return 0.0


def main() -> None:
    """Print samples until the server or the reader is gone."""
    watcher = Watcher(int(sys.argv[1]), int(sys.argv[2]))
    try:
        while True:
            print(json.dumps(asdict(watcher.sample())), flush=True)
            time.sleep(PAUSE_SECONDS)
    except (FileNotFoundError, ProcessLookupError, BrokenPipeError, KeyboardInterrupt):
        # Not at the end of the interpreter, which would complain about the closed pipe.
        os._exit(0)


if __name__ == "__main__":
    main()
