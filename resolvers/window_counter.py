"""Counts of attempts in this process, by the sliding window counter.

The estimate for the last window is the count of the running window, plus a share of the window before: the
share that the last window still covers. Cloudflare measured a mean error of 6 % over 400 million requests
("How we built rate limiting capable of scaling to millions of domains", 2017).

The in-memory storage of `limits` 5 sweeps all its keys after every attempt, with a thread hop for each.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from limits import RateLimitItem

Key = tuple[str, ...]


@dataclass(slots=True)
class _Windows:
    """The counts of the running window and of the one before."""

    index: int = -2
    running: dict[Key, int] = field(default_factory=dict)
    before: dict[Key, int] = field(default_factory=dict)

    def advance(self, index: int) -> None:
        """Make `index` the running window; counts that are older than the window before are dropped."""
        self.before = self.running if index == self.index + 1 else {}
        self.running = {}
        self.index = index


class WindowCounter:
    """Counts by key. All keys with a window of the same length share its boundaries; `now` is in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._windows: dict[int, _Windows] = {}

    def hit(self, limit: RateLimitItem, key: Key) -> float:
        """Count one attempt and return 0, or return the seconds to wait and count nothing."""
        windows, elapsed, seconds = self._at(limit)
        wait = _seconds_to_wait(limit.amount, windows, key, elapsed, seconds)
        if wait == 0:
            windows.running[key] = windows.running.get(key, 0) + 1
        return wait

    def seconds_to_wait(self, limit: RateLimitItem, key: Key) -> float:
        """Return 0 if one more attempt may proceed, otherwise the seconds to wait."""
        windows, elapsed, seconds = self._at(limit)
        return _seconds_to_wait(limit.amount, windows, key, elapsed, seconds)

    def remaining(self, limit: RateLimitItem, key: Key) -> int:
        """Return how many attempts may still proceed now."""
        windows, elapsed, seconds = self._at(limit)
        weight = 1 - elapsed / seconds
        counted = windows.before.get(key, 0) * weight + windows.running.get(key, 0)
        return max(0, math.floor(limit.amount - counted))

    def clear(self, limit: RateLimitItem, key: Key) -> None:
        """Forget the attempts of `key`."""
        windows, _, _ = self._at(limit)
        windows.running.pop(key, None)
        windows.before.pop(key, None)

    def _at(self, limit: RateLimitItem) -> tuple[_Windows, float, int]:
        """Return the windows of a limit, the seconds since the running one began, and its length."""
        seconds = limit.get_expiry()
        index, elapsed = divmod(self._now(), seconds)
        windows = self._windows.get(seconds)
        if windows is None:
            windows = self._windows[seconds] = _Windows()
        if windows.index != index:
            windows.advance(int(index))
        return windows, elapsed, seconds


def _seconds_to_wait(amount: int, windows: _Windows, key: Key, elapsed: float, seconds: int) -> float:
    before, running = windows.before.get(key, 0), windows.running.get(key, 0)
    allowed = amount - 1
    if before * (1 - elapsed / seconds) + running <= allowed:
        return 0
    if running <= allowed:
        # Later in this window, when the window before weighs less.
        return seconds * (1 - (allowed - running) / before) - elapsed
    # In the next window, in which the running one is the window before.
    return seconds - elapsed + seconds * (1 - allowed / running)
