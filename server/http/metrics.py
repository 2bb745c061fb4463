"""The metrics in the text format of Prometheus: what was counted, and what is read for each answer.

No label names a workspace, a person or a conversation. What waits in the database is read every 15 seconds
at most, by statements whose cost does not grow with the tables.
"""

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Info, Metric, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from models.connection_pool import PoolUse
from realtime.backlog import Backlog
from server.database_probe import NO_DATABASE
from server.embedded.location import database_folder
from server.http.state import HttpState, http_state
from server.version import VERSION

Info("baton_build", "The version of this process.").info(
    {"version": VERSION, "python": platform.python_version()}
)


async def metrics(request: Request) -> Response:
    """Return the metrics in the text format of Prometheus."""
    state = http_state(request)
    fault = await state.probe.fault()
    backlog = None if fault == NO_DATABASE else await state.probe.backlog()
    readings = _Readings(state, fault, backlog)
    registry = CollectorRegistry()
    registry.register(readings)
    return Response(generate_latest() + generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@dataclass(eq=False)
class _Readings(Collector):
    """The figures that are read for one answer. Without the database, its figures are missing."""

    state: HttpState
    fault: str | None
    backlog: Backlog | None

    def collect(self) -> Iterator[Metric]:
        yield _gauge("baton_database_writable", "1 if the database can be written, else 0.", not self.fault)
        yield from _pool_metrics(self._pools())
        if (free := _free_bytes(self.state)) is not None:
            yield _gauge("baton_data_dir_free_bytes", "Free disk space of the data folder.", free)
        if self.backlog:
            yield from _backlog_metrics(self.backlog)

    def _pools(self) -> Mapping[str, PoolUse]:
        services = self.state.services
        return {
            "sessions": services.database.session_pool_use(),
            "queries": services.database.query_pool_use(),
            "writes": services.database.write_pool_use(),
            "live": services.live_database.query_pool_use(),
            "lists": services.list_database.session_pool_use(),
            "analytics": services.list_database.query_pool_use(),
        }


def _free_bytes(state: HttpState) -> int | None:
    try:
        disk = os.statvfs(database_folder(state.settings.data_dir))
    except OSError:
        return None  # with a database of its own, a process may have no data folder
    return disk.f_bavail * disk.f_frsize


def _pool_metrics(pools: Mapping[str, PoolUse]) -> Iterator[Metric]:
    used = {name: use.in_use for name, use in pools.items()}
    yield _by("pool", "baton_pool_in_use", "Connections to the database in use, by pool.", used)
    sizes = {name: use.size for name, use in pools.items()}
    yield _by("pool", "baton_pool_size", "Connections that a pool may open.", sizes)
    waiting = {name: use.waiting for name, use in pools.items()}
    yield _by("pool", "baton_pool_waiting", "Callers that wait for a connection, by pool.", waiting)


def _backlog_metrics(backlog: Backlog) -> Iterator[Metric]:
    yield _by("kind", "baton_jobs_due", "Jobs that are due and not taken, by kind.", backlog.jobs_due)
    text = "Seconds since the oldest timer or delivery of a kind was due; 0 if none is."
    yield _by("kind", "baton_overdue_seconds", text, backlog.overdue)
    text = "Deliveries that wait for an attempt."
    yield _gauge("baton_deliveries_pending", text, backlog.deliveries_pending)
    text = "Events that the planner of deliveries has not read."
    yield _gauge("baton_planner_lag_events", text, backlog.unplanned)
    text = "Age of the oldest event that the planner of deliveries has not read."
    yield _gauge("baton_planner_lag_seconds", text, backlog.unplanned_seconds)
    text = "Running clocks of open escalations, by status."
    yield _by("status", "baton_sla_clocks", text, backlog.clocks)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _by(label: str, name: str, text: str, values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], float(value))
    return family
