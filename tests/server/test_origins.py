"""Whose web page calls."""

import pytest
from starlette.requests import HTTPConnection

from server.http.origins import is_foreign

PUBLIC = "https://Baton.example/somewhere"


@pytest.mark.parametrize(
    ("origin", "host", "foreign"),
    [
        (None, "baton.example", False),
        ("https://baton.example", "10.0.0.7:8000", False),
        ("https://baton.example:443", "10.0.0.7:8000", False),
        ("http://localhost:8000", "LOCALHOST:8000", False),
        ("https://other.example", "other.example", False),
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
def test_own_and_foreign_pages(origin: str | None, host: str, foreign: bool) -> None:
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin is not None else [])
    assert is_foreign(HTTPConnection({"type": "http", "headers": headers}), PUBLIC) is foreign
