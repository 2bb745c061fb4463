"""Reading a subscription: what it follows, what it selects, and who may share its results."""

import re
from collections.abc import Callable, Hashable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson
from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLField,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    located_error,
)
from graphql.execution.collect_fields import FieldDetails, collect_fields
from graphql.execution.values import VariableValues, get_argument_values
from graphql.pyutils import Path

from models.database import DatabaseUnavailableError
from resolvers.actor import Actor
from resolvers.context import Context
from resolvers.errors import BatonError
from resolvers.subscription_sources import StreamEvent, SubscriptionSource
from schema.api import GRAPHQL_SCHEMA
from schema.bounded_executor import VALUE_LIMIT, BoundedExecutor, reply_limit
from schema.context import GraphQLContext
from schema.documents import Document, find, load_for
from schema.errors import RefusedError, format_errors, original_of
from schema.executor.plan import Plan
from schema.executor.request import NotPlannedError, Request
from schema.executor.roots import EventRoot
from schema.executor.run import run, run_plan
from schema.operation import Operation
from schema.planning import build_executor, build_valid_executor, find_run, plan_of
from schema.subscriptions import LiveSource

_AFTER = "after"
# Other texts must be read as any value of a variable.
_CURSOR = re.compile("[A-Za-z0-9_-]{1,200}")

assert GRAPHQL_SCHEMA.subscription_type is not None
_ROOT_TYPE = GRAPHQL_SCHEMA.subscription_type


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """A subscription as all callers follow it who see the same and ask for the same.

    Plans with an equal `key` have the same results for the same event. `build` makes graphql-core's executor
    for the events of a call: with a `compiled` plan, few events need it.
    """

    source: LiveSource
    field: FieldNode
    key: Hashable
    compiled: Plan | None
    variables: VariableValues
    build: Callable[[GraphQLContext], BoundedExecutor]

    async def execute(self, call: GraphQLContext, event: StreamEvent, *, alone: bool) -> dict[str, Any]:
        """Return the result of an event with the rows as they are now; raise DatabaseUnavailableError.

        `alone` states that no other event of the call is executed concurrently.
        """
        result = await self._run(call, self.source.build(event), alone=alone)
        if not result.errors:
            return {"data": result.data}
        for original in map(original_of, result.errors):
            if isinstance(original, DatabaseUnavailableError):
                raise original
        return {"errors": format_errors(result.errors), "data": result.data}

    async def _run(self, call: GraphQLContext, root: Any, *, alone: bool) -> ExecutionResult:
        if self.compiled is None:
            return await run(self._executor(call, root), None)
        left, build = (VALUE_LIMIT, reply_limit(call.caller)), partial(self._executor, call, root)
        return await run_plan(self.compiled, Request(call, root, self.variables, left, build, alone=alone))

    def _executor(self, call: GraphQLContext, root: Any) -> BoundedExecutor:
        executor = self.build(call).build_per_event_executor(root)
        assert isinstance(executor, BoundedExecutor)  # a copy of the given one
        return executor

    def refusal(self, error: Exception) -> RefusedError:
        """Return the error, located at the subscription's field."""
        return _refusal(self.field, error)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A caller who follows a plan, after the cursor `after`."""

    plan: SubscriptionPlan
    call: GraphQLContext
    after: str | None

    async def watch(self) -> SubscriptionSource:
        """Return the source of the subscription; raise RefusedError."""
        try:
            return await self.plan.source.watch(self.call, self.after)
        except BatonError as error:
            raise self.plan.refusal(error) from None


FindPlan = Callable[[Hashable], SubscriptionPlan | None]


def is_subscription(operation: Operation, context: Context) -> bool:
    """Return whether the document's operation of that name is a subscription; a refused one is not."""
    try:
        node = load_for(operation.query, context).operation(operation.name)
    except GraphQLError:
        return False
    return node.operation is OperationType.SUBSCRIPTION


def prepare(operation: Operation, call: GraphQLContext, find_plan: FindPlan) -> Subscriber:
    """Read a subscription for a caller; raise RefusedError.

    `find_plan` returns the plan of a key that others follow now. Nothing but the cursor is read then.
    """
    document, node, _ = find(operation, call)
    return (
        _of_shared_plan(operation, call, document, node, find_plan)
        or _of_compiled_plan(operation, call, document, node)
        or _read(operation, call, document, node)
    )


def _of_shared_plan(
    operation: Operation,
    call: GraphQLContext,
    document: Document,
    node: OperationDefinitionNode,
    find_plan: FindPlan,
) -> Subscriber | None:
    """Return the subscriber of a shared plan, or None for an operation that must be read whole."""
    field, variables = _only_field(node), operation.variables or {}
    # Ids and cursors are texts. Other values may be of a wrong type, which reading them finds.
    if field is None or not all(isinstance(value, str) for value in variables.values()):
        return None
    name, after = _variable_of_after(document, field), None
    if name is not None:
        after = variables.get(name)
        if after is None or not _CURSOR.fullmatch(after):
            return None
    elif any(argument.name.value == _AFTER for argument in field.arguments or ()):
        return None
    plan = find_plan(_key(operation, document, node, field, call))
    return Subscriber(plan, call, after) if plan else None


def _only_field(node: OperationDefinitionNode) -> FieldNode | None:
    """Return the operation's field, unless fragments or directives decide which one it is."""
    selections = node.selection_set.selections
    field = selections[0] if len(selections) == 1 else None
    return field if isinstance(field, FieldNode) and not field.directives else None


def _of_compiled_plan(
    operation: Operation, call: GraphQLContext, document: Document, node: OperationDefinitionNode
) -> Subscriber | None:
    """Return the subscriber of an operation with a compiled plan; None if graphql-core must read it."""
    if (kept := find_run(document, node, operation, call)) is None:
        return None
    compiled, request = kept
    root = compiled.stages[0][0]
    assert isinstance(root, EventRoot)  # as of every subscription
    try:
        source, arguments = root.subscribe(request)
    except NotPlannedError:
        return None
    except BatonError as error:
        raise _refusal(root.node, error) from None
    key = _key(operation, document, node, root.node, call)
    build = _builder(document, node, operation)
    plan = SubscriptionPlan(source, root.node, key, compiled, request.variables, build)
    return Subscriber(plan, call, arguments.get(_AFTER))


def _builder(
    document: Document, node: OperationDefinitionNode, operation: Operation
) -> Callable[[GraphQLContext], BoundedExecutor]:
    # Each socket has a text of its own. The document has what it says.
    return partial(build_valid_executor, document, node, replace(operation, query=""))


def _read(
    operation: Operation, call: GraphQLContext, document: Document, node: OperationDefinitionNode
) -> Subscriber:
    executor = build_executor(document, node, operation, call)
    if not isinstance(executor, BoundedExecutor):
        raise RefusedError(format_errors(executor, document.argument_of_variable))
    root, details = _root_field(executor, node)
    field = details[0].node
    arguments = get_argument_values(root, field, executor.variable_values)
    try:
        source = _subscribe(executor, root, details, arguments)
    except BatonError as error:
        raise _refusal(field, error) from None
    key = _key(operation, document, node, field, call)
    compiled = plan_of(document, node, executor, call.caller)
    # The plan outlives this call.
    executor.context_value = None
    build = _builder(document, node, operation) if compiled else partial(_copy_for, executor)
    plan = SubscriptionPlan(source, field, key, compiled, executor.variable_values, build)
    return Subscriber(plan, call, arguments.get(_AFTER))


def _copy_for(executor: BoundedExecutor, call: GraphQLContext) -> BoundedExecutor:
    copied = copy(executor)
    copied.context_value = call
    return copied


def _refusal(field: FieldNode, error: Exception) -> RefusedError:
    name = field.alias.value if field.alias else field.name.value
    return RefusedError(format_errors([located_error(error, [field], [name])]))


def _root_field(
    executor: BoundedExecutor, node: OperationDefinitionNode
) -> tuple[GraphQLField, list[FieldDetails]]:
    """Return the subscription's field in the schema, and its selections in the document."""
    collected = collect_fields(
        GRAPHQL_SCHEMA, executor.fragments, executor.variable_values, _ROOT_TYPE, node
    ).grouped_field_set
    details = next(iter(collected.values()))
    return _ROOT_TYPE.fields[details[0].node.name.value], details


def _subscribe(
    executor: BoundedExecutor,
    root: GraphQLField,
    details: list[FieldDetails],
    arguments: Mapping[str, Any],
) -> LiveSource:
    """Call the resolver of the subscription; it does not open the source yet."""
    nodes = [item.node for item in details]
    path = Path(None, nodes[0].name.value, _ROOT_TYPE.name)
    info = executor.build_resolve_info(root, nodes, _ROOT_TYPE, path)
    assert root.subscribe is not None
    source: LiveSource = root.subscribe(None, info, **arguments)
    return source


def _key(
    operation: Operation,
    document: Document,
    node: OperationDefinitionNode,
    field: FieldNode,
    call: GraphQLContext,
) -> Hashable:
    # Undeclared variables do not affect the result.
    declared = {definition.variable.name.value for definition in node.variable_definitions or ()}
    declared.discard(_variable_of_after(document, field) or "")
    variables = {name: value for name, value in (operation.variables or {}).items() if name in declared}
    spelled = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)
    return document.digest, operation.name, spelled, visibility(call.caller)


def visibility(actor: Actor | None) -> Hashable:
    """Return the visibility of a caller; callers of the same visibility see the same."""
    if actor is None:
        return None
    return actor.workspace_id, actor.kind, actor.conversation_id, actor.scopes


def _variable_of_after(document: Document, field: FieldNode) -> str | None:
    """Return the variable that gives `after`, when it gives nothing else."""
    for argument in field.arguments or ():
        if argument.name.value == _AFTER and isinstance(argument.value, VariableNode):
            name = argument.value.name.value
            return name if document.uses_of_variable[name] == 1 else None
    return None
