"""Traces of calls: exported by OTLP where the environment asks for them, without content."""

import gzip
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from server.http.tracing import tracing
from tests.support.baton_client import Caller, Server, Workspace, wait_for

RECORD = """mutation($i: RecordMessageInput!) { recordMessage(input: $i) { message { id } } }"""
SECRET_WORDS = "my card number is 4111"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


class Collector:
    """A collector of OTLP over HTTP, which keeps what it is sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.url = ""

    def spans(self) -> dict[str, Any]:
        """Return the spans by their names, each name's latest."""
        spans: dict[str, Any] = {}
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans |= {span.name: span for span in scope.spans}
        return spans

    def resource(self) -> dict[str, str]:
        """Return the attributes of the exporting process."""
        request = ExportTraceServiceRequest.FromString(self.bodies[0])
        return {item.key: item.value.string_value for item in request.resource_spans[0].resource.attributes}

    @contextmanager
    def running(self) -> Iterator["Collector"]:
        """Listen for the duration of the block."""
        with ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)) as server:
            self.url = f"http://127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            collector.bodies.append(body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the base class)
            """Log nothing."""

    return Handler


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector().running() as running:
        yield running


@pytest.fixture(scope="module")
def traced(
    server: Server, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A process of the shared service that exports traces."""
    running = Server(server.data_dir, server.owner_url, server.service_url)
    running.log = tmp_path_factory.mktemp("traced") / "serve.log"
    running.start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="100")
    yield running
    running.stop()


def attributes(span: Any) -> dict[str, Any]:
    """Return the attributes of a span."""
    values = {}
    for item in span.attributes:
        kind = item.value.WhichOneof("value")
        values[item.key] = getattr(item.value, kind)
    return values


def test_calls_are_exported_with_operation_and_outcome_and_without_content(
    traced: Server, collector: Collector, workspace: Workspace
) -> None:
    conversation = workspace.start()["conversation"]["id"]
    key = Caller(traced.url, workspace.key.token)
    given = {"conversationId": conversation, "role": "USER", "content": SECRET_WORDS}
    key.ask(RECORD, i=given)
    Caller(traced.url, None).post('mutation { createAgent(name: "x") { id } }')
    httpx.get(f"{traced.url}/escalations", headers=key.headers)
    httpx.get(f"{traced.url}/healthz")
    names = {"mutation recordMessage", "mutation createAgent", "get_escalations"}
    spans = wait_for(lambda: collector.spans() if names <= collector.spans().keys() else None, "the spans")
    assert "healthz" not in spans
    recorded = attributes(spans["mutation recordMessage"])
    assert recorded.pop("baton.cost.fields") > 0
    assert recorded == {
        "baton.transport": "http",
        "baton.outcome": "OK",
        "baton.caller.kind": "API_KEY",
        "http.response.status_code": 200,
    }
    assert attributes(spans["mutation createAgent"])["baton.outcome"] == "UNAUTHENTICATED"
    span = spans["mutation recordMessage"]
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60e9
    assert abs(span.end_time_unix_nano / 1e9 - time.time()) < 60
    assert collector.resource()["service.name"] == "baton"
    sent = b"".join(collector.bodies)
    for word in (SECRET_WORDS, conversation, key.token or "", "/escalations", "mutation($i"):
        assert word.encode() not in sent


def test_trace_of_a_key_is_continued_and_that_of_a_stranger_is_not(
    traced: Server, collector: Collector, workspace: Workspace
) -> None:
    collector.bodies.clear()
    headers = {**workspace.key.headers, "traceparent": PARENT}
    httpx.post(f"{traced.url}/graphql", headers=headers, json={"query": "{ agents { id } }"})
    query = {"query": "{ escalationCounts { open } }"}
    httpx.post(f"{traced.url}/graphql", headers={"traceparent": PARENT}, json=query)
    names = {"query agents", "query escalationCounts"}
    spans = wait_for(lambda: collector.spans() if names <= collector.spans().keys() else None, "the spans")
    assert spans["query agents"].trace_id.hex() == TRACE_ID
    assert spans["query agents"].parent_span_id.hex() == PARENT.split("-")[2]
    assert spans["query escalationCounts"].trace_id.hex() != TRACE_ID


def test_stop_is_not_delayed_by_a_collector_that_is_away(server: Server, tmp_path: Path) -> None:
    running = Server(server.data_dir, server.owner_url, server.service_url)
    running.log = tmp_path / "serve.log"
    running.start(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    httpx.post(f"{running.url}/graphql", json={"query": "{ agents { id } }"})
    assert running.stop(seconds=20) == 0


UNTRACED: list[dict[str, str]] = [
    {},
    {"OTEL_SERVICE_NAME": "baton"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
]


def test_opentelemetry_is_not_imported_unless_the_environment_asks() -> None:
    # One process for all, as it takes seconds to import the server.
    program = (
        "import sys, server.serve\n"
        "from server.http.tracing import tracing\n"
        f"for environment in {UNTRACED!r}:\n"
        "    with tracing(environment):\n"
        "        print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n" * len(UNTRACED)


def test_protocol_that_baton_does_not_speak_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with tracing(asked):
        pass
    written = capsys.readouterr()
    assert "tracing.unavailable" in written.out + written.err
    assert "grpc" in written.out + written.err
