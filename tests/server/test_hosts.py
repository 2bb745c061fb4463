"""Host names under which the service answers."""

import http.client
import socket
from typing import Any

import pytest

from server.http.hosts import AllowedHosts
from server.settings import Settings, SettingsError, read_settings
from tests.support.baton_client import Server

LOCAL = Settings()
PUBLIC = Settings(public_url="https://Support.Example.com/path", hosts="Other.example, 10.0.0.9,[fd00::1]")
EVERYWHERE = Settings(host="0.0.0.0")


def scope(host: str | None, path: str = "/graphql") -> dict[str, Any]:
    headers = [(b"host", host.encode("latin-1"))] if host is not None else []
    return {"type": "http", "path": path, "headers": headers, "server": ("192.0.2.7", 8000)}


@pytest.mark.parametrize(
    ("settings", "host", "path", "allowed"),
    [
        (LOCAL, "localhost:8000", "/graphql", True),
        (LOCAL, "LOCALHOST", "/graphql", True),
        (LOCAL, "127.0.0.1:8000", "/graphql", True),
        (LOCAL, "[::1]:8000", "/graphql", True),
        (LOCAL, "localhost.", "/graphql", True),
        (LOCAL, "evil.example", "/graphql", False),
        (LOCAL, "evil.example:8000", "/healthz", False),
        (LOCAL, "localhost.evil.example", "/graphql", False),
        (LOCAL, "localhost@evil.example", "/graphql", False),
        (LOCAL, "evil.example@localhost", "/graphql", False),
        (LOCAL, "localhost:80:80", "/graphql", False),
        (LOCAL, "localhost/path", "/graphql", False),
        (LOCAL, "localhost,evil.example", "/graphql", False),
        (LOCAL, "[::1", "/graphql", False),
        (LOCAL, "\xe9vil.example", "/graphql", False),
        (LOCAL, "", "/graphql", False),
        (LOCAL, None, "/graphql", False),
        (LOCAL, "192.0.2.7", "/graphql", False),
        (EVERYWHERE, "192.0.2.7:8000", "/graphql", True),
        (EVERYWHERE, "192.0.2.8:8000", "/graphql", False),
        (EVERYWHERE, "evil.example", "/graphql", False),
        (PUBLIC, "support.example.com", "/graphql", True),
        (PUBLIC, "other.example:8080", "/graphql", True),
        (PUBLIC, "10.0.0.9", "/graphql", True),
        (PUBLIC, "[fd00::1]:8000", "/graphql", True),
        (PUBLIC, "localhost", "/graphql", False),
        (PUBLIC, "127.0.0.1", "/graphql", False),
        (PUBLIC, "10.1.2.3:8000", "/healthz", True),
        (PUBLIC, "10.1.2.3:8000", "/readyz", True),
        (PUBLIC, "[2001:db8::1]:8000", "/metrics", True),
        (PUBLIC, "localhost:8000", "/metrics", True),
        (PUBLIC, "evil.example", "/metrics", False),
    ],
)
def test_host_is_allowed_or_refused(settings: Settings, host: str | None, path: str, allowed: bool) -> None:
    refusal = AllowedHosts.of(settings).refusal(scope(host, path))
    assert (refusal is None) is allowed
    assert refusal is None or refusal[0] == 421


def test_two_host_headers_are_refused() -> None:
    twice = scope("localhost") | {"headers": [(b"host", b"localhost"), (b"host", b"localhost")]}
    refusal = AllowedHosts.of(LOCAL).refusal(twice)
    assert refusal is not None
    assert refusal[0] == 400


@pytest.mark.parametrize("value", ["https://a.example", "a.example:8000", "a.example/b", "a b", "*.example"])
def test_hosts_that_are_no_names_stop_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BATON_HOSTS", value)
    with pytest.raises(SettingsError, match="BATON_HOSTS: takes host names"):
        read_settings()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1:1@evil.example"])
def test_foreign_host_gets_421_and_nothing_else(server: Server, host: str) -> None:
    for method, path in (("GET", "/"), ("POST", "/graphql"), ("GET", "/app/"), ("GET", "/escalations")):
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request(method, path, headers={"Host": host})
        answer = connection.getresponse()
        assert answer.status == 421
        assert answer.headers["location"] is None
        assert host.encode() not in answer.read()
        connection.close()


def test_foreign_host_cannot_open_a_socket(server: Server) -> None:
    head = (
        "GET /graphql HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as opened:
        opened.sendall(head.encode())
        assert opened.recv(4096).startswith(b"HTTP/1.1 421 ")


def test_forwarded_host_is_not_believed(server: Server) -> None:
    headers = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for path in ("/", "/app", "/graphql/", "/escalations"):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        assert b"evil.example" not in answer.read()
        assert "evil.example" not in str(answer.headers)
    connection.close()


@pytest.mark.parametrize("path", ["/graphql/", "/healthz/", "/escalations/", "/exports/escalations.csv/"])
def test_trailing_slash_is_404_without_redirect(server: Server, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert (answer.status, answer.headers["location"]) == (404, None)
    connection.close()
