"""The longest time that a process may take to stop."""

import faulthandler
import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress

import structlog

from server.logging_setup import drain_logs

STOP_SECONDS = 20.0
# Without a log line: a call that never releases Python's lock keeps the log from being written, too.
HARD_STOP_SECONDS = 45.0

_logger = structlog.get_logger(__name__)


class StopDeadline:
    """A timer that ends the process with exit code 1, after it has logged where each thread is.

    `last_step` runs before the end. faulthandler would write to stderr itself, and wait forever for a reader
    that has stopped.
    """

    def __init__(
        self,
        last_step: Callable[[], None] = lambda: None,
        *,
        seconds: float = STOP_SECONDS,
        hard_seconds: float = HARD_STOP_SECONDS,
    ) -> None:
        self._last_step = last_step
        self._seconds, self._hard_seconds = seconds, hard_seconds
        self._timer: threading.Timer | None = None

    def start(self) -> None:
        """Start the timer."""
        self._timer = threading.Timer(self._seconds, self._log_and_exit)
        self._timer.daemon = True
        self._timer.start()
        null = os.open(os.devnull, os.O_WRONLY)
        faulthandler.dump_traceback_later(self._hard_seconds, exit=True, file=null)

    def cancel(self) -> None:
        """Stop the timer."""
        if self._timer:
            self._timer.cancel()
            faulthandler.cancel_dump_traceback_later()

    def _log_and_exit(self) -> None:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        threads = {
            names.get(number, str(number)): "".join(traceback.format_stack(frame))
            for number, frame in sys._current_frames().items()
        }
        _logger.error("serve.stop_timeout", threads=threads)
        with suppress(Exception):
            self._last_step()
        drain_logs()
        os._exit(1)
