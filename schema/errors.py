"""Errors as clients see them: expected ones with their code, everything else masked."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import structlog
from graphql import GraphQLError, VariableDefinitionNode
from graphql.language import FieldNode
from structlog.contextvars import get_contextvars

from models.database import DatabaseUnavailableError
from models.ids import new_id
from resolvers.errors import BatonError, ErrorCode

_logger = structlog.get_logger(__name__)

# A message can repeat a name of the document, which may be as long as the document.
_MESSAGE_LIMIT = 500
_ERROR_LIMIT = 10
_RETRY_SECONDS = 1  # until the database may be available again


class RefusedError(Exception):
    """The operation cannot be run; `errors` are formatted. `extensions` are those of the answer."""

    def __init__(self, errors: list[dict[str, Any]], extensions: dict[str, Any] | None = None) -> None:
        super().__init__("the operation is refused")
        self.errors = errors
        self.extensions = extensions


def format_errors(
    errors: Iterable[GraphQLError], argument_of_variable: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return the errors of a result, ready to be sent: the first ten.

    `argument_of_variable` names the argument of a variable that does not fit its type.
    """
    errors = list(errors)
    formatted = [_format(error, argument_of_variable or {}) for error in islice(errors, _ERROR_LIMIT)]
    forget_frames(*errors)
    return formatted


def format_error(error: Exception) -> dict[str, Any]:
    """Return an error that arose outside any operation; an unexpected one is masked."""
    located = GraphQLError(str(error), original_error=error)
    formatted = _format(located, {}) if isinstance(error, BatonError) else _mask(located, error)
    forget_frames(located)
    return formatted


def forget_frames(*errors: BaseException) -> None:
    """Remove the tracebacks of errors, and of those that caused them.

    A frame that an error has passed may refer to it, and to the whole request. Both would wait for the
    garbage collector, which counts objects and not their bytes.
    """
    waiting, seen = list(errors), set[int]()
    while waiting:
        error = waiting.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        error.__traceback__ = None
        original = error.original_error if isinstance(error, GraphQLError) else None
        waiting += [other for other in (original, error.__cause__, error.__context__) if other is not None]


def _format(error: GraphQLError, arguments: Mapping[str, str]) -> dict[str, Any]:
    original = original_of(error)
    if isinstance(original, BatonError):
        extensions: dict[str, Any] = {"code": original.code.value}
        if original.retry_after is not None:
            extensions["retryAfter"] = original.retry_after
        if original.field:
            extensions["field"] = _prefix(error, original.field) + original.field
            return _as_dict(error, str(original).replace(original.field, extensions["field"], 1), extensions)
        return _as_dict(error, str(original), extensions)
    if original is None or _before_execution(error, original):
        return _as_dict(error, error.message, _of_document(error, arguments))
    return _mask(error, original)


def original_of(error: GraphQLError) -> BaseException | None:
    """Return the exception that a resolver or a library raised, if any."""
    original: BaseException | None = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    return original


def _before_execution(error: GraphQLError, original: BaseException) -> bool:
    # A scalar refused a value: nothing has been executed.
    return error.path is None and isinstance(original, ValueError | TypeError)


def _prefix(error: GraphQLError, field: str) -> str:
    # Fields within `input` are named by their path; an argument next to it, such as `id`, by its own name.
    for node in error.nodes or ():
        if isinstance(node, FieldNode):
            arguments = {argument.name.value for argument in node.arguments or ()}
            return "input." if "input" in arguments and field.partition(".")[0] not in arguments else ""
    return ""


def _of_document(error: GraphQLError, arguments: Mapping[str, str]) -> dict[str, Any]:
    code = (error.extensions or {}).get("code", ErrorCode.BAD_USER_INPUT.value)
    definition = error.nodes[0] if error.nodes else None
    cause = error.original_error
    if not isinstance(definition, VariableDefinitionNode) or not isinstance(cause, GraphQLError):
        return {"code": code}
    name = definition.variable.name.value
    return {"code": code, "field": arguments.get(name, name) + _path_in_variable(error, cause, name)}


def _path_in_variable(error: GraphQLError, cause: GraphQLError, name: str) -> str:
    """Return the path to the faulty value, as graphql-core writes it: “… at .sla.week[0]: …”."""
    written = error.message.removeprefix(f"Variable '${name}' has invalid value")
    path = written.removesuffix(f": {cause.message}").removeprefix(" at ")
    return path[:_MESSAGE_LIMIT].replace("[", ".").replace("]", "")


def _mask(error: GraphQLError, original: BaseException) -> dict[str, Any]:
    if isinstance(original, RecursionError):
        message = "The document is nested too deep."
        return _as_dict(error, message, {"code": ErrorCode.QUERY_TOO_COMPLEX.value})
    request_id = str(get_contextvars().get("request_id") or new_id())
    extensions: dict[str, Any] = {"code": ErrorCode.INTERNAL.value, "requestId": request_id}
    if isinstance(original, DatabaseUnavailableError):
        extensions |= {"code": ErrorCode.UNAVAILABLE.value, "retryAfter": _RETRY_SECONDS}
        _logger.warning(
            "request.database_unavailable", request_id=request_id, path=error.path, error=repr(original)
        )
        message = f"The database is unavailable just now. Try again in a moment; requestId {request_id}."
    else:
        _logger.error("request.failed", request_id=request_id, path=error.path, exc_info=original)
        message = f"Something went wrong on our side. Quote the requestId {request_id} when you report it."
    return _as_dict(error, message, extensions)


def _as_dict(error: GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    shown = message if len(message) <= _MESSAGE_LIMIT else f"{message[:_MESSAGE_LIMIT]}…"
    formatted: dict[str, Any] = {"message": shown}
    if error.locations:
        formatted["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        formatted["path"] = error.path
    return {**formatted, "extensions": extensions}
