"""Errors as clients see them: expected ones with their code, everything else masked."""

import re
from collections.abc import Iterable
from typing import Any

import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from graphql.language import FieldNode
from structlog.contextvars import get_contextvars

from models.database import is_unavailable
from models.ids import new_id
from resolvers.errors import BatonError, ErrorCode

_logger = structlog.get_logger(__name__)

# What graphql-core says of a variable that does not fit its type.
_VARIABLE = re.compile(r"Variable '\$(\w+)' has invalid value(?: at (\S+))?: ")


class TooComplexError(BatonError):
    """The operation asks for more than one request may cost."""

    code = ErrorCode.QUERY_TOO_COMPLEX


def format_errors(errors: Iterable[GraphQLError]) -> list[dict[str, Any]]:
    """The errors of a result, ready to be sent."""
    return [_dressed(error) for error in errors]


def format_error(error: Exception) -> dict[str, Any]:
    """An error that arose outside any operation; what is not expected is masked."""
    located = GraphQLError(str(error), original_error=error)
    return _dressed(located) if isinstance(error, BatonError) else _masked(located, error)


def _dressed(error: GraphQLError) -> dict[str, Any]:
    original = original_of(error)
    if isinstance(original, BatonError):
        extensions: dict[str, Any] = {"code": original.code.value}
        if original.field:
            extensions["field"] = _prefix(error) + original.field
            return _formatted(
                error, str(original).replace(original.field, extensions["field"], 1), extensions
            )
        return _formatted(error, str(original), extensions)
    if original is None or _before_execution(error, original):
        return _formatted(error, error.message, _of_document(error))
    return _masked(error, original)


def original_of(error: GraphQLError) -> BaseException | None:
    """What was raised by ours or by a library, if anything was."""
    original: BaseException | None = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    return original


def _before_execution(error: GraphQLError, original: BaseException) -> bool:
    # A scalar's own refusal of a value: nothing has been executed by then.
    return error.path is None and isinstance(original, ValueError | TypeError)


def _prefix(error: GraphQLError) -> str:
    # An act whose arguments come as one `input` names the fields within it.
    for node in error.nodes or ():
        if isinstance(node, FieldNode) and any(one.name.value == "input" for one in node.arguments or ()):
            return "input."
    return ""


def _of_document(error: GraphQLError) -> dict[str, Any]:
    if isinstance(error, GraphQLSyntaxError) and "tokens" in error.message:
        return {"code": ErrorCode.QUERY_TOO_COMPLEX.value}
    code = (error.extensions or {}).get("code", ErrorCode.BAD_USER_INPUT.value)
    found = _VARIABLE.match(error.message)
    if not found:
        return {"code": code}
    name, path = found[1], (found[2] or "").replace("[", ".").replace("]", "")
    # The path begins with the argument that the variable is given to.
    body = error.source.body if error.source else ""
    argument = re.search(rf"(\w+)\s*:\s*\${name}\b(?!\s*:)", body)
    return {"code": code, "field": (argument[1] if argument else name) + path}


def _masked(error: GraphQLError, original: BaseException) -> dict[str, Any]:
    if isinstance(original, RecursionError):
        message = "The document is nested too deep."
        return _formatted(error, message, {"code": ErrorCode.QUERY_TOO_COMPLEX.value})
    request_id = str(get_contextvars().get("request_id") or new_id())
    code = ErrorCode.INTERNAL
    if is_unavailable(original):
        code = ErrorCode.UNAVAILABLE
        _logger.warning(
            "request.database_unavailable", request_id=request_id, path=error.path, error=repr(original)
        )
        message = f"The database cannot be reached just now. Try again in a moment; requestId {request_id}."
    else:
        _logger.error("request.failed", request_id=request_id, path=error.path, exc_info=original)
        message = f"Something went wrong on our side. Quote the requestId {request_id} when you report it."
    return _formatted(error, message, {"code": code.value, "requestId": request_id})


def _formatted(error: GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    formatted: dict[str, Any] = {"message": message}
    if error.locations:
        formatted["locations"] = [one.formatted for one in error.locations]
    if error.path is not None:
        formatted["path"] = error.path
    return {**formatted, "extensions": extensions}
