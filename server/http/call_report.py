"""The report of every call: a log line, metrics, and the headers that state a rate limit.

The log line never contains a path or a document: both may hold tokens and words of customers.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Self, cast

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import HTTPConnection
from starlette.types import Message, Scope

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
    """The report of the HTTP request that a `with` block answers; its record is that of `record_of`."""

    __slots__ = ("_began", "_record", "_scope", "_status")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._record = scope["record"] = CallRecord()
        self._status = 0

    @property
    def has_begun(self) -> bool:
        """Return whether the answer has begun."""
        return self._status > 0

    def add_to(self, start: Message) -> None:
        """Note the status of the answer, and add the headers of a rate limit to its start."""
        self._status = start["status"]
        if self._record.rate is not None:
            start["headers"] = [*start["headers"], *_rate_headers(self._record.rate)]

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        scope, record, status = self._scope, self._record, self._status
        seconds = time.monotonic() - self._began
        if record.operation == UNNAMED:
            record.operation = getattr(scope.get("endpoint"), "__name__", UNNAMED).lstrip("_")
        if record.outcome == SUCCEEDED and status >= 400:
            record.outcome = str(status)
        _report("http", record, seconds, status)
        if _traces:
            _trace(FinishedCall("http", record, seconds, status, scope["headers"]))


@contextmanager
def reported_operation(caller: Actor | None) -> Iterator[CallRecord]:
    """Report the query or mutation over a WebSocket that runs in the block."""
    record, began = CallRecord(caller), time.monotonic()
    try:
        yield record
    finally:
        seconds = time.monotonic() - began
        _report("websocket", record, seconds)
        if _traces:
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
    if not call.record.shed and call.record.operation not in _QUIET:
        for trace in _traces:
            trace(call)


def _report(transport: str, record: CallRecord, seconds: float, status: int | None = None) -> None:
    count, duration = _metrics_of(transport, record.operation, record.outcome)
    count.inc()
    duration.observe(seconds)
    log = _logger.debug if record.shed or record.operation in _QUIET else _logger.info
    facts: dict[str, object] = {
        "transport": transport,
        "operation": record.operation,
        "outcome": record.outcome,
        "ms": round(seconds * 1000, 1),
    }
    if status is not None:
        facts["status"] = status
    if record.fields is not None:
        facts["fields"] = record.fields
    if record.caller is not None:
        facts["caller"] = record.caller.kind.value
        facts |= _caller_id(record.caller)
    log("request.served", **facts)


def _caller_id(caller: Actor) -> dict[str, str]:
    if caller.member_id:
        return {"caller_id": format_id(MEMBER, caller.member_id)}
    if caller.api_key_id:
        return {"caller_id": format_id(API_KEY, caller.api_key_id)}
    if caller.conversation_id:
        return {"caller_id": format_id(CONVERSATION, caller.conversation_id)}
    return {}
