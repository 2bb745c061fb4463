"""The opening handshake of a WebSocket, byte by byte (RFC 6455, section 4.2)."""

import socket
from collections.abc import Mapping

import pytest

from tests.support.baton_client import DEADLINE, PROTOCOL, Server

# The example of RFC 6455, section 1.3.
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
USUAL = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Protocol": PROTOCOL,
}


def answer_to(
    server: Server, fields: Mapping[str, str], *more: str, line: str = "GET /graphql HTTP/1.1"
) -> list[str]:
    """Return the lines of the answer's head. A refused connection must be closed."""
    lines = [line, *(f"{name}: {value}" for name, value in fields.items()), *more, "", ""]
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as client:
        client.sendall("\r\n".join(lines).encode("latin-1"))
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = client.recv(4096)
            assert part, "closed without an answer"
            answer += part
        if not answer.startswith(b"HTTP/1.1 101"):
            while client.recv(4096):
                pass
    return answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")


def test_answer_has_the_accepted_key_and_the_subprotocol(server: Server) -> None:
    status, *fields = answer_to(server, USUAL | {"Sec-WebSocket-Protocol": f"soap , {PROTOCOL}"})
    assert status.startswith("HTTP/1.1 101 ")
    given = dict(field.lower().split(": ", 1) for field in fields)
    assert given["sec-websocket-accept"] == ACCEPT.lower()
    assert f"Sec-WebSocket-Accept: {ACCEPT}" in fields
    assert (given["upgrade"], given["connection"]) == ("websocket", "upgrade")
    assert given["sec-websocket-protocol"] == PROTOCOL
    assert "sec-websocket-extensions" not in given


def test_upgrade_is_read_without_regard_to_case(server: Server) -> None:
    assert answer_to(server, USUAL | {"Upgrade": "WebSocket"})[0].startswith("HTTP/1.1 101 ")


@pytest.mark.parametrize(
    "changed",
    [
        {"Sec-WebSocket-Version": "12"},
        {"Sec-WebSocket-Version": "13, 13"},
        {"Sec-WebSocket-Version": ""},
        {"Sec-WebSocket-Key": ""},
        {"Sec-WebSocket-Key": "c2hvcnQ="},
        {"Sec-WebSocket-Key": KEY[:-1]},
        {"Sec-WebSocket-Key": "é" * 24},
        {"Content-Length": "1"},
        {"Transfer-Encoding": "chunked"},
    ],
)
def test_unusual_field_is_refused(server: Server, changed: dict[str, str]) -> None:
    assert answer_to(server, USUAL | changed)[0].startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("field", "status"),
    [
        (f"Sec-WebSocket-Key: {KEY}", 400),
        ("Sec-WebSocket-Version: 13", 400),
        ("Upgrade: websocket", 426),
    ],
)
def test_repeated_field_is_refused(server: Server, field: str, status: int) -> None:
    assert answer_to(server, USUAL, field)[0].startswith(f"HTTP/1.1 {status} ")


def test_other_methods_are_refused_with_the_allowed_one(server: Server) -> None:
    status, *fields = answer_to(server, USUAL, line="PUT /graphql HTTP/1.1")
    assert status.startswith("HTTP/1.1 405 ")
    assert "Allow: GET" in fields
