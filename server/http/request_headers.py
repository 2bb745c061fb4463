"""The headers of a request, by name.

Starlette's `Headers` compares each name in Python, and a request reads ten of them.
"""

from starlette.requests import HTTPConnection
from starlette.types import Scope


def header(connection: HTTPConnection, name: bytes) -> str | None:
    """Return the first value of the header with that name in lower case, or None."""
    value = headers_by_name(connection.scope).get(name)
    return None if value is None else value.decode("latin-1")


def headers_by_name(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers by their names in lower case, each with its first value."""
    headers: dict[bytes, bytes] | None = scope.get("headers_by_name")
    if headers is None:
        headers = dict(reversed(scope["headers"]))
        # The scope of a WebSocket stays in memory.
        if scope["type"] == "http":
            scope["headers_by_name"] = headers
    return headers
