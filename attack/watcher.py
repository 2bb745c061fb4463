"""`python -m attack.watcher PORT PID`: measures a server from outside, in a process of its own.

Each line of its output is one sample. The lag is the time for which the server's event loop ran on a core
during a call of `/healthz`. Other processes of the machine do not lengthen it.
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
        self._port, self._pid = port, pid
        self._connection = self._connect()

    def sample(self) -> Sample:
        """Call once and measure."""
        ran = loop_seconds(self._pid)
        began = time.monotonic()
        status = self._call()
        at = time.monotonic()
        health = at - began
        lag = loop_seconds(self._pid) - ran
        files = len(os.listdir(f"/proc/{self._pid}/fd"))
        return Sample(at, health, lag, status, memory_bytes(self._pid), files)

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

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(
            HOST, self._port, timeout=TIMEOUT_SECONDS, source_address=(SOURCE, 0)
        )


def loop_seconds(pid: int) -> float:
    """Return how long the first thread of a process, which has the event loop, has run on a core."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def memory_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


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
