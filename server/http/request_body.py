"""The JSON body of a request."""

from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from resolvers.errors import BatonError, ErrorCode
from server.http.request_headers import header

BODY_LIMIT = 1024 * 1024  # bytes


class MalformedError(BatonError):
    """Input that cannot be read; `field` is spelled as the caller spelled it."""

    code = ErrorCode.BAD_USER_INPUT

    def __init__(self, message: str, field: str | None = None) -> None:
        self.field = field
        super().__init__(f"{field} {message}" if field else message)


async def read_json(request: Request) -> Any:
    """Return the body as JSON; raises MalformedError, and HTTPException for 413 and 415."""
    media_type = (header(request, b"content-type") or "").partition(";")[0]
    if media_type.strip().lower() != "application/json":
        raise HTTPException(415, "Send JSON with `Content-Type: application/json`.")
    if (header(request, b"content-encoding") or "identity").strip().lower() != "identity":
        raise HTTPException(415, "Send the body uncompressed, without `Content-Encoding`.")
    try:
        return orjson.loads(await receive_body(request))
    except orjson.JSONDecodeError as error:
        raise MalformedError(f"The body is not JSON in UTF-8: {error.msg}.") from None


async def receive_body(request: Request) -> bytes:
    """Return the body, also when it was received before; raises HTTPException for 413."""
    received: bytes | None = request.scope.get("body")
    if received is None:
        received = await _receive(request) if request.method != "GET" else b""
        request.scope["body"] = received
    return received


async def _receive(request: Request) -> bytes:
    # Starlette's `stream` is an asynchronous generator, which takes longer than a usual body.
    body, is_complete = bytearray(), False
    while not is_complete:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT:
            raise HTTPException(413, f"The body has more than {BODY_LIMIT:,} bytes.")
        is_complete = not message.get("more_body", False)
    return bytes(body)
