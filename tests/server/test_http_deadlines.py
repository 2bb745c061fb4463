"""HTTP over real sockets: a client that is too slow is cut off, and a head that is too large is refused."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import uvicorn

from server.graphql.uvicorn_protocols import Deadlines, RequestProtocol
from tests.support.baton_client import DEADLINE
from tests.support.slow_socket import slow_socket

pytestmark = pytest.mark.anyio

HEAD = b"POST / HTTP/1.1\r\nHost: baton\r\nContent-Length: 5\r\n\r\n"
GET_LARGE = b"GET /large HTTP/1.1\r\nHost: baton\r\n\r\n"
LARGE = 20_000_000  # bytes: more than the kernel buffers
PIECE, PIECES = 60_000, 200


class ShortDeadlines(RequestProtocol):
    deadlines = Deadlines(head=0.3, body=0.3, unread=0.3)


class LongerDeadlines(RequestProtocol):
    deadlines = Deadlines(head=0.3, body=0.3, unread=1.0)


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


async def application(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    if scope["path"] == "/busy":
        await asyncio.sleep(1)
    body = b"x" * LARGE if scope["path"] == "/large" else b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    headers = [(b"content-length", b"%d" % len(body))]
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200})
        for _ in range(PIECES):
            await send({"type": "http.response.body", "body": b"x" * PIECE, "more_body": True})
        return
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Server:
    """A running server, and its clients' connections."""

    def __init__(self, server: uvicorn.Server, closing: ExitStack) -> None:
        self.server = server
        self._closing = closing

    @property
    def port(self) -> int:
        port: int = self.server.servers[0].sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    async def connect(self, *, slow: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sock = slow_socket(self.port) if slow else socket.create_connection(("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=4_096)
        self._closing.callback(writer.close)
        await until(lambda: self.connections == 1)
        return reader, writer


@pytest.fixture(params=[ShortDeadlines])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    config = uvicorn.Config(
        application,
        port=0,
        http=request.param,
        ws="none",
        log_config=None,
        lifespan="off",
        timeout_keep_alive=60,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    with ExitStack() as closing:
        yield Server(server, closing)
    server.should_exit = True
    await asyncio.wait_for(task, DEADLINE)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - nothing notifies of what is waited for
            await asyncio.sleep(0.005)


async def hung_up(reader: asyncio.StreamReader) -> None:
    """Wait until the server ends the connection without a word."""
    async with asyncio.timeout(DEADLINE):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: baton\r\n", HEAD, HEAD + b"1234"],
    ids=["nothing", "request line", "half a head", "head without body", "half a body"],
)
async def test_request_that_is_not_completed_in_time_is_cut_off(served: Server, sent: bytes) -> None:
    reader, writer = await served.connect()
    writer.write(sent)
    await hung_up(reader)
    await until(lambda: not served.connections)


async def test_second_request_on_a_connection_has_the_same_deadline(served: Server) -> None:
    reader, writer = await served.connect()
    writer.write(HEAD + b"12345")
    assert (await reader.readuntil(b"12345")).startswith(b"HTTP/1.1 200")
    writer.write(HEAD[:-2])
    await hung_up(reader)


async def test_client_that_only_waits_is_not_cut_off(served: Server) -> None:
    reader, writer = await served.connect()
    writer.write(b"GET /busy HTTP/1.1\r\nHost: baton\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    # Between requests a connection may be idle for longer than a head may take.
    await asyncio.sleep(0.6)
    writer.write(HEAD + b"12345")
    assert (await reader.readuntil(b"12345")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("extra", [b"", b"Connection: close\r\n"], ids=["kept alive", "closing"])
async def test_client_that_does_not_read_its_answer_is_cut_off(served: Server, extra: bytes) -> None:
    _, writer = await served.connect()
    writer.write(GET_LARGE[:-2] + extra + b"\r\n")
    await until(lambda: not served.connections)


async def test_client_that_reads_slowly_gets_all_of_its_answer(served: Server) -> None:
    reader, writer = await served.connect()
    writer.write(GET_LARGE)
    await reader.readuntil(b"\r\n\r\n")
    for _ in range(20):
        await reader.readexactly(LARGE // 20)
        await asyncio.sleep(0.1)
    assert served.connections == 1


@pytest.mark.parametrize("served", [LongerDeadlines], indirect=True)
async def test_client_that_reads_a_stream_slowly_is_served(served: Server) -> None:
    reader, writer = await served.connect(slow=True)
    writer.write(b"GET /stream HTTP/1.1\r\nHost: baton\r\n\r\n")
    # The server's system takes more only after a third of its buffer was read: here after two seconds.
    for _ in range(60):
        await reader.readexactly(PIECE)
        await asyncio.sleep(0.1)
    assert served.connections == 1


def head_of(fields: int, field_bytes: int) -> bytes:
    lines = [b"x-%04d: %b\r\n" % (number, b"v" * field_bytes) for number in range(fields - 1)]
    return b"GET / HTTP/1.1\r\nHost: baton\r\n" + b"".join(lines) + b"\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (head_of(100, 1), 200),
        (head_of(101, 1), 431),
        (head_of(30, 1_000), 200),
        (head_of(40, 1_000), 431),
        (b"GET /?" + b"a" * 33_000 + b" HTTP/1.1\r\nHost: baton\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: baton\r\nx: " + b"a" * 40_000, 431),
    ],
    ids=["100 fields", "101 fields", "30 KiB", "40 KiB", "a long URL", "a field without end"],
)
@pytest.mark.parametrize("piece", [100_000, 3_000])
async def test_head_of_more_than_32_kib_or_100_fields_is_refused(
    served: Server, head: bytes, status: int, piece: int
) -> None:
    reader, writer = await served.connect()
    answer = asyncio.create_task(reader.readuntil(b"\r\n"))
    for start in range(0, len(head), piece):
        if not answer.done():
            writer.write(head[start : start + piece])
            await asyncio.sleep(0.005)
    assert (await answer).startswith(b"HTTP/1.1 %d " % status)


async def test_large_body_with_a_small_head_is_read(served: Server) -> None:
    reader, writer = await served.connect()
    body = b"b" * 200_000
    writer.write(b"POST / HTTP/1.1\r\nHost: baton\r\nContent-Length: 200000\r\n\r\n" + body)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert await reader.readexactly(200_000) == body
