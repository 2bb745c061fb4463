"""Running an operation, over whatever transport it came."""

from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from realtime.cancellation import convert_stray_cancellation
from resolvers.context import Context
from resolvers.errors import FAILURES
from schema.api import SCHEMA
from schema.context import GraphQLContext
from schema.errors import format_errors
from schema.live.event_buffer import EncodedBatch
from schema.live.groups import GroupMember, Groups, Sink
from schema.live.subscription_plan import RefusedError, is_subscription, prepare
from schema.operation import MutationByGetError, Operation

_READ_ONLY = (OperationType.QUERY,)
_ANSWERED = (OperationType.QUERY, OperationType.MUTATION)


async def execute(operation: Operation, context: Context) -> dict[str, Any]:
    """The result of a query or a mutation."""
    return await execute_call(operation, GraphQLContext.of(context))


async def execute_call(operation: Operation, call: GraphQLContext) -> dict[str, Any]:
    """The same, leaving in `call` what the transport is to see to, such as the cookie."""
    try:
        result = await convert_stray_cancellation(
            SCHEMA.execute(
                operation.query,
                variable_values=_variables(operation),
                context_value=call,
                operation_name=operation.name,
                allowed_operation_types=_READ_ONLY if operation.read_only else _ANSWERED,
            )
        )
    except InvalidOperationTypeError as error:
        if error.operation_type is OperationType.MUTATION:
            raise MutationByGetError from None
        return _refused("Subscriptions go over WebSocket or Server-Sent Events (Accept: text/event-stream).")
    except CannotGetOperationTypeError:
        return _refused("The document holds several operations or none of that name: give operationName.")
    return _formatted(result)


def follow(operation: Operation, context: Context, groups: Groups, sink: Sink) -> GroupMember:
    """
    Follows a subscription and tells the listener the result of each event, until it is stopped.

    Raises RefusedError when it cannot be followed. An event that fails for a reason of ours ends it.
    """
    return groups.follow(prepare(operation, GraphQLContext.of(context)), sink)


async def run(operation: Operation, context: Context, sink: Sink) -> list[dict[str, Any]] | None:
    """
    Runs a query or a mutation to its end, and tells the listener its result.

    Gives the errors instead, if there is no result.
    """
    result = await execute(operation, context)
    errors: list[dict[str, Any]] = result.get("errors", [])
    if errors and (result.get("data") is None or _failed(errors)):
        return errors
    await sink.put(EncodedBatch([orjson.dumps(result)]))
    return None


async def run_any(
    operation: Operation, context: Context, groups: Groups, sink: Sink
) -> list[dict[str, Any]] | None:
    """Runs any operation to its end, as `follow` and `run` do."""
    if not is_subscription(operation):
        return await run(operation, context, sink)
    try:
        follower = follow(operation, context, groups, sink)
    except RefusedError as refused:
        return refused.errors
    try:
        return await follower.ended
    finally:
        await follower.stop()


def _failed(errors: list[dict[str, Any]]) -> bool:
    return any(error["extensions"]["code"] in FAILURES for error in errors)


def _variables(operation: Operation) -> dict[str, Any] | None:
    return dict(operation.variables) if operation.variables else None


def _refused(message: str) -> dict[str, Any]:
    return {"errors": format_errors([GraphQLError(message)])}


def _formatted(result: Any) -> dict[str, Any]:
    if not result.errors:
        return {"data": result.data}
    formatted: dict[str, Any] = {"errors": format_errors(result.errors)}
    if result.data is not None or _executed(result):
        formatted["data"] = result.data
    return formatted


def _executed(result: ExecutionResult) -> bool:
    # An error with a path is a field's: the operation ran, and its data is null.
    return any(error.path for error in result.errors or ())
