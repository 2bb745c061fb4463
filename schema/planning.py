"""Executors of operations, and the plans that documents keep for them."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeGuard, cast

from graphql import GraphQLError, OperationDefinitionNode
from graphql.execution.values import VariableValues
from strawberry.execution.is_awaitable import optimized_is_awaitable

from resolvers.actor import Actor
from resolvers.field_scopes import FieldAccess, access_of
from schema.api import GRAPHQL_SCHEMA
from schema.bounded_executor import VALUE_LIMIT, BoundedExecutor, reply_limit
from schema.context import GraphQLContext
from schema.documents import CACHE, ERROR_LIMIT, Document, may_read_schema
from schema.executor.plan import Plan, compile_plan
from schema.executor.request import NotPlannedError, Request
from schema.executor.variables import Variables
from schema.guarded_executor import GuardedExecutor
from schema.operation import Operation
from schema.variable_bounds import oversized_values

# A plan is made for each combination of them.
_SWITCH_LIMIT = 4
_EMPTY_BYTES = 200


def find_run(
    document: Document, node: OperationDefinitionNode, operation: Operation, call: GraphQLContext
) -> tuple[Plan, Request] | None:
    """Return the plan of an operation that has one, and its run; None if graphql-core must look at it first.

    graphql-core coerces values that are not usual, and plans are compiled with its executor.
    """
    variables = document.variables.get(id(node))
    caller = call.caller
    if variables is None or caller is None or _restricted_access(document, node, caller) is not None:
        return None
    values = variables.coerce(operation.variables or {})
    if values is None or (plan := document.plans.get(_key(document, node, values))) is None:
        return None
    build = partial(build_valid_executor, document, node, operation, call)
    left = VALUE_LIMIT, reply_limit(caller)
    return plan, Request(call, None, values, left, build, alone=True)


def build_valid_executor(
    document: Document, node: OperationDefinitionNode, operation: Operation, call: GraphQLContext
) -> BoundedExecutor:
    """Return an executor for an operation whose variables are known to have no errors."""
    executor = build_executor(document, node, operation, call)
    assert isinstance(executor, BoundedExecutor)  # usual values have no errors
    return executor


def _key(document: Document, node: OperationDefinitionNode, values: VariableValues) -> Any:
    return id(node), tuple(map(values.coerced.get, document.switches))


def build_executor(
    document: Document, node: OperationDefinitionNode, operation: Operation, call: GraphQLContext
) -> BoundedExecutor | list[GraphQLError]:
    """Return an executor for the operation, or the errors of its variables."""
    values = dict(operation.variables or {})
    if errors := oversized_values(GRAPHQL_SCHEMA, node, values, document.argument_of_variable):
        return errors
    access = _restricted_access(document, node, call.caller)
    guard: dict[str, Any] = {} if access is None else {"access": access}
    executor = (BoundedExecutor if access is None else GuardedExecutor).build(
        GRAPHQL_SCHEMA,
        document.node,
        context_value=call,
        raw_variable_values=values,
        operation_name=operation.name,
        is_awaitable=cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", optimized_is_awaitable),
        reply_bytes=reply_limit(call.caller),
        max_coercion_errors=ERROR_LIMIT,
        hide_suggestions=not may_read_schema(call.caller),
        **guard,
    )
    return cast("BoundedExecutor | list[GraphQLError]", executor)


def _restricted_access(
    document: Document, node: OperationDefinitionNode, caller: Actor | None
) -> FieldAccess | None:
    """Return the access of a caller from whom the operation's fields must be hidden, otherwise None."""
    if caller is None or caller.is_customer:
        return None
    access = access_of(caller.scopes)
    return access if not access.hides_nothing and document.selects_hidden(node, access) else None


def plan_of(
    document: Document, node: OperationDefinitionNode, executor: BoundedExecutor, caller: Actor | None
) -> Plan | None:
    """Return the plan of the executor's operation, or None if graphql-core must run it.

    Documents keep their plans. A document that is not kept has none, nor has a caller without credential, nor
    an operation that selects hidden fields: `GuardedExecutor` checks each of those.
    """
    if caller is None or isinstance(executor, GuardedExecutor) or len(document.switches) > _SWITCH_LIMIT:
        return None
    key = _key(document, node, executor.variable_values)
    try:
        return document.plans[key]
    except KeyError:
        return _compile(document, node, key, executor)


def _compile(
    document: Document, node: OperationDefinitionNode, key: Any, executor: BoundedExecutor
) -> Plan | None:
    if not CACHE.holds(document):
        return None
    try:
        plan = compile_plan(executor)
    except (NotPlannedError, GraphQLError, RecursionError):
        plan = None
    document.plans[key] = plan
    CACHE.charge(document, _EMPTY_BYTES if plan is None else plan.bytes + _keep_variables(document, node))
    return plan


def _keep_variables(document: Document, node: OperationDefinitionNode) -> int:
    """Compile the operation's variables if it was not done yet, and return the bytes that they take."""
    if id(node) not in document.variables:
        with suppress(NotPlannedError, RecursionError):
            variables = document.variables[id(node)] = Variables(GRAPHQL_SCHEMA, node)
            return variables.bytes
    return 0
