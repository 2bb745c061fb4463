"""POST requests that bypass the router: their answers, headers and log lines are those of the usual way."""

from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from server.graphql.state import AppState
from server.http.application import App
from server.http.direct_route import DirectRoute
from server.http.problems import EXCEPTION_HANDLERS
from server.http.request_body import receive_body
from server.settings import Settings

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


async def answer(request: Request) -> Response:
    await receive_body(request)
    return PlainTextResponse("done", headers={"cache-control": "no-cache"})


async def fail(_: Request) -> Response:
    raise RuntimeError("a secret of ours")


async def leave(_: Request) -> Response:
    raise ClientDisconnect


async def break_off(_: Request) -> Response:
    return Broken()


async def sent(
    endpoint: Endpoint,
    *more_headers: tuple[bytes, bytes],
    received: Sequence[Message] = COMPLETE,
    direct: bool,
) -> list[Message]:
    """Return the messages with which an application answers a POST."""
    route = Route("/graphql", endpoint, methods=["POST"])
    state = cast(AppState, SimpleNamespace(settings=Settings()))
    app = App(
        None,
        state,
        DirectRoute(route, CORS) if direct else None,
        routes=[route],
        middleware=[CORS],
        exception_handlers=EXCEPTION_HANDLERS,
    )
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
