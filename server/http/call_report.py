"""The report of every call: a log line, metrics, and the headers that state a rate limit.

The log line never contains a path or a document: both may hold tokens and words of customers.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import HTTPConnection
from starlette.types import Message, Scope, Send

from resolvers.actor import Actor
from resolvers.call_record import SUCCEEDED, UNNAMED, CallRecord, RateStatus
from rules.typeid import API_KEY, CONVERSATION, MEMBER, format_id

REQUESTS = Counter("baton_requests", "Calls over HTTP and WebSocket.", ["transport", "operation", "outcome"])
DURATION = Histogram(
    "baton_request_seconds",
    "Time from a call to the end of its answer.",
    ["transport", "operation"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

# Probes and files: frequent, and of interest only to someone who looks for them.
_QUIET = frozenset({"healthz", "readyz", "metrics", "front", "page", "asset", "loader", "hashed", "pinned"})

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """A call that has just ended, and the head of its request."""

    transport: str
    record: CallRecord
    seconds: float
    status: int | None = None
    headers: Sequence[tuple[bytes, bytes]] = ()


Trace = Callable[[FinishedCall], None]
# What traces calls in this process: nothing, unless the environment asks for it.
_traces: list[Trace] = []


class HttpReport:
    """The report of one HTTP request."""

    def __init__(self, record: CallRecord) -> None:
        self._record = record
        self.status = 0

    def sender(self, send: Send) -> Send:
        """Return `send` that notes the status and adds the headers of a rate limit."""

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                if self._record.rate is not None:
                    message["headers"] = [*message["headers"], *_rate_headers(self._record.rate)]
            await send(message)

        return send_noted


@contextmanager
def reported(scope: Scope) -> Iterator[HttpReport]:
    """Report the HTTP request of the block; its record is that of `record_of`."""
    record = scope["record"] = CallRecord()
    report, began = HttpReport(record), time.monotonic()
    try:
        yield report
    finally:
        if record.operation == UNNAMED:
            record.operation = getattr(scope.get("endpoint"), "__name__", UNNAMED).lstrip("_")
        if record.outcome == SUCCEEDED and report.status >= 400:
            record.outcome = str(report.status)
        seconds = time.monotonic() - began
        _report("http", record, seconds, status=report.status)
        _trace(FinishedCall("http", record, seconds, report.status, scope["headers"]))


@contextmanager
def reported_operation(caller: Actor | None) -> Iterator[CallRecord]:
    """Report the query or mutation over a WebSocket that runs in the block."""
    record, began = CallRecord(caller), time.monotonic()
    try:
        yield record
    finally:
        seconds = time.monotonic() - began
        _report("websocket", record, seconds)
        _trace(FinishedCall("websocket", record, seconds))


@contextmanager
def calls_traced_by(trace: Trace) -> Iterator[None]:
    """Pass every finished call of the block to a function, except for probes, files and shed calls."""
    _traces.append(trace)
    try:
        yield
    finally:
        _traces.remove(trace)


def record_of(connection: HTTPConnection) -> CallRecord:
    """Return the record of a request; an application without reports has one that is discarded."""
    return cast(CallRecord, connection.scope.setdefault("record", CallRecord()))


def _rate_headers(status: RateStatus) -> list[tuple[bytes, bytes]]:
    """Return the headers of draft-ietf-httpapi-ratelimit-headers-10: the limit, and what is left of it."""
    seconds = status.limit.get_expiry()
    policy = f'"{status.name}";q={status.limit.amount};w={seconds}'
    left = f'"{status.name}";r={status.remaining};t={seconds}'
    return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]


@lru_cache(4_096)
def _metrics_of(transport: str, operation: str, outcome: str) -> tuple[Counter, Histogram]:
    # Finding the metrics of labels takes longer than counting. Labels come from the schema and the routes.
    return REQUESTS.labels(transport, operation, outcome), DURATION.labels(transport, operation)


def _trace(call: FinishedCall) -> None:
    if _traces and not call.record.shed and call.record.operation not in _QUIET:
        for trace in _traces:
            trace(call)


def _report(transport: str, record: CallRecord, seconds: float, **more: int) -> None:
    count, duration = _metrics_of(transport, record.operation, record.outcome)
    count.inc()
    duration.observe(seconds)
    log = _logger.debug if record.shed or record.operation in _QUIET else _logger.info
    log(
        "request.served",
        transport=transport,
        operation=record.operation,
        outcome=record.outcome,
        ms=round(seconds * 1000, 1),
        **more,
        **({} if record.fields is None else {"fields": record.fields}),
        **_named(record.caller),
    )


def _named(caller: Actor | None) -> dict[str, str]:
    if caller is None:
        return {}
    named = {"caller": caller.kind.value}
    if caller.member_id:
        named["caller_id"] = format_id(MEMBER, caller.member_id)
    elif caller.api_key_id:
        named["caller_id"] = format_id(API_KEY, caller.api_key_id)
    elif caller.conversation_id:
        named["caller_id"] = format_id(CONVERSATION, caller.conversation_id)
    return named
