"""POST requests that bypass the router: their answers, headers and log lines are those of the usual way."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvicorn
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from server.graphql.state import AppState
from server.graphql.uvicorn_protocols import RequestProtocol
from server.http.application import App
from server.http.direct_route import DirectRoute
from server.http.problems import EXCEPTION_HANDLERS
from server.http.request_body import receive_body
from server.settings import Settings
from tests.support.baton_client import DEADLINE
from tests.support.pubsub_probe import eventually

pytestmark = pytest.mark.anyio

CORS = Middleware(CORSMiddleware, allow_origins=["*"], expose_headers=["retry-after"])
COMPLETE: Sequence[Message] = [{"type": "http.request", "body": b"{}", "more_body": False}]
LEFT: Sequence[Message] = [
    {"type": "http.request", "body": b"{", "more_body": True},
    {"type": "http.disconnect"},
]
ORIGIN = (b"origin", b"https://shop.example")

Endpoint = Callable[[Request], Awaitable[Response]]


class Broken(Response):
    """A response that fails when it has begun."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("after the start")


class Endless(Response):
    """A response that does not end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await asyncio.Event().wait()


async def answer(request: Request) -> Response:
    await receive_body(request)
    return PlainTextResponse("done", headers={"cache-control": "no-cache"})


async def fail(_: Request) -> Response:
    raise RuntimeError("a secret of ours")


async def leave(_: Request) -> Response:
    raise ClientDisconnect


async def break_off(_: Request) -> Response:
    return Broken()


async def hang(_: Request) -> Response:
    await asyncio.Event().wait()
    raise AssertionError


async def begin_and_hang(_: Request) -> Response:
    return Endless()


def application(endpoint: Endpoint, *, direct: bool) -> App:
    """Return an application with one route for POST."""
    route = Route("/graphql", endpoint, methods=["POST"])
    state = cast(AppState, SimpleNamespace(settings=Settings()))
    return App(
        None,
        state,
        DirectRoute(route, CORS) if direct else None,
        routes=[route],
        middleware=[CORS],
        exception_handlers=EXCEPTION_HANDLERS,
    )


async def sent(
    endpoint: Endpoint,
    *more_headers: tuple[bytes, bytes],
    received: Sequence[Message] = COMPLETE,
    direct: bool,
) -> list[Message]:
    """Return the messages with which an application answers a POST."""
    app = application(endpoint, direct=direct)
    messages: list[Message] = []
    waiting = iter(received)

    async def receive() -> Message:
        return next(waiting)

    async def send(message: Message) -> None:
        messages.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *more_headers],
        "client": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)
    return messages


async def logged_and_sent(*given: Any, **options: Any) -> tuple[list[Message], list[Any]]:
    """Return what `sent` does, and the log lines without their durations."""
    with capture_logs() as logged:
        messages = await sent(*given, **options)
    return messages, [{name: value for name, value in line.items() if name != "ms"} for line in logged]


def headers_of(messages: Sequence[Message]) -> list[tuple[bytes, bytes]]:
    return sorted(messages[0]["headers"])


@pytest.mark.parametrize("headers", [[], [ORIGIN]], ids=["program", "page"])
@pytest.mark.parametrize(
    ("endpoint", "received", "status"), [(answer, COMPLETE, 200), (answer, LEFT, 400), (leave, COMPLETE, 400)]
)
async def test_answer_is_that_of_the_usual_way(
    endpoint: Endpoint, received: Sequence[Message], status: int, headers: list[tuple[bytes, bytes]]
) -> None:
    direct, direct_lines = await logged_and_sent(endpoint, *headers, received=received, direct=True)
    usual, usual_lines = await logged_and_sent(endpoint, *headers, received=received, direct=False)
    assert direct[0]["status"] == usual[0]["status"] == status
    assert headers_of(direct) == headers_of(usual)
    assert direct[1:] == usual[1:]
    assert direct_lines == usual_lines


@pytest.mark.parametrize("headers", [[], [ORIGIN]], ids=["program", "page"])
async def test_pages_of_every_origin_read_the_answer_and_caches_know_that_it_varies(
    headers: list[tuple[bytes, bytes]],
) -> None:
    for endpoint in (answer, fail):
        given = headers_of(await sent(endpoint, *headers, direct=True))
        assert [value for name, value in given if name == b"vary"] == [b"Origin"]
        allowed = [value for name, value in given if name == b"access-control-allow-origin"]
        assert allowed == ([b"*"] if headers else [])


async def test_unexpected_error_is_answered_and_logged_once() -> None:
    with capture_logs() as logged:
        start, body = await sent(fail, direct=True)
    assert start["status"] == 500
    assert b"secret" not in body["body"]
    assert (b"cache-control", b"no-store") in start["headers"]
    assert [line["event"] for line in logged] == ["request.failed", "request.served"]
    assert (logged[1]["operation"], logged[1]["outcome"], logged[1]["status"]) == ("fail", "500", 500)


async def test_error_after_the_start_is_only_logged() -> None:
    with capture_logs() as logged:
        messages = await sent(break_off, direct=True)
    assert [message["type"] for message in messages] == ["http.response.start"]
    assert [line["event"] for line in logged] == ["request.failed", "request.served"]
    assert logged[1]["status"] == 200


@asynccontextmanager
async def calling(app: App) -> AsyncIterator[tuple[uvicorn.Server, asyncio.StreamReader]]:
    """Serve the application, which stops without delay, and send it a call."""
    config = uvicorn.Config(
        app, port=0, http=RequestProtocol, log_config=None, lifespan="off", timeout_graceful_shutdown=0
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
    await eventually(lambda: len(server.server_state.tasks) > 0)
    yield server, reader
    await asyncio.wait_for(serving, DEADLINE)
    writer.close()


@pytest.mark.parametrize("direct", [True, False])
async def test_call_that_a_stopping_server_cuts_off_may_be_repeated(
    direct: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as logged:
        async with calling(application(hang, direct=direct)) as (server, reader):
            server.should_exit = True
            head, _, body = (await asyncio.wait_for(reader.read(), DEADLINE)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 1\r\n" in head
    assert b'"code":"UNAVAILABLE"' in body
    assert [(line["event"], line["outcome"]) for line in logged] == [("request.served", "UNAVAILABLE")]
    assert [record.getMessage()[:8] for record in caplog.records if record.levelno >= logging.ERROR] == [
        "Cancel 1"
    ]


async def test_answer_that_has_begun_is_cut_off() -> None:
    async with calling(application(begin_and_hang, direct=True)) as (server, reader):
        await reader.readuntil(b"begun")
        server.should_exit = True
        assert b"HTTP/1.1" not in await asyncio.wait_for(reader.read(), DEADLINE)
