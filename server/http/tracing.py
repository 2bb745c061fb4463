"""Traces of requests by OpenTelemetry, only where the environment asks for them.

Nothing of OpenTelemetry is imported otherwise. The SDK belongs to the extra `otel`.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from threading import Thread

import structlog

from server.http.call_report import calls_traced_by

# The process must end in time, whether the collector answers or not.
FLUSH_SECONDS = 3.0
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"

_logger = structlog.get_logger(__name__)


@contextmanager
def tracing(environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Export a span of every call in the block, if the standard variables of OpenTelemetry ask for it."""
    fault = _fault(environment)
    if not _is_wanted(environment) or fault:
        if fault:
            _logger.warning("tracing.unavailable", detail=fault)
        yield
        return
    tracer = import_module("server.http.call_tracer").CallTracer(environment)
    _logger.info("tracing.started")
    try:
        with calls_traced_by(tracer.trace):
            yield
    finally:
        _run_for(tracer.close, FLUSH_SECONDS)


def _is_wanted(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = [name.strip() for name in environment.get("OTEL_TRACES_EXPORTER", "").split(",")]
    if exporters != [""]:
        return "otlp" in exporters
    return any(environment.get(name) for name in _ENDPOINTS)


def _fault(environment: Mapping[str, str]) -> str | None:
    """Return why spans cannot be exported though they are asked for, or None."""
    if not _is_wanted(environment):
        return None
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _PROTOCOL)
    if protocol != _PROTOCOL:
        return f"Baton exports by {_PROTOCOL} only, and the environment asks for {protocol}."
    if find_spec("opentelemetry") is None:
        return "Install the extra first: pip install 'baton[otel]'."
    return None


def _run_for(work: Callable[[], None], seconds: float) -> None:
    """Run a function in a thread, and return when it ends, or when the time is over."""
    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        _logger.warning("tracing.flush_timeout", seconds=seconds)
