"""Spans of calls. This module is imported only if the environment asks for traces.

A span has the operation, the outcome and the kind of the caller. It has no path, document, variable or id:
they may hold tokens and words of customers.
"""

import time
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from resolvers.actor import ActorKind
from resolvers.errors import FAILURES
from server.http.call_report import FinishedCall
from server.version import VERSION

_PARENT = frozenset({b"traceparent", b"tracestate"})


class CallTracer:
    """Makes a span of each call, and exports spans in a thread of its own.

    The SDK reads sampler, limits, headers, endpoint and resource from the environment. Spans that the
    collector does not take in time are dropped.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        own: dict[str, AttributeValue] = {SERVICE_VERSION: VERSION}
        given = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
        if not environment.get("OTEL_SERVICE_NAME") and f"{SERVICE_NAME}=" not in given:
            own[SERVICE_NAME] = "baton"
        # Not the provider of the whole process: other libraries make no spans here.
        self._provider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("baton", VERSION)
        self._propagator = TraceContextTextMapPropagator()

    def trace(self, call: FinishedCall) -> None:
        """Make the span of a call that has just ended."""
        record, ended = call.record, time.time_ns()
        span = self._tracer.start_span(
            record.operation,
            self._parent(call),
            SpanKind.SERVER,
            _attributes(call),
            start_time=ended - round(call.seconds * 1e9),
        )
        if record.outcome in FAILURES or (call.status or 0) >= 500:
            span.set_status(Status(StatusCode.ERROR, record.outcome))
        span.end(ended)

    def close(self) -> None:
        """Export what is waiting, and stop."""
        self._provider.shutdown()

    def _parent(self, call: FinishedCall) -> Context:
        """Return the span of the caller, if an API key was presented: others could force the sampling."""
        caller = call.record.caller
        if caller is None or caller.kind is not ActorKind.API_KEY:
            return Context()
        carried = {name.decode(): value.decode("latin-1") for name, value in call.headers if name in _PARENT}
        return self._propagator.extract(carried, Context())


def _attributes(call: FinishedCall) -> dict[str, AttributeValue]:
    record = call.record
    attributes: dict[str, AttributeValue] = {
        "baton.transport": call.transport,
        "baton.outcome": record.outcome,
    }
    if record.caller is not None:
        attributes["baton.caller.kind"] = record.caller.kind.value
    if record.fields is not None:
        attributes["baton.cost.fields"] = record.fields
    if call.status is not None:
        attributes["http.response.status_code"] = call.status
    return attributes
