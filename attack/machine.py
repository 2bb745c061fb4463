"""The slowness of this machine, compared with the reference, and the waits of its processes for a core."""

import time
from statistics import median

# The loop below on the machine on which the limits were set.
REFERENCE_SECONDS = 0.030
MOST_SLOWNESS, MOST_WAITING = 4.0, 8.0
_LOOPS = 10


def measure_slowness() -> float:
    """Return how much slower than the reference machine this one computes, at least 1 and at most 4."""
    times = [_loop()[0] for _ in range(_LOOPS)]
    # The median, not the least: a neighbour of the core makes the server's computations dearer, too.
    return min(max(median(times) / REFERENCE_SECONDS, 1.0), MOST_SLOWNESS)


def measure_waiting() -> float:
    """Return how much longer than it computes a process takes here, since others use the cores.

    At least 1 and at most 8. Only what callers wait for is multiplied by it, and no time of the event loop.
    """
    ratios = [elapsed / computed for computed, elapsed in (_loop() for _ in range(_LOOPS))]
    return min(max(median(ratios), 1.0), MOST_WAITING)


def _loop() -> tuple[float, float]:
    """Run a loop, and return the time that it was on a core and the time that it took, in seconds."""
    began, computed = time.monotonic(), time.thread_time()
    total = 0
    for number in range(400_000):
        total += number * number % 7
    return time.thread_time() - computed, time.monotonic() - began
