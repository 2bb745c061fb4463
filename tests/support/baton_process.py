"""`baton` processes, forked by `tests.support.fork_server`."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO

from models.row_scope import EVERY_WORKSPACE
from tests.support.failure_report import watch_log

ROOT = Path(__file__).parents[2]
START_SECONDS = 120  # The first process waits for the fork server's imports.

# For servers of tests: most of them send documents of their own with widget tokens, and many mails to
# addresses without confirmation. Several workers run on one machine. An empty value brings the default back.
FOR_TESTS = {
    "BATON_WIDGET_DOCUMENTS": "any",
    "BATON_WORKER_PORT": "0",
    "BATON_CONFIRMED_DOMAINS": "*",
    "BATON_STORM_NOTICES": "10000",
    "BATON_MAILS_PER_RECIPIENT": "10000",
    "BATON_MAILS_PER_WORKSPACE": "10000",
}

# With this variable, servers of tests run with row-level security.
ROW_SECURITY = bool(os.environ.get("TESTS_ROW_LEVEL_SECURITY"))
MODE = {"BATON_ROW_LEVEL_SECURITY": "true"} if ROW_SECURITY else {}
os.environ.update(MODE)
# The rows that a database which a test opens itself sees: those of every workspace.
SCOPE = EVERY_WORKSPACE if ROW_SECURITY else None

# With this variable, passwords' hashes cost what they cost in production.
FULL_PASSWORD_COSTS = "TESTS_FULL_PASSWORD_COSTS"

WIDE_LIMITS = {
    "BATON_MESSAGES_PER_WIDGET": "100000",
    "BATON_ESCALATIONS_PER_WIDGET": "100000",
    "BATON_WRITES_PER_WIDGET": "100000",
    "BATON_WRITES_PER_ADDRESS": "100000",
    # Tests of races have as many callers at one row as the pool has connections.
    "BATON_CONCURRENT_REQUESTS": "256",
    "BATON_REQUESTS_PER_CONVERSATION": "100",
}


class BatonProcess:
    """
    A running `baton` command, with the methods of `subprocess.Popen`.

    `environment` replaces the variables of the tests whose names begin with BATON_; an empty value unsets a
    variable. The process writes to `output`, and its errors there too unless they have a file of their own.
    """

    def __init__(
        self,
        *arguments: str,
        environment: dict[str, str],
        output: IO[bytes],
        errors: IO[bytes] | None = None,
        typed: IO[bytes] | None = None,
    ) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        own = {name: value for name, value in (MODE | FOR_TESTS | environment).items() if value}
        with open(os.devnull, "rb") as nothing:
            streams = [stream.fileno() for stream in (typed or nothing, output, errors or output)]
            self._status = fork_baton(arguments, inherited | own, streams, ROOT)
        watch_log(errors or output)
        self._lock = Lock()
        self._received = b""
        self._is_stopped = False
        self.pid = 0
        self.returncode: int | None = None
        self._read_until(lambda: self.pid, START_SECONDS)

    def poll(self) -> int | None:
        """Return the exit code of a process that has ended."""
        self._read(0)
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        """Return the exit code when the process ends. Raises TimeoutExpired."""
        self._read_until(lambda: self.returncode is not None, timeout)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def cpu_seconds(self) -> float:
        """Return the CPU that the process has used, without its children."""
        # The command in parentheses may contain spaces; utime and stime are the 14th and 15th fields.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End the process without a chance to clean up."""
        self.send_signal(signal.SIGKILL)

    def pause(self) -> None:
        """Stop the process, and wait until it is stopped."""
        self._is_stopped = False
        self.send_signal(signal.SIGSTOP)
        self._read_until(lambda: self._is_stopped or self.returncode is not None, START_SECONDS)

    def _read_until(self, condition: Callable[[], object], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition():
            remaining = end - time.monotonic()
            if remaining <= 0:
                raise subprocess.TimeoutExpired("baton", seconds)
            self._read(min(remaining, 0.1))

    def _read(self, seconds: float) -> None:
        with self._lock:
            if self.returncode is not None:
                return
            self._status.settimeout(seconds)
            try:
                self._received += self._status.recv(4096)
            except (BlockingIOError, TimeoutError):
                return
            *lines, self._received = self._received.split(b"\n")
            for line in lines:
                self._take(line.decode())

    def _take(self, line: str) -> None:
        word, _, number = line.partition(" ")
        if word == "pid":
            self.pid = int(number)
        elif word == "stopped":
            self._is_stopped = True
        else:
            self.returncode = int(number)
            self._status.close()


class BatonCommand(BatonProcess):
    """A command that an operator runs, with the settings of `environment` only."""

    def __init__(
        self, *arguments: str, typed: str = "", errors: IO[bytes] | None = None, **environment: str
    ) -> None:
        self._output, self._errors = _file(), None if errors else _file()
        with _file() as given:
            given.write(typed.encode())
            given.seek(0)
            own = dict.fromkeys(FOR_TESTS, "") | environment
            super().__init__(
                *arguments, environment=own, output=self._output, errors=errors or self._errors, typed=given
            )

    def communicate(self, timeout: float = 90) -> tuple[str, str]:
        """Return the output and the errors when the command ends. Raises TimeoutExpired."""
        self.wait(timeout)
        return _written(self._output), _written(self._errors) if self._errors else ""


def run_baton(*arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command until its end."""
    command = BatonCommand(*arguments, typed=typed, errors=None, **environment)
    output, errors = command.communicate()
    assert command.returncode is not None
    return subprocess.CompletedProcess(arguments, command.returncode, output, errors)


def fork_baton(
    arguments: Sequence[str], environment: dict[str, str], streams: Sequence[int], folder: str | Path
) -> socket.socket:
    """Start a command in a folder, with three standard streams, and return its status socket."""
    return _fork_server().start(arguments, environment, streams, folder)


def _file() -> IO[bytes]:
    return os.fdopen(os.memfd_create("baton"), "w+b")


def _written(file: IO[bytes]) -> str:
    with file:
        file.seek(0)
        return file.read().decode()


class _ForkServer:
    """The process that forks, as long as this one runs."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])
        self._lock = Lock()
        atexit.register(self._end)

    def start(
        self,
        arguments: Sequence[str],
        environment: dict[str, str],
        streams: Sequence[int],
        folder: str | Path,
    ) -> socket.socket:
        """Request a process, and return its status socket."""
        request = {"arguments": arguments, "environment": environment, "folder": str(folder)}
        body = json.dumps(request).encode()
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            length = len(body).to_bytes(4, "big")
            socket.send_fds(self._control, [length], [theirs.fileno(), *streams])
            self._control.sendall(body)
        return ours

    def _end(self) -> None:
        self._control.close()
        self._process.wait(START_SECONDS)


@cache
def _fork_server() -> _ForkServer:
    return _ForkServer()
