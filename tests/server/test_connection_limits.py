"""Connections over real sockets: each address has so many, and health is answered when there are too many."""

import asyncio
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import uvicorn

from server.graphql.uvicorn_protocols import RequestProtocol
from server.http.connection_limits import Admission, ConnectionLimits, connections_in_all, trusted_networks
from tests.support.baton_client import DEADLINE, Server, wait_for
from tests.support.raw_websocket import Raw
from tests.support.server_log import written_log


def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE, source_address=(source, 0))


def answer(connection: socket.socket, path: str = "/healthz") -> str:
    """Send a request and return the status line; an empty one if the connection was closed."""
    try:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        return connection.recv(65_536).decode().partition("\r\n")[0]
    except (ConnectionResetError, BrokenPipeError):
        return ""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="baton-connections-") as folder:
        environment = {"BATON_CONNECTIONS_PER_ADDRESS": "4", "FORWARDED_ALLOW_IPS": "192.0.2.1"}
        with Server.started(Path(folder), **environment) as started:
            yield started


def test_address_with_too_many_connections_is_refused_until_one_ends(server: Server) -> None:
    with ExitStack() as closing:

        def admitted() -> bool:
            return answer(closing.enter_context(connect(server.port))) == "HTTP/1.1 200 OK"

        silent, *_ = [closing.enter_context(connect(server.port)) for _ in range(3)]
        websocket = Raw(server)
        assert websocket.ask().startswith("HTTP/1.1 101")
        for _ in range(3):
            refused = closing.enter_context(connect(server.port))
            assert refused.recv(65_536).startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
            assert refused.recv(1) == b""
        neighbour = closing.enter_context(connect(server.port, "127.0.0.2"))
        assert answer(neighbour) == "HTTP/1.1 200 OK"

        websocket.close()
        wait_for(admitted, "the place of the WebSocket")
        silent.close()
        wait_for(admitted, "the place of the silent connection")
        assert not admitted()
    assert "connections.address_limit" in written_log(server)


def test_open_connections_are_a_metric(server: Server) -> None:
    other = httpx.HTTPTransport(local_address="127.0.0.3")
    with connect(server.port, "127.0.0.3"), httpx.Client(base_url=server.url, transport=other) as client:
        wait_for(lambda: "baton_open_connections 2.0" in client.get("/metrics").text, "two connections")


async def application(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port_of_two() -> AsyncIterator[int]:
    """Port of a server for two connections in all."""
    config = uvicorn.Config(application, port=0, ws="none", log_config=None, lifespan="off")
    config.http = cast(Any, partial(RequestProtocol, limits=ConnectionLimits(100, in_all=2)))
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(DEADLINE):
        while not server.started:  # noqa: ASYNC110 - nothing notifies of the start
            await asyncio.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await asyncio.wait_for(task, DEADLINE)


@pytest.mark.anyio
async def test_health_is_answered_when_there_are_too_many_connections(port_of_two: int) -> None:
    def statuses() -> list[str]:
        with ExitStack() as closing:
            opened = [closing.enter_context(connect(port_of_two)) for _ in range(4)]
            assert answer(opened[0], "/") == "HTTP/1.1 200 OK"
            assert answer(opened[1], "/") == "HTTP/1.1 200 OK"
            return [
                answer(opened[2], "/healthz"),
                answer(opened[2], "/readyz"),
                answer(opened[3], "/graphql"),
            ]

    assert await asyncio.to_thread(statuses) == [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 503 Service Unavailable",
    ]


def test_ipv6_addresses_count_by_their_network() -> None:
    limits = ConnectionLimits(2, in_all=10)
    admissions = [limits.admit(address) for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3")]
    assert admissions == [Admission.ADMITTED, Admission.ADMITTED, Admission.REFUSED]
    assert limits.admit("2001:db8:0:1::1") is Admission.ADMITTED
    mapped = [
        limits.admit(address)
        for address in ("::ffff:192.0.2.1", "::ffff:192.0.2.2", "192.0.2.1", "192.0.2.1")
    ]
    assert mapped == [Admission.ADMITTED] * 3 + [Admission.REFUSED]


def test_proxies_have_no_limit_per_address() -> None:
    limits = ConnectionLimits(1, in_all=10, trusted=trusted_networks("127.0.0.1, 10.0.0.0/8,proxy.sock"))
    assert {limits.admit(address) for address in ("127.0.0.1", "127.0.0.1", "10.1.2.3", "10.1.2.3")} == {
        Admission.ADMITTED
    }
    assert [limits.admit("192.0.2.1") for _ in range(2)] == [Admission.ADMITTED, Admission.REFUSED]
    everyone = ConnectionLimits(1, in_all=10, trusted=trusted_networks("*"))
    assert {everyone.admit("192.0.2.1"), everyone.admit("192.0.2.1")} == {Admission.ADMITTED}


def test_refused_connections_above_the_reserve_for_health_are_not_counted() -> None:
    limits = ConnectionLimits(1_000, in_all=1)
    assert [limits.admit("192.0.2.1") for _ in range(66)][64:] == [Admission.HEALTH_ONLY, Admission.REFUSED]
    for _ in range(65):
        limits.release("192.0.2.1")
    assert limits.admit("192.0.2.1") is Admission.ADMITTED


@pytest.mark.parametrize(("descriptors", "connections"), [(1_024, 832), (128, 64), (1_048_576, 1_048_384)])
def test_descriptors_of_the_service_are_reserved(descriptors: int, connections: int) -> None:
    assert connections_in_all(descriptors) == connections


def test_connections_wait_while_the_process_accepts_none(server: Server) -> None:
    assert server.process is not None
    room = int(Path("/proc/sys/net/core/somaxconn").read_text())
    if room <= 2_048:
        pytest.skip(f"the kernel keeps at most {room} connections")
    server.process.pause()
    try:
        # The kernel answers no further ones, and a connection that its client has closed keeps its place.
        for _ in range(min(room, 3_000)):
            connect(server.port, "127.0.0.4").close()
    finally:
        server.process.send_signal(signal.SIGCONT)
    with connect(server.port, "127.0.0.5") as connection:
        assert answer(connection) == "HTTP/1.1 200 OK"
