"""Errors over HTTP: application/problem+json (RFC 9457), from the one family of errors."""

from collections.abc import Mapping
from http import HTTPStatus
from http.client import responses
from typing import Any, Literal
from uuid import uuid4

import structlog
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from models.database import is_unavailable
from resolvers.errors import BatonError, ErrorCode, RateLimitedError

MEDIA_TYPE = "application/problem+json"

STATUS_OF: dict[ErrorCode, HTTPStatus] = {
    ErrorCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.BAD_USER_INPUT: HTTPStatus.BAD_REQUEST,
    ErrorCode.CONFLICT: HTTPStatus.CONFLICT,
    ErrorCode.IDEMPOTENCY_MISMATCH: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.RESYNC_REQUIRED: HTTPStatus.GONE,
    ErrorCode.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.QUERY_TOO_COMPLEX: HTTPStatus.BAD_REQUEST,
    ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED: HTTPStatus.BAD_REQUEST,
    ErrorCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_CODE_OF: dict[int, ErrorCode] = {
    HTTPStatus.UNAUTHORIZED: ErrorCode.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: ErrorCode.FORBIDDEN,
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.CONFLICT: ErrorCode.CONFLICT,
    HTTPStatus.TOO_MANY_REQUESTS: ErrorCode.RATE_LIMITED,
    HTTPStatus.SERVICE_UNAVAILABLE: ErrorCode.UNAVAILABLE,
}
_INSTEAD: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address; /openapi.json lists what there is.",
    HTTPStatus.METHOD_NOT_ALLOWED: "The Allow header lists the methods that this address takes.",
}
_CHALLENGE = {"WWW-Authenticate": "Bearer"}

_logger = structlog.get_logger(__name__)


class Problem(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)

    type: Literal["about:blank"] = "about:blank"
    title: str = Field(description="The status in words.", examples=["Bad Request"])
    status: int = Field(ge=400, le=599, examples=[400])
    detail: str = Field(description="What is wrong, and what to do next.", examples=["reason is missing"])
    code: ErrorCode = Field(description="What went wrong, for programs.", examples=["BAD_USER_INPUT"])
    field: str | None = Field(None, description="The input that is at fault.", examples=["reason"])
    request_id: str | None = Field(None, description="For an unexpected error: where to find it in the log.")

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The problem as an answer; what is None is left out."""
        content = self.model_dump_json(exclude_none=True)
        return Response(content, self.status, headers, media_type=MEDIA_TYPE)


def _problem(
    status: int, code: ErrorCode, detail: str, *, field: str | None = None, request_id: str | None = None
) -> Problem:
    title = _phrase(status)
    return Problem(title=title, status=status, detail=detail, code=code, field=field, request_id=request_id)


def _phrase(status: int) -> str:
    return responses.get(status, "Error")


async def answer_expected(_: Request, error: BatonError) -> Response:
    """A BatonError: its message is meant for the caller."""
    headers = _CHALLENGE if error.code is ErrorCode.UNAUTHENTICATED else None
    if isinstance(error, RateLimitedError) and error.retry_after is not None:
        headers = {"Retry-After": str(error.retry_after)}
    status = STATUS_OF[error.code]
    return _problem(status, error.code, str(error), field=error.field).response(headers)


async def answer_refused(_: Request, error: HTTPException) -> Response:
    """An HTTPException, such as Starlette's for an unknown address; its headers (Allow) are kept."""
    status, detail = error.status_code, error.detail
    if status < 400:
        return Response(None, status, error.headers)
    if detail == _phrase(status):
        detail = _INSTEAD.get(status, detail)
    usual = ErrorCode.INTERNAL if status >= 500 else ErrorCode.BAD_USER_INPUT
    return _problem(status, _CODE_OF.get(status, usual), detail).response(error.headers)


def failure_status(error: Exception) -> tuple[HTTPStatus, dict[str, str] | None]:
    """The status and the headers of what went wrong here: a database that is away will be back."""
    if is_unavailable(error):
        return HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"}
    return HTTPStatus.INTERNAL_SERVER_ERROR, None


async def answer_unexpected(request: Request, error: Exception) -> Response:
    """Anything else is logged, and masked with an id by which to find it."""
    request_id = uuid4().hex
    # Not the path: an incoming webhook's holds its token.
    endpoint = getattr(request.scope.get("endpoint"), "__name__", None)
    status, headers = failure_status(error)
    if headers:
        _logger.warning(
            "request.database_unavailable", request_id=request_id, endpoint=endpoint, error=repr(error)
        )
        code, detail = ErrorCode.UNAVAILABLE, "The database cannot be reached now. Try again in a moment."
    else:
        code = ErrorCode.INTERNAL
        _logger.error("request.failed", request_id=request_id, endpoint=endpoint, exc_info=error)
        detail = "Something went wrong here. The request id tells whoever runs this server where to look."
    return _problem(status, code, detail, request_id=request_id).response(headers)


async def client_disconnected(_: Request, __: Exception) -> Response:
    """The client went away while it was still sending: nobody hears this, and nothing is wrong here."""
    return Response(status_code=400)


# Starlette types handlers by what any of them may be given; each of these is given its own key.
EXCEPTION_HANDLERS: dict[Any, Any] = {
    BatonError: answer_expected,
    HTTPException: answer_refused,
    ClientDisconnect: client_disconnected,
    Exception: answer_unexpected,
}
