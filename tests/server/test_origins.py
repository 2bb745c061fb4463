"""Whose web page calls."""

import pytest
from starlette.requests import HTTPConnection

from server.http.origins import is_foreign, is_own_page

PUBLIC = "https://Baton.example/somewhere"


@pytest.mark.parametrize(
    ("origin", "host", "foreign"),
    [
        (None, "baton.example", False),
        ("https://baton.example", "10.0.0.7:8000", False),
        ("https://baton.example:443", "10.0.0.7:8000", False),
        ("http://baton.example", "10.0.0.7:8000", True),
        ("http://localhost:8000", "LOCALHOST:8000", False),
        ("http://other.example", "other.example", False),
        ("https://other.example", "other.example", True),
        ("http://[::1]:8000", "[::1]:8000", False),
        ("http://localhost:8001", "localhost:8000", True),
        ("https://baton.example.evil.example", "localhost:8000", True),
        ("https://baton.example@evil.example", "localhost:8000", True),
        ("https://evil.example", "", True),
        ("null", "localhost:8000", True),
        ("", "", True),
        ("https://[", "[", True),
        ("https://baton.example:port", "localhost", True),
    ],
)
def test_pages_are_own_or_foreign_by_their_origin(origin: str | None, host: str, foreign: bool) -> None:
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin is not None else [])
    assert is_foreign(HTTPConnection({"type": "http", "headers": headers}), PUBLIC) is foreign


@pytest.mark.parametrize(
    ("scheme", "origin", "foreign"),
    [
        ("https", "https://other.example", False),
        ("https", "http://other.example", True),
        ("ws", "http://other.example", False),
        ("wss", "https://other.example", False),
        ("wss", "http://other.example", True),
    ],
)
def test_page_of_the_called_host_must_have_the_called_scheme(scheme: str, origin: str, foreign: bool) -> None:
    headers = [(b"host", b"other.example"), (b"origin", origin.encode())]
    connection = HTTPConnection({"type": "http", "scheme": scheme, "headers": headers})
    assert is_foreign(connection, PUBLIC) is foreign


@pytest.mark.parametrize(
    ("name", "value", "own"),
    [
        (b"origin", b"https://baton.example", True),
        (b"origin", b"https://evil.example", False),
        (b"origin", b"null", False),
        (b"sec-fetch-site", b"same-origin", True),
        (b"sec-fetch-site", b"same-site", False),
        (b"sec-fetch-site", b"none", False),
        (b"accept", b"*/*", False),
    ],
)
def test_own_page_is_proved_by_its_origin_or_fetch_metadata(name: bytes, value: bytes, own: bool) -> None:
    connection = HTTPConnection({"type": "http", "headers": [(b"host", b"localhost"), (name, value)]})
    assert is_own_page(connection, PUBLIC) is own


def test_foreign_origin_outweighs_the_fetch_metadata() -> None:
    headers = [(b"origin", b"https://evil.example"), (b"sec-fetch-site", b"same-origin")]
    assert not is_own_page(HTTPConnection({"type": "http", "headers": headers}), PUBLIC)
