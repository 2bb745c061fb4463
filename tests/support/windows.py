"""The windows of counters of attempts (resolvers/window_counter.py)."""

import time

_SECONDS = 60  # of a window, for limits per minute


def wait_for_window_with(seconds: float) -> None:
    """Wait until the window of a minute that is running has so many seconds left.

    All processes of a machine share its boundaries. After one, attempts of the window before count less and
    less, so that a test that counts exactly must not pass it.
    """
    left = _SECONDS - time.monotonic() % _SECONDS
    if left < seconds:
        time.sleep(left)


def longest_wait(seconds: int, limit: int) -> float:
    """Return how long a refused attempt may have to wait, by a limit for windows of so many seconds.

    Attempts of one moment still count in the next window, until the share of one of them has passed.
    """
    return seconds * (1 + 1 / limit) + 1
