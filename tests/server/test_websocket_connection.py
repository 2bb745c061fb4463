"""A WebSocket connection over real sockets: handshake, messages, back-pressure, pings and the end."""

import asyncio
import base64
import gc
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn
from websockets.http11 import Request

from server.graphql.uvicorn_protocols import RequestProtocol
from server.graphql.websocket_protocol import WebSocketProtocol, connection_of
from tests.support.baton_client import DEADLINE
from tests.support.raw_websocket import begun, framed, ping, text

pytestmark = pytest.mark.anyio

PONG_OPCODE = 0x8A


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


class Session:
    """An application's side of a connection: it keeps what comes, and reads on by itself unless held."""

    def __init__(self, connection: WebSocketProtocol, *, reads_on: bool) -> None:
        self.connection = connection
        self.messages: list[tuple[bytes, bool]] = []
        self.gone = 0
        self.changes: list[bool] = []
        self._reads_on = reads_on
        connection.on_change = lambda: self.changes.append(connection.writable)

    def receive_message(self, data: bytes, is_text: bool) -> None:
        self.messages.append((data, is_text))
        if self._reads_on:
            self.connection.resume_reading()

    def client_gone(self) -> None:
        self.gone += 1

    def has_more_than(self, count: int) -> bool:
        return len(self.messages) > count


class Application:
    """An ASGI application that accepts on `/`, and misbehaves on other paths."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.scopes: list[dict[str, Any]] = []
        self.reads_on = True

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Any) -> None:
        self.scopes.append(scope)
        assert await receive() == {"type": "websocket.connect"}
        match scope["path"]:
            case "/refuse":
                await send({"type": "websocket.close", "code": 1000})
            case "/raise":
                raise LookupError("broken")
            case "/wait":
                await asyncio.Event().wait()
            case "/":
                session = Session(connection_of(scope), reads_on=self.reads_on)
                self.sessions.append(session)
                session.connection.accept(session, "chat" if "chat" in scope["subprotocols"] else None)


class Client:
    """A client whose bytes are the test's own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def handshake(self, path: str = "/", *headers: str, method: str = "GET") -> str:
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            *(headers or ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: soap, chat"]),
        ]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def frame(self) -> tuple[int, bytes]:
        head = await self.reader.readexactly(2)
        length = head[1]
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await self.reader.readexactly(8), "big")
        return head[0], await self.reader.readexactly(length)

    async def closed(self) -> tuple[int, str]:
        """Wait for the close frame and return its code and reason."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 0x88:
                return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    async def hung_up(self) -> bytes:
        """Return the bytes that arrive before the connection ends."""
        async with asyncio.timeout(DEADLINE):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


class Stage:
    """A running server and its clients."""

    def __init__(self, application: Application, server: uvicorn.Server, closing: AsyncExitStack) -> None:
        self.application = application
        self.server = server
        self._closing = closing

    async def connect(self) -> Client:
        port = self.server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self._closing.callback(writer.close)
        return Client(reader, writer)

    async def open(self) -> tuple[Client, Session]:
        client = await self.connect()
        assert (await client.handshake()).startswith("HTTP/1.1 101")
        return client, self.application.sessions[-1]


Start = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as closing:

        async def started(ping_interval: float = 60) -> Stage:
            return await closing.enter_async_context(_running(ping_interval))

        yield started


@asynccontextmanager
async def _running(ping_interval: float) -> AsyncIterator[Stage]:
    application = Application()
    config = uvicorn.Config(
        application,
        port=0,
        http=RequestProtocol,
        ws=WebSocketProtocol,
        ws_max_size=65_536,
        ws_ping_interval=ping_interval,
        log_config=None,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    async with AsyncExitStack() as closing:
        yield Stage(application, server, closing)
        server.should_exit = True
        await asyncio.wait_for(task, DEADLINE)
        assert not server.server_state.connections


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - nothing notifies of what is waited for
            await asyncio.sleep(0.005)


async def test_handshake_names_the_subprotocol_and_the_scope_describes_the_request(start: Start) -> None:
    stage = await start()
    client = await stage.connect()
    head = await client.handshake("/?a=%20b")
    assert head.startswith("HTTP/1.1 101")
    assert "sec-websocket-protocol: chat" in head.lower()
    assert "extensions" not in head.lower()
    (scope,) = stage.application.scopes
    assert (scope["type"], scope["scheme"], scope["path"]) == ("websocket", "ws", "/")
    assert (scope["query_string"], scope["client"][0]) == (b"a=%20b", "127.0.0.1")
    assert scope["subprotocols"] == ["soap", "chat"]
    assert (b"upgrade", b"websocket") in scope["headers"]


@pytest.mark.parametrize(
    ("path", "headers", "method", "status"),
    [
        ("/refuse", [], "GET", 403),
        ("/raise", [], "GET", 500),
        ("/other", [], "GET", 500),
        ("/", ["Sec-WebSocket-Version: 12"], "GET", 400),
        ("/", ["X: 1"], "GET", 400),
        ("/", [], "POST", 405),
    ],
)
async def test_handshake_that_fails_gets_a_status_and_a_closed_connection(
    start: Start, path: str, headers: list[str], method: str, status: int
) -> None:
    stage = await start()
    client = await stage.connect()
    head = await client.handshake(path, *headers, method=method)
    assert head.startswith(f"HTTP/1.1 {status} ")
    await client.hung_up()
    await until(lambda: not stage.server.server_state.connections)
    assert not stage.application.sessions


@pytest.mark.parametrize("header", ["Content-Length: 1", "Transfer-Encoding: chunked"])
async def test_handshake_with_a_body_is_refused(start: Start, header: str) -> None:
    stage = await start()
    client = await stage.connect()
    assert (await client.handshake("/", "Sec-WebSocket-Version: 13", header)).startswith("HTTP/1.1 400 ")
    await client.hung_up()
    assert not stage.application.scopes


async def test_open_connections_keep_nothing_of_their_handshakes(start: Start) -> None:
    stage = await start()
    gc.collect()
    gc.disable()  # what only the garbage collector frees would stay for minutes
    try:
        for _ in range(10):
            client, session = await stage.open()
            client.writer.write(text(b"one"))
            await until(partial(session.has_more_than, 0))
        stage.application.scopes.clear()
        kept = Counter(type(item) for item in gc.get_objects())
    finally:
        gc.enable()
    assert kept[WebSocketProtocol] == 10
    # The event loop may still hold those of the last read.
    assert kept[RequestProtocol] <= 1
    assert kept[Request] <= 1


async def test_client_that_leaves_during_the_handshake_leaves_nothing(start: Start) -> None:
    stage = await start()
    client = await stage.connect()
    client.writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    client.writer.write(b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16)))
    client.writer.write(b"\r\n\r\n")
    await client.writer.drain()
    client.writer.transport.abort()
    await until(lambda: stage.application.scopes and not stage.server.server_state.connections)
    await until(lambda: [session.gone for session in stage.application.sessions] == [1])


async def test_messages_arrive_whole_and_in_order(start: Start) -> None:
    stage = await start()
    client, session = await stage.open()
    client.writer.write(
        text(b"one") + framed(0x82, b"two") + begun(b"th") + ping(b"?") + framed(0x80, b"ree")
    )
    assert await client.frame() == (PONG_OPCODE, b"?")
    await until(lambda: len(session.messages) == 3)
    assert session.messages == [(b"one", True), (b"two", False), (b"three", True)]
    # More than is parsed in one iteration of the event loop, in one piece.
    client.writer.write(text(b"x") * 2_000 + text(b"y" * 60_000))
    await until(lambda: len(session.messages) == 2_004)
    assert session.messages[3:] == [(b"x", True)] * 2_000 + [(b"y" * 60_000, True)]


async def test_socket_is_not_read_while_a_message_is_being_handled(start: Start) -> None:
    stage = await start()
    stage.application.reads_on = False
    client, session = await stage.open()
    client.writer.write(text(b"a" * 3_000))
    await until(lambda: session.messages)
    client.writer.write(text(b"b" * 3_000) * 5_000)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await client.writer.drain()
    assert len(session.messages) == 1
    for _ in range(5):
        count = len(session.messages)
        session.connection.resume_reading()
        await until(partial(session.has_more_than, count))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (framed(0x81, b"x", masked=0), 1002),
        (framed(0x83), 1002),
        (begun(b" " * 60_000) + framed(0x80, b" " * 6_000), 1009),
        (begun(b"") + framed(0x00) * 1_001, 1009),
        (framed(0x88, b"\x0f\xa0bye"), 4000),
    ],
)
async def test_end_by_the_client_is_answered_and_reported_once(start: Start, sent: bytes, code: int) -> None:
    stage = await start()
    client, session = await stage.open()
    client.writer.write(sent)
    assert (await client.closed())[0] == code
    assert await client.hung_up() == b""
    await until(lambda: not stage.server.server_state.connections)
    assert session.gone == 1
    assert session.changes[-1] is False


async def test_client_that_hangs_up_is_reported_once(start: Start) -> None:
    stage = await start()
    client, session = await stage.open()
    client.writer.transport.abort()
    await until(lambda: session.gone)
    await until(lambda: not stage.server.server_state.connections)
    assert session.gone == 1


async def test_close_is_a_handshake_and_ends_reading_and_writing(start: Start) -> None:
    stage = await start()
    stage.application.reads_on = False
    client, session = await stage.open()
    client.writer.write(text(b"handled when the close comes"))
    await until(lambda: session.messages)
    session.connection.close(4403, "Forbidden")
    assert not session.connection.writable
    client.writer.write(text(b"too late"))
    assert await client.closed() == (4403, "Forbidden")
    client.writer.write(framed(0x88, b"\x11\x33"))
    assert await client.hung_up() == b""
    await until(lambda: not stage.server.server_state.connections)
    assert len(session.messages) == 1
    assert session.gone == 0


async def test_client_that_does_not_answer_a_close_is_aborted(start: Start) -> None:
    stage = await start()
    client, session = await stage.open()
    session.connection.close(1001, "", seconds=0.05)
    assert await client.closed() == (1001, "")
    await client.hung_up()
    await until(lambda: not stage.server.server_state.connections)


async def test_unread_bytes_block_writing_until_the_client_reads_on(start: Start) -> None:
    stage = await start()
    client, session = await stage.open()
    frame = b"\x82\x7f" + (1_000_000).to_bytes(8, "big") + bytes(1_000_000)
    sent = 0
    while session.connection.writable:
        session.connection.write(frame)
        sent += 1
        await asyncio.sleep(0)
    assert session.connection.unread_bytes > 0
    for _ in range(sent):
        assert (await client.frame())[0] == 0x82
    await until(lambda: session.connection.writable)
    assert session.connection.unread_bytes == 0
    assert session.changes == [True, False, True]


async def test_client_that_reads_nothing_is_aborted_at_its_close(start: Start) -> None:
    stage = await start()
    _, session = await stage.open()
    while session.connection.writable:
        session.connection.write(b"\x82\x7f" + (1_000_000).to_bytes(8, "big") + bytes(1_000_000))
        await asyncio.sleep(0)
    session.connection.close(1012, "Service restart", seconds=0.05)
    await until(lambda: not stage.server.server_state.connections)


async def test_client_that_answers_pings_stays_and_a_silent_one_is_aborted(start: Start) -> None:
    stage = await start(ping_interval=0.05)
    alive, alive_session = await stage.open()
    silent, silent_session = await stage.open()
    for _ in range(6):
        opcode, payload = await alive.frame()
        assert opcode == 0x89
        alive.writer.write(framed(PONG_OPCODE, payload))
    await until(lambda: silent_session.gone)
    assert (await silent.hung_up()).startswith(b"\x89")
    assert alive_session.gone == 0


async def test_shutdown_of_the_server_closes_with_1012(start: Start) -> None:
    stage = await start()
    client, _ = await stage.open()
    waiting = await stage.connect()
    handshake = asyncio.create_task(waiting.handshake("/wait"))
    await until(lambda: len(stage.application.scopes) == 2)
    stage.server.config.timeout_graceful_shutdown = 1
    stage.server.should_exit = True
    assert await client.closed() == (1012, "Service restart")
    with pytest.raises(asyncio.IncompleteReadError):
        await handshake
