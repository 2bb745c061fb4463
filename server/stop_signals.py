"""The signals that stop a process in order."""

import signal

_ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that stop the process, without those that its parent ignores, as `nohup` does."""
    return tuple(number for number in _ALL if signal.getsignal(number) is not signal.SIG_IGN)
