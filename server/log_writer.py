"""Log lines on their way to stderr: a bounded queue, emptied by a thread.

A reader of stderr that stops reading blocks only the thread. Lines that do not fit are dropped and counted.
Lines are gathered for a moment, and written together: to wake the thread for each line takes about as much
time of the event loop as to make the line.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import accumulate

from prometheus_client import Counter

MAXIMUM_LINES = 10_000
MAXIMUM_BYTES = 4 * 1024 * 1024
CLOSE_SECONDS = 1.0
GATHER_SECONDS = 0.02
# POSIX keeps a write of so many bytes to a pipe whole, whatever other processes write there.
WRITE_BYTES = 4_096

LINES_DROPPED = Counter(
    "baton_log_lines_dropped", "Log lines that were dropped because stderr did not take them."
)


class LogWriter:
    """A text stream that never blocks.

    `on_drained` gets the number of dropped lines when writing works again. The thread starts with the first
    line. `descriptor` may be closed, broken or full at any time. `counter` counts the dropped lines.
    """

    def __init__(
        self,
        descriptor: int,
        on_drained: Callable[[int], None] = lambda _: None,
        *,
        maximum_lines: int = MAXIMUM_LINES,
        maximum_bytes: int = MAXIMUM_BYTES,
        counter: Counter = LINES_DROPPED,
    ) -> None:
        self._descriptor = descriptor
        self._on_drained = on_drained
        self._maximum_lines, self._maximum_bytes = maximum_lines, maximum_bytes
        self._lines: deque[bytes] = deque()
        self._counter = counter
        self._bytes = 0
        self._dropped = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Queue the text, or count it as dropped."""
        line = text.encode(errors="backslashreplace")
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
                self._thread.start()
            if len(self._lines) >= self._maximum_lines or self._bytes + len(line) > self._maximum_bytes:
                self._drop(1)
                return len(text)
            if not self._lines:
                self._changed.notify_all()
            self._bytes += len(line)
            self._lines.append(line)
        return len(text)

    def flush(self) -> None:
        """Return immediately: the thread writes as soon as it can."""

    def isatty(self) -> bool:
        """Return whether the lines go to a terminal."""
        try:
            return os.isatty(self._descriptor)
        except OSError:
            return False

    def drain(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until all lines are written, or for `seconds`. Return whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lines, seconds)

    def _drop(self, lines: int) -> None:
        self._dropped += lines
        self._counter.inc(lines)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
            time.sleep(GATHER_SECONDS)
            while self._lines:
                self._write_first_lines()

    def _write_first_lines(self) -> None:
        """Write some lines, which stay in the queue meanwhile."""
        with self._changed:
            lines = self._first_lines()
        written = self._write(b"".join(lines))
        lost = sum(end > written for end in accumulate(map(len, lines)))
        with self._changed:
            for line in lines:
                self._lines.popleft()
                self._bytes -= len(line)
            self._drop(lost)
            dropped = 0
            if not lost and not self._lines:
                dropped, self._dropped = self._dropped, 0
            self._changed.notify_all()
        if dropped:
            self._on_drained(dropped)

    def _first_lines(self) -> list[bytes]:
        lines: list[bytes] = []
        size = 0
        for line in self._lines:
            size += len(line)
            if lines and size > WRITE_BYTES:
                break
            lines.append(line)
        return lines

    def _write(self, text: bytes) -> int:
        """Write the text, and return how many bytes of it were written before a failure, if there was one."""
        written = 0
        while written < len(text):
            try:
                written += os.write(self._descriptor, text[written:])
            except BlockingIOError:  # someone else made the pipe non-blocking
                time.sleep(0.05)
            except OSError:
                break
        return written
