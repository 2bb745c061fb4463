"""The delay of the event loop, measured twice a second."""

import asyncio

from prometheus_client import Histogram

PERIOD_SECONDS = 0.5

LOOP_LAG = Histogram(
    "baton_event_loop_lag_seconds",
    "Time by which a timer of the event loop is late, measured twice a second.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


async def measure_loop_lag() -> None:
    """Observe by how much a timer of the event loop is late, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PERIOD_SECONDS
        await asyncio.sleep(PERIOD_SECONDS)
        LOOP_LAG.observe(max(loop.time() - due, 0))
