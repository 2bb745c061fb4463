"""The opening handshake of a WebSocket: the request as uvicorn passes it on, and its ASGI scope."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader
from websockets.http11 import Request


class MalformedHeadError(Exception):
    """The head cannot be that of a WebSocket's request."""


def read_head(head: bytes) -> Request:
    """Return the request of a head that httptools has parsed, and uvicorn has written again.

    Raises MalformedHeadError. websockets' own parser takes several times the CPU, and its generator would
    keep the request as long as the connection.
    """
    first, *fields = head.removesuffix(b"\r\n\r\n").decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    path, _, protocol = rest.partition(" ")
    pairs = (field.partition(":") for field in fields)
    try:
        headers = Headers([(name, value.strip()) for name, _, value in pairs])
    except InvalidHeader as error:
        raise MalformedHeadError from error
    has_body = "transfer-encoding" in headers or not set(headers.get_all("content-length")) <= {"0"}
    if has_body or not path.isascii():
        raise MalformedHeadError
    return Request(path, headers, method, protocol)


def scope_of(request: Request, root_path: str, connection: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ASGI scope of a request; `connection` are the items that do not depend on it."""
    raw_path, _, query = request.path.partition("?")
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "root_path": root_path,
        "path": root_path + unquote(raw_path),
        "raw_path": (root_path + raw_path).encode("ascii"),
        "query_string": query.encode("ascii"),
        "headers": _raw_headers(request.headers),
        "subprotocols": _offered_subprotocols(request.headers),
        **connection,
    }


def _raw_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.raw_items()]


def _offered_subprotocols(headers: Headers) -> list[str]:
    values = headers.get_all("Sec-WebSocket-Protocol")
    return [token.strip() for value in values for token in value.split(",")]
