"""Log lines on their way to stderr: a bounded queue, emptied by a thread.

A reader of stderr that stops reading blocks only the thread. Lines that do not fit are dropped and counted.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable

from prometheus_client import Counter

MAXIMUM_LINES = 10_000
MAXIMUM_BYTES = 4 * 1024 * 1024
CLOSE_SECONDS = 1.0

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
            self._bytes += len(line)
            self._lines.append(line)
            if len(self._lines) > self._maximum_lines or self._bytes > self._maximum_bytes:
                self._bytes -= len(self._lines.pop())
                self._drop()
            elif self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()
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

    def _drop(self) -> None:
        self._dropped += 1
        self._counter.inc()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                line = self._lines[0]
            written = self._write_all(line)
            with self._changed:
                self._lines.popleft()
                self._bytes -= len(line)
                if not written:
                    self._drop()
                dropped = 0
                if written and not self._lines:
                    dropped, self._dropped = self._dropped, 0
                self._changed.notify_all()
            if dropped:
                self._on_drained(dropped)

    def _write_all(self, line: bytes) -> bool:
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:  # someone else made the pipe non-blocking
                time.sleep(0.05)
            except OSError:
                return False
        return True
