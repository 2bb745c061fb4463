"""The cost of an idle server."""

import time
from dataclasses import dataclass

from bench.processes import Memory
from bench.server_under_test import Stage


@dataclass(frozen=True, slots=True)
class Idle:
    """Memory some seconds after the start, and CPU in percent of one core."""

    server: Memory
    postgres: Memory
    postgres_processes: int
    server_percent: float
    postgres_percent: float


def measure_idle(stage: Stage, settle_seconds: float, seconds: float) -> Idle:
    """Wait until it has settled, reads its memory, and watches its CPU."""
    time.sleep(settle_seconds)
    server, postgres = stage.server.memory(), stage.postgres.memory()
    cpu, postgres_cpu, began = stage.server.cpu_seconds(), stage.postgres.cpu_seconds(), time.perf_counter()
    time.sleep(seconds)
    percent = 100 / (time.perf_counter() - began)
    return Idle(
        server,
        postgres,
        len(stage.postgres),
        (stage.server.cpu_seconds() - cpu) * percent,
        (stage.postgres.cpu_seconds() - postgres_cpu) * percent,
    )
