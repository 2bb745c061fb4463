"""The longest time that a process may take to stop."""

import faulthandler
import os
import sys
import threading
import traceback

import structlog

from server.logging_setup import drain_logs

STOP_SECONDS = 20.0
# Without a log line: a call that never releases Python's lock keeps the log from being written, too.
HARD_STOP_SECONDS = 25.0

_logger = structlog.get_logger(__name__)


class StopDeadline:
    """A timer that ends the process with exit code 1, after it has logged where each thread is.

    faulthandler would write to stderr itself, and wait forever for a reader that has stopped.
    """

    def __init__(self, seconds: float = STOP_SECONDS, hard_seconds: float = HARD_STOP_SECONDS) -> None:
        self._seconds, self._hard_seconds = seconds, hard_seconds
        self._timer: threading.Timer | None = None

    def start(self) -> None:
        """Start the timer."""
        self._timer = threading.Timer(self._seconds, _log_and_exit)
        self._timer.daemon = True
        self._timer.start()
        null = os.open(os.devnull, os.O_WRONLY)
        faulthandler.dump_traceback_later(self._hard_seconds, exit=True, file=null)

    def cancel(self) -> None:
        """Stop the timer."""
        if self._timer:
            self._timer.cancel()
            faulthandler.cancel_dump_traceback_later()


def _log_and_exit() -> None:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    threads = {
        names.get(number, str(number)): "".join(traceback.format_stack(frame))
        for number, frame in sys._current_frames().items()
    }
    _logger.error("serve.stop_timeout", threads=threads)
    drain_logs()
    os._exit(1)
