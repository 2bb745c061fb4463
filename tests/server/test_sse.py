"""Server-Sent Events: what a client reads, and how a stream ends."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock
from uuid import uuid4

import httpx
import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers.actor import Actor, ActorKind
from resolvers.context import Context
from schema.live.event_buffer import EncodedBatch
from schema.live.group_member import Sink
from server.graphql.client_connections import ClientConnections
from server.graphql.sse import StreamTimeouts, event_stream
from server.graphql.uvicorn_protocols import RequestProtocol
from server.graphql.websocket_protocol import WebSocketProtocol
from server.http.authentication import AuthenticatedCall
from tests.support.baton_client import DEADLINE

pytestmark = pytest.mark.anyio

KEY = Actor(ActorKind.API_KEY, uuid4(), api_key_id=uuid4())
UPGRADE = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: " + b"A" * 22 + b"==",
)
COMPLETE = "event: complete\ndata: \n\n"


@dataclass
class Stage:
    """A running server whose results and credentials are the test's."""

    port: int = 0
    connections: ClientConnections = field(init=False)
    server: uvicorn.Server = field(init=False)
    actors: dict[str, Actor] = field(default_factory=lambda: {"key": KEY})
    running: int = 0
    timeouts: StreamTimeouts = field(default_factory=lambda: StreamTimeouts(comment=0.02, send=0.2))

    async def run(self, kind: str, listener: Sink) -> None:
        self.running += 1
        try:
            await listener.put(EncodedBatch([orjson.dumps({"data": {"line": "one\ntwo"}})]))
            if kind == "broken":
                raise ValueError("a secret of ours")
            if kind == "endless":
                await asyncio.Event().wait()
            while kind == "flood":
                await listener.put(EncodedBatch([orjson.dumps({"data": "x" * 60_000})]))
        finally:
            self.running -= 1

    async def still_good(self, _: Collection[str]) -> Mapping[str, Actor]:
        return self.actors

    async def endpoint(self, request: Request) -> Response:
        caller = KEY if "authorization" in request.headers else None
        run = partial(self.run, request.path_params["kind"])
        call = AuthenticatedCall(Context(cast(Any, Mock()), caller), "key" if caller else None)
        return event_stream(run, request, call, self.timeouts)

    @asynccontextmanager
    async def asked(self, kind: str) -> AsyncIterator[httpx.Response]:
        headers = {"Authorization": "Bearer key", "Accept": "text/event-stream"}
        async with (
            httpx.AsyncClient(trust_env=False) as client,
            client.stream("POST", f"http://127.0.0.1:{self.port}/{kind}", headers=headers) as response,
        ):
            yield response


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


@pytest.fixture
async def stage(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Stage]:
    stage = Stage()
    stage.connections = ClientConnections(stage.still_good, recheck_seconds=0.02)
    app = Starlette(routes=[Route("/{kind}", stage.endpoint, methods=["POST"])])
    app.state = cast(Any, SimpleNamespace(connections=stage.connections))
    config = uvicorn.Config(
        app, port=0, ws=WebSocketProtocol, http=RequestProtocol, log_config=None, lifespan="off"
    )
    stage.server = uvicorn.Server(config)
    tasks = [asyncio.create_task(stage.server.serve()), asyncio.create_task(stage.connections.run())]
    await until(lambda: stage.server.started)
    stage.port = stage.server.servers[0].sockets[0].getsockname()[1]
    yield stage
    await stage.connections.close_all()
    stage.server.should_exit = True
    await asyncio.wait_for(tasks[0], DEADLINE)
    tasks[1].cancel()
    assert stage.running == len(stage.connections) == 0
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_results_come_as_events_and_complete_ends_them(stage: Stage) -> None:
    async with stage.asked("short") as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        text = (await response.aread()).decode()
    assert text == 'event: next\ndata: {"data":{"line":"one\\ntwo"}}\n\n' + COMPLETE


async def test_failure_is_masked_and_ends_the_operation(stage: Stage) -> None:
    async with stage.asked("broken") as response:
        text = (await response.aread()).decode()
    assert '"code":"INTERNAL"' in text
    assert "secret" not in text
    assert text.endswith(COMPLETE)


async def test_comments_keep_a_silent_stream_awake(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage.asked("endless") as response:
        lines = response.aiter_lines()
        while await anext(lines) != ":":
            pass
        assert await anext(lines) == ""


async def test_client_that_leaves_ends_its_operation(stage: Stage) -> None:
    async with stage.asked("endless") as response:
        assert await anext(response.aiter_lines()) == "event: next"
        assert stage.running == 1
    await until(lambda: stage.running == 0 and len(stage.connections) == 0)


async def test_client_that_leaves_with_requests_after_its_stream_ends_its_operation(stage: Stage) -> None:
    # No comment shows that the client has left.
    stage.timeouts = StreamTimeouts(comment=600)
    request = b"POST /endless HTTP/1.1\r\nHost: baton\r\nContent-Length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", stage.port)) as client:
        client.sendall(request * 3)
        await until(lambda: stage.running == 1)
    await until(lambda: stage.running == 0 and not stage.server.server_state.tasks)


async def test_websocket_is_not_opened_while_a_stream_runs_on_its_connection(stage: Stage) -> None:
    stage.timeouts = StreamTimeouts(comment=600)
    request = b"POST /endless HTTP/1.1\r\nHost: baton\r\nContent-Length: 0\r\n\r\n"
    upgrade = b"\r\n".join([b"GET / HTTP/1.1", b"Host: baton", *UPGRADE, b"", b""])
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(request)
    await until(lambda: stage.running == 1)
    writer.write(upgrade)
    # The stream is cut off by the refusal.
    assert b"HTTP/1.1 400 " in await asyncio.wait_for(reader.read(), DEADLINE)
    await until(lambda: stage.running == 0 and not stage.server.server_state.tasks)
    writer.close()


async def test_ended_credential_ends_the_stream_without_complete(stage: Stage) -> None:
    async with stage.asked("endless") as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "event: next"
        del stage.actors["key"]
        assert "event: complete" not in [line async for line in lines]


async def test_shutdown_ends_the_stream_without_complete(stage: Stage) -> None:
    async with stage.asked("endless") as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "event: next"
        await stage.connections.close_all()
        assert "event: complete" not in [line async for line in lines]


async def test_stream_that_begins_during_a_shutdown_is_ended_without_an_error(stage: Stage) -> None:
    await stage.connections.close_all()
    async with stage.asked("endless") as response:
        assert (response.status_code, await response.aread()) == (200, b"")
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"


async def test_client_that_reads_nothing_is_dropped(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_connection(("127.0.0.1", stage.port)) as stuck:
        stuck.sendall(b"POST /flood HTTP/1.1\r\nHost: baton\r\nContent-Length: 0\r\n\r\n")
        await until(lambda: stage.running == 1)
        await until(lambda: stage.running == 0 and not stage.server.server_state.connections)
