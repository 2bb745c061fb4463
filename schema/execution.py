"""Running an operation, over whatever transport it came."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from graphql import ExecutionResult, GraphQLError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from resolvers.context import Context
from resolvers.errors import BadInputError, ErrorCode
from schema.api import SCHEMA
from schema.context import Call
from schema.errors import dress_errors

_ANSWERED = (OperationType.QUERY, OperationType.MUTATION)


@dataclass(frozen=True, slots=True)
class Operation:
    """A document, the values of its variables, and which of its operations is meant."""

    query: str
    variables: Mapping[str, Any] | None
    name: str | None


def read_operation(payload: object) -> Operation:
    """Reads what a client sent, as JSON decoded it; raises BadInputError."""
    if not isinstance(payload, dict):
        raise BadInputError("payload", "is not an object with a query")
    query, variables, name = (payload.get(one) for one in ("query", "variables", "operationName"))
    if not isinstance(query, str) or not query.strip():
        raise BadInputError("query", "is missing: send a GraphQL document")
    if variables is not None and not isinstance(variables, dict):
        raise BadInputError("variables", "is not an object")
    if name is not None and not isinstance(name, str):
        raise BadInputError("operationName", "is not a string")
    return Operation(query, variables, name or None)


async def execute(operation: Operation, context: Context) -> dict[str, Any]:
    """The result of a query or a mutation."""
    return await execute_call(operation, Call(context))


async def execute_call(operation: Operation, call: Call) -> dict[str, Any]:
    """The same, leaving in `call` what the transport is to see to, such as the cookie."""
    try:
        result = await SCHEMA.execute(
            operation.query,
            variable_values=_variables(operation),
            context_value=call,
            operation_name=operation.name,
            allowed_operation_types=_ANSWERED,
        )
    except InvalidOperationTypeError:
        return _refused("Subscriptions go over WebSocket or Server-Sent Events (Accept: text/event-stream).")
    except CannotGetOperationTypeError:
        return _refused("The document holds several operations or none of that name: give operationName.")
    return _formatted(result)


async def stream(operation: Operation, context: Context) -> AsyncGenerator[dict[str, Any], None]:
    """
    The results of any operation: one for each event of a subscription.

    An event that fails for a reason of ours ends it, with errors and without data: who comes back with the
    last cursor gets the event again, who went on would have missed it.
    """
    results = await SCHEMA.stream(
        operation.query,
        variable_values=_variables(operation),
        context_value=Call(context),
        operation_name=operation.name,
    )
    begun = False
    try:
        async with aclosing(results):
            async for result in results:
                formatted = _formatted(result)
                failed = _failed(formatted)
                if "errors" in formatted and (failed or (not begun and formatted.get("data") is None)):
                    formatted.pop("data", None)
                begun = True
                yield formatted
                if failed:
                    return
    except GraphQLError as error:
        # Of the parser, out of its cache: Strawberry turns it into a result for `execute` alone.
        yield {"errors": dress_errors([error])}


def _failed(formatted: dict[str, Any]) -> bool:
    return any(error["extensions"]["code"] == ErrorCode.INTERNAL for error in formatted.get("errors", ()))


def _variables(operation: Operation) -> dict[str, Any] | None:
    return dict(operation.variables) if operation.variables else None


def _refused(message: str) -> dict[str, Any]:
    return {"errors": dress_errors([GraphQLError(message)])}


def _formatted(result: Any) -> dict[str, Any]:
    if not result.errors:
        return {"data": result.data}
    formatted: dict[str, Any] = {"errors": dress_errors(result.errors)}
    if result.data is not None or _executed(result):
        formatted["data"] = result.data
    return formatted


def _executed(result: ExecutionResult) -> bool:
    # An error with a path is a field's: the operation ran, and its data is null.
    return any(error.path for error in result.errors or ())
