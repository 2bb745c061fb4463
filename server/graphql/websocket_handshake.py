"""The opening handshake of a WebSocket (RFC 6455, section 4.2): its check, its answer, and its ASGI scope.

uvicorn's parser has read the request already. websockets' `ServerProtocol` would read and write it again, and
takes several times the CPU.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha1
from typing import Any
from urllib.parse import unquote

Headers = Sequence[tuple[bytes, bytes]]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_NO_BODY = (b"", b"0")
_ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n"
)


class RefusedHandshakeError(Exception):
    """A request that opens no WebSocket; the text says why."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


def accept_value(method: str, url: bytes, headers: Headers) -> bytes:
    """Return the value of Sec-WebSocket-Accept; raise RefusedHandshakeError."""
    if method != "GET":
        raise RefusedHandshakeError(405, "A WebSocket is opened by GET.\n")
    if _value(headers, b"upgrade").lower() != b"websocket":
        raise RefusedHandshakeError(426, "Upgrade must be websocket.\n")
    has_body = _value(headers, b"transfer-encoding") or _value(headers, b"content-length") not in _NO_BODY
    if has_body or not url.isascii():
        raise RefusedHandshakeError(400, "The request must have an ASCII path and no body.\n")
    if _value(headers, b"sec-websocket-version") != b"13":
        raise RefusedHandshakeError(400, "Sec-WebSocket-Version must be 13.\n")
    key = _value(headers, b"sec-websocket-key")
    if not _is_key(key):
        raise RefusedHandshakeError(400, "Sec-WebSocket-Key must be 16 bytes in base64.\n")
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def _value(headers: Headers, name: bytes) -> bytes:
    """Return the value of a header, or an empty text; equal to no valid value if the header is repeated."""
    return b", ".join([value.strip() for key, value in headers if key == name])


def _is_key(key: bytes) -> bool:
    try:
        return len(b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False


def answer(accept: bytes, subprotocol: str | None, default_headers: Headers) -> bytes:
    """Return the head that completes the handshake."""
    head = _ANSWER % accept + b"".join([b"%b: %b\r\n" % header for header in default_headers])
    if subprotocol:
        head += b"Sec-WebSocket-Protocol: %b\r\n" % subprotocol.encode()
    return head + b"\r\n"


def websocket_scope(request: Mapping[str, Any], url: bytes) -> dict[str, Any]:
    """Return the ASGI scope of a WebSocket from what uvicorn has read of its request."""
    raw_path, _, query = url.partition(b"?")
    root_path = request["root_path"]
    return {
        **request,
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "wss" if request["scheme"] == "https" else "ws",
        "path": root_path + unquote(raw_path.decode("ascii")),
        "raw_path": root_path.encode("ascii") + raw_path,
        "query_string": query,
        "headers": [(name, value.strip()) for name, value in request["headers"]],
        "subprotocols": _offered_subprotocols(request["headers"]),
    }


def _offered_subprotocols(headers: Headers) -> list[str]:
    offered = _value(headers, b"sec-websocket-protocol").decode("latin-1")
    return [token.strip() for token in offered.split(",")] if offered else []
