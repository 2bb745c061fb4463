"""Running an operation, over whatever transport it came."""

import asyncio
from functools import partial
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, OperationType

from realtime.cancellation import set_unless_done
from resolvers.audit import record_forbidden
from resolvers.context import Context
from resolvers.errors import FAILURES, ErrorCode
from schema.bounded_executor import BoundedExecutor
from schema.context import GraphQLContext
from schema.documents import Document, find
from schema.errors import RefusedError, format_errors
from schema.executor.run import run as run_executor
from schema.executor.run import run_plan
from schema.introspection import printed_introspection
from schema.live.event_buffer import EncodedBatch
from schema.live.group_member import GroupMember, OnEnd, Sink
from schema.live.groups import Groups
from schema.live.subscription_plan import is_subscription, prepare
from schema.operation import MutationByGetError, Operation
from schema.planning import build_executor, find_run, plan_of
from schema.query_cost import cost_extension


async def execute(operation: Operation, context: Context) -> dict[str, Any]:
    """Return the result of a query or a mutation."""
    return await execute_call(operation, GraphQLContext.of(context))


async def execute_call(operation: Operation, call: GraphQLContext) -> dict[str, Any]:
    """Return the result, and leave in `call` the cookie that the transport must set."""
    try:
        result = await _execute(operation, call)
    finally:
        # The loaders refer to the call: without this, its rows would wait for the garbage collector.
        call.forget_rows()
    if errors := result.get("errors"):
        codes = [error["extensions"]["code"] for error in errors]
        call.record.outcome = codes[0]
        if ErrorCode.FORBIDDEN in codes and call.caller and not call.record.refusal_recorded:
            # A field below a root field that the caller may use.
            field = call.record.operation.rpartition(" ")[2]
            await record_forbidden(call.services, call.caller, call.address, field)
    return result


async def _execute(operation: Operation, call: GraphQLContext) -> dict[str, Any]:
    try:
        document, node, cost = find(operation, call)
    except RefusedError as refused:
        return {"errors": refused.errors} | (
            {} if refused.extensions is None else {"extensions": refused.extensions}
        )
    call.record.operation, call.record.fields = document.label(node), round(cost.fields)
    answer = await _run_operation(document, node, operation, call)
    return {**answer, "extensions": cost_extension(cost)}


async def _run_operation(
    document: Document, node: OperationDefinitionNode, operation: Operation, call: GraphQLContext
) -> dict[str, Any]:
    if node.operation is OperationType.SUBSCRIPTION:
        message = "Subscriptions go over WebSocket or Server-Sent Events (Accept: text/event-stream)."
        return {"errors": format_errors([GraphQLError(message)])}
    if operation.read_only and node.operation is OperationType.MUTATION:
        raise MutationByGetError
    if document.introspects(node) and (printed := printed_introspection(document.digest)):
        return {"data": printed}
    if kept := find_run(document, node, operation, call):
        return _formatted(await run_plan(*kept))
    executor = build_executor(document, node, operation, call)
    if not isinstance(executor, BoundedExecutor):
        return {"errors": format_errors(executor, document.argument_of_variable)}
    plan = plan_of(document, node, executor, call.caller)
    return _formatted(await run_executor(executor, plan))


def follow(operation: Operation, context: Context, groups: Groups, sink: Sink, on_end: OnEnd) -> GroupMember:
    """Follow a subscription and send the result of each event to the sink, until it is stopped.

    Raises RefusedError when it cannot be followed. An event that fails for a reason of ours ends it: `on_end`
    is called with the errors.
    """
    return groups.follow(prepare(operation, GraphQLContext.of(context), groups.find_plan), sink, on_end)


async def run(operation: Operation, context: Context, sink: Sink) -> list[dict[str, Any]] | None:
    """Run a query or a mutation and send its result to the sink.

    Return the errors instead, if there is no result.
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
    """Run any operation to its end, as `follow` and `run` do."""
    if not is_subscription(operation, context):
        return await run(operation, context, sink)
    ended: asyncio.Future[list[dict[str, Any]]] = asyncio.get_running_loop().create_future()
    try:
        follower = follow(operation, context, groups, sink, partial(set_unless_done, ended))
    except RefusedError as refused:
        return refused.errors
    try:
        return await ended
    finally:
        await follower.stop()


def _failed(errors: list[dict[str, Any]]) -> bool:
    return any(error["extensions"]["code"] in FAILURES for error in errors)


def _formatted(result: ExecutionResult) -> dict[str, Any]:
    if not result.errors:
        return {"data": result.data}
    formatted: dict[str, Any] = {"errors": format_errors(result.errors)}
    if result.data is not None or _executed(result):
        formatted["data"] = result.data
    return formatted


def _executed(result: ExecutionResult) -> bool:
    # An error with a path is a field's: the operation ran, and its data is null.
    return any(error.path for error in result.errors or ())
