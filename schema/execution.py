"""Running an operation, over whatever transport it came."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from resolvers.context import Context
from resolvers.errors import ErrorCode
from schema.api import SCHEMA
from schema.context import Call
from schema.errors import dress_errors
from schema.groups import Groups, Listener
from schema.operation import Operation
from schema.prepared import RefusedError, is_subscription, prepare

_ANSWERED = (OperationType.QUERY, OperationType.MUTATION)


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


async def run(
    operation: Operation, context: Context, groups: Groups, listener: Listener
) -> list[dict[str, Any]] | None:
    """
    Runs any operation to its end, and tells the listener its results: one for each event of a subscription.

    Gives the errors that ended it, if any did. An event that fails for a reason of ours ends a subscription.
    """
    if is_subscription(operation):
        try:
            await groups.follow(prepare(operation, Call(context)), listener)
        except RefusedError as refused:
            return refused.errors
    async with aclosing(_stream(operation, context)) as results:
        async for result in results:
            if "errors" in result and "data" not in result:
                errors: list[dict[str, Any]] = result["errors"]
                return errors
            await listener.put(orjson.dumps(result))
    return None


async def _stream(operation: Operation, context: Context) -> AsyncGenerator[dict[str, Any], None]:
    """The result of a query or mutation, or why it cannot be run."""
    results = await SCHEMA.stream(
        operation.query,
        variable_values=_variables(operation),
        context_value=Call(context),
        operation_name=operation.name,
    )
    try:
        async with aclosing(results):
            async for result in results:
                formatted = _formatted(result)
                if "errors" in formatted and (_failed(formatted) or formatted.get("data") is None):
                    formatted.pop("data", None)
                yield formatted
    except GraphQLError as error:
        # Of the parser, out of its cache: Strawberry turns it into a result for `execute` alone.
        yield {"errors": dress_errors([error])}


def _failed(formatted: dict[str, Any]) -> bool:
    return any(error["extensions"]["code"] == ErrorCode.INTERNAL for error in formatted["errors"])


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
