"""Errors over HTTP as application/problem+json (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from http.client import responses
from typing import Any, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from models.database import DATABASE_ERRORS, is_unavailable
from resolvers.errors import BatonError, ErrorCode, UnavailableError
from server.http.call_report import record_of
from server.http.log_context import current_request_id

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
    # Not 503, after which clients send the same query again.
    ErrorCode.QUERY_TOO_SLOW: HTTPStatus.BAD_REQUEST,
    ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED: HTTPStatus.BAD_REQUEST,
    ErrorCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.SECOND_FACTOR_REQUIRED: HTTPStatus.UNAUTHORIZED,
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
_DETAILS: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address; /openapi.json lists the addresses.",
    HTTPStatus.METHOD_NOT_ALLOWED: "The Allow header lists the methods of this address.",
}
_CHALLENGE = {"WWW-Authenticate": "Bearer"}

_logger = structlog.get_logger(__name__)


class Problem(BaseModel):
    """A failed request."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, serialize_by_alias=True)

    type: Literal["about:blank"] = "about:blank"
    title: str = Field(description="The status in words.", examples=["Bad Request"])
    status: int = Field(ge=400, le=599, examples=[400])
    detail: str = Field(description="The fault, and what to do next.", examples=["reason is missing"])
    code: ErrorCode = Field(description="The kind of failure, for programs.", examples=["BAD_USER_INPUT"])
    field: str | None = Field(None, description="The invalid input.", examples=["reason"])
    request_id: str | None = Field(None, description="The id of an unexpected error in the log.")

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """Return the problem as a response, without the fields that are None."""
        content = self.model_dump_json(exclude_none=True)
        return Response(content, self.status, headers, media_type=MEDIA_TYPE)


def _problem(
    status: int, code: ErrorCode, detail: str, *, field: str | None = None, request_id: str | None = None
) -> Problem:
    title = _phrase(status)
    return Problem(title=title, status=status, detail=detail, code=code, field=field, request_id=request_id)


def _phrase(status: int) -> str:
    return responses.get(status, "Error")


def status_of(error: Exception) -> HTTPStatus:
    """Return the status of a failure. An unreachable database is temporary."""
    if isinstance(error, BatonError):
        return STATUS_OF[error.code]
    return HTTPStatus.SERVICE_UNAVAILABLE if is_unavailable(error) else HTTPStatus.INTERNAL_SERVER_ERROR


def headers_of(error: Exception) -> dict[str, str]:
    """Return the headers of a failure: Retry-After if trying again may help, and the challenge of a 401."""
    if isinstance(error, BatonError) and error.retry_after is not None:
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, BatonError):
        return _CHALLENGE if error.code is ErrorCode.UNAUTHENTICATED else {}
    return {"Retry-After": "1"} if is_unavailable(error) else {}


async def answer_expected(request: Request, error: BatonError) -> Response:
    """Answer a BatonError, whose message is meant for the caller."""
    record_of(request).outcome = error.code
    problem = _problem(status_of(error), error.code, str(error), field=error.field)
    return problem.response(headers_of(error))


async def answer_cut_off(request: Request) -> Response:
    """Answer a call that did not end in the time that a stopping server has."""
    message = "The server stopped before the call ended. Repeat it, with the same idempotency key."
    return await answer_expected(request, UnavailableError(message, 1))


async def answer_refused(_: Request, error: HTTPException) -> Response:
    """Answer an HTTPException, such as Starlette's for an unknown address, with its headers (Allow)."""
    status, detail = error.status_code, error.detail
    if status < 400:
        return Response(None, status, error.headers)
    if detail == _phrase(status):
        detail = _DETAILS.get(status, detail)
    usual = ErrorCode.INTERNAL if status >= 500 else ErrorCode.BAD_USER_INPUT
    return _problem(status, _CODE_OF.get(status, usual), detail).response(error.headers)


async def answer_unexpected(request: Request, error: Exception) -> Response:
    """Log any other failure, and answer with the id under which the log has it."""
    request_id = current_request_id()
    # Not the path: that of an incoming webhook contains its token.
    endpoint = getattr(request.scope.get("endpoint"), "__name__", None)
    if is_unavailable(error):
        _logger.warning(
            "request.database_unavailable", request_id=request_id, endpoint=endpoint, error=repr(error)
        )
        code, detail = ErrorCode.UNAVAILABLE, "The database is unavailable now. Try again in a moment."
    else:
        code = ErrorCode.INTERNAL
        _logger.error("request.failed", request_id=request_id, endpoint=endpoint, exc_info=error)
        detail = "Something went wrong here. The log of this server has it under the request id."
    problem = _problem(status_of(error), code, detail, request_id=request_id)
    return problem.response(headers_of(error))


async def client_disconnected(_: Request, __: Exception) -> Response:
    """Answer a client that left while it was sending. No one reads this, and nothing is wrong here."""
    return Response(status_code=400)


# Starlette types each handler by all exceptions; each of these gets the one of its key.
EXCEPTION_HANDLERS: dict[Any, Any] = {
    BatonError: answer_expected,
    HTTPException: answer_refused,
    ClientDisconnect: client_disconnected,
    # Not only under Exception, whose handler raises the error again for the server to log.
    **dict.fromkeys(DATABASE_ERRORS, answer_unexpected),
    Exception: answer_unexpected,
}
