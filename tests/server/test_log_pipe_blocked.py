"""Logs on a pipe that is full, closed or missing: no request waits for them."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import orjson
import pytest
from prometheus_client import Counter

from server.log_writer import LogWriter
from tests.support.baton_client import BATON, DEADLINE, Caller, Server, wait_for
from tests.support.baton_process import MODE, BatonProcess

PIPE_BYTES = 4_096


class Pipe:
    """A small pipe, and the log writers on it with their count of dropped lines."""

    def __init__(self) -> None:
        # With O_DIRECT a read returns what one call has written.
        self.reader, self.writer = os.pipe2(os.O_DIRECT)
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._counter = Counter("dropped", "Lines dropped.", registry=None)
        self._logs: list[LogWriter] = []

    def log(self, on_drained: Callable[[int], None] = lambda _: None, **bounds: int) -> LogWriter:
        log = LogWriter(self.writer, on_drained, counter=self._counter, **bounds)
        self._logs.append(log)
        return log

    def fill(self) -> None:
        os.set_blocking(self.writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(self.writer, b"x" * 512)
        os.set_blocking(self.writer, True)

    @property
    def dropped(self) -> float:
        return next(sample.value for sample in next(iter(self._counter.collect())).samples)

    def close_reader(self) -> None:
        if self.reader >= 0:
            os.close(self.reader)
            self.reader = -1

    def close(self) -> None:
        """Close both ends. No thread may write to a descriptor that another test gets."""
        self.close_reader()
        for log in self._logs:
            assert log.drain(DEADLINE)
        os.close(self.writer)


@contextmanager
def pipe() -> Iterator[Pipe]:
    opened = Pipe()
    try:
        yield opened
    finally:
        opened.close()


def test_lines_for_a_full_pipe_are_kept_up_to_the_bound_and_the_rest_counted() -> None:
    reports: list[int] = []
    with pipe() as small:
        small.fill()
        log = small.log(reports.append, maximum_lines=10)
        for number in range(1_000):
            log.write(f"line {number}\n")
        assert small.dropped == 990
        assert not log.drain(0.1)
        text = b""
        while b"line 9\n" not in text:
            text += os.read(small.reader, 65_536)
        assert text.lstrip(b"x") == b"".join(b"line %d\n" % number for number in range(10))
        assert wait_for(lambda: reports, "the report") == [990]
        log.write("again\n")
        assert log.drain()
        assert os.read(small.reader, 100) == b"again\n"
        assert small.dropped == 990


def test_few_long_lines_are_bounded_by_bytes() -> None:
    with pipe() as small:
        small.fill()
        log = small.log(maximum_bytes=100_000)
        for _ in range(200):
            log.write("x" * 1_000)
        assert small.dropped == 100


def test_lines_that_wait_are_written_together() -> None:
    lines = [b"line %d\n" % number for number in range(100)]
    with pipe() as small:
        small.fill()
        log = small.log()
        for line in lines:
            log.write(line.decode())
        writes: list[bytes] = []
        while sum(map(len, writes)) < sum(map(len, lines)):
            writes.append(os.read(small.reader, 65_536).strip(b"x"))
        together = [text for text in writes if text]
    assert b"".join(together) == b"".join(lines)
    # Those that came before the thread was blocked, and all others.
    assert len(together) <= 2
    assert all(text.endswith(b"\n") for text in together)


def test_lines_for_a_closed_pipe_are_counted() -> None:
    with pipe() as small:
        small.close_reader()
        log = small.log()
        for _ in range(5):
            log.write("unheard\n")
        assert log.drain(DEADLINE)
        assert small.dropped == 5


def test_lines_of_several_threads_stay_whole() -> None:
    with pipe() as small:
        log = small.log()
        line = "0123456789" * 50 + "\n"
        threads = [threading.Thread(target=lambda: [log.write(line) for _ in range(200)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        text = b""
        while len(text) < 800 * len(line):
            text += os.read(small.reader, 65_536)
        assert set(text.decode().splitlines(keepends=True)) == {line}


def start(folder: Path, port: int, stderr: int | None) -> "BatonProcess | subprocess.Popen[bytes]":
    settings = {"BATON_DATA_DIR": str(folder), "BATON_PORT": str(port)}
    if stderr is None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        return subprocess.Popen(["sh", "-c", f'exec "{BATON}" serve 2>&-'], env=inherited | settings | MODE)
    with open(os.devnull, "wb") as nothing, open(stderr, "wb", closefd=False) as errors:
        return BatonProcess("serve", environment=settings, output=nothing, errors=errors)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("stderr", ["full", "closed by its reader", "missing"])
def test_service_answers_and_stops_whatever_becomes_of_stderr(own_dir: Path, stderr: str) -> None:
    with Server.started(own_dir) as server:
        key = server.new_workspace().key
        port = server.port
    with pipe() as small:
        if stderr == "full":
            small.fill()
        if stderr == "closed by its reader":
            small.close_reader()
        process = start(own_dir, port, None if stderr == "missing" else small.writer)
        try:
            wait_for(lambda: answers(port), "the server to answer", 60)
            viewer = Caller(f"http://127.0.0.1:{port}", key.token).ask("{ viewer { kind } }")["viewer"]
            assert viewer == {"kind": "API_KEY"}
            metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            (lines,) = re.findall(r"^baton_log_lines_dropped_total (\S+)$", metrics, re.MULTILINE)
            assert (float(lines) > 0) == (stderr == "closed by its reader")
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()
            process.wait()
    assert list(own_dir.rglob("postmaster.pid")) == []


def test_refusal_to_start_does_not_wait_for_stderr(own_dir: Path) -> None:
    (own_dir / "secret_key").touch()
    with pipe() as small:
        small.fill()
        assert start(own_dir, 0, small.writer).wait(DEADLINE) == 1


def test_database_failures_are_single_json_lines_and_few(own_dir: Path) -> None:
    with Server.started(own_dir) as server:
        key = server.new_workspace().key
        server.log.write_bytes(b"")
        superuser = Server(own_dir, server.owner_url.replace("baton_owner@", "postgres@"), "")
        superuser.execute("ALTER ROLE baton CONNECTION LIMIT 0")
        superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'baton'")
        began = time.monotonic()
        while time.monotonic() - began < 3:
            key.refusal("{ viewer { kind } }")
            httpx.get(f"{server.url}/escalations", headers=key.headers)
        seconds = time.monotonic() - began
        superuser.execute("ALTER ROLE baton CONNECTION LIMIT -1")
        lines = [orjson.loads(line) for line in server.log.read_bytes().splitlines()]
    failures = [line for line in lines if line["event"] == "request.database_unavailable"]
    kinds = {line["error"].partition("(")[0] for line in failures}
    assert 1 <= len(failures) <= (seconds + 1) * len(kinds)
    assert sum(line.get("left_out", 0) for line in failures) > 0
    assert [line for line in lines if "exception" in line or "Traceback" in str(line)] == []


HANGING_STOP = """
import threading
from server.logging_setup import set_up_logs
from server.stop_deadline import StopDeadline
set_up_logs("info")
StopDeadline(seconds=0.5, hard_seconds=10).start()
threading.Event().wait()
"""


@pytest.mark.parametrize("full", [False, True])
def test_stop_that_hangs_is_logged_and_ended(full: bool) -> None:
    with pipe() as small:
        if full:
            small.fill()
        process = subprocess.Popen([sys.executable, "-c", HANGING_STOP], stderr=small.writer)
        try:
            assert process.wait(DEADLINE) == 1
        finally:
            process.kill()
        if not full:
            line = orjson.loads(os.read(small.reader, 65_536))
            assert line["event"] == "serve.stop_timeout"
            assert "in wait" in line["threads"]["MainThread"]
