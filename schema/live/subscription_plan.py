"""Reading a subscription: what it follows, what it selects, and who may share its results."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    located_error,
)
from graphql.execution.collect_fields import FieldDetails, collect_fields
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path

from models.database import DatabaseUnavailableError
from resolvers.actor import Actor
from resolvers.context import Context
from resolvers.errors import BatonError
from resolvers.subscription_sources import StreamEvent
from schema.api import GRAPHQL_SCHEMA
from schema.bounded_executor import BoundedExecutor
from schema.context import GraphQLContext
from schema.documents import Document, find, load_for
from schema.errors import RefusedError, format_errors, original_of
from schema.executor.plan import Plan
from schema.executor.run import run
from schema.operation import Operation
from schema.planning import build_executor, plan_of
from schema.subscriptions import LiveSource

_AFTER = "after"

assert GRAPHQL_SCHEMA.subscription_type is not None
_ROOT_TYPE = GRAPHQL_SCHEMA.subscription_type


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """A subscription that can be followed after the cursor `after`.

    Plans with an equal `key` have the same results for the same event.
    """

    call: GraphQLContext
    executor: BoundedExecutor
    plan: Plan | None
    source: LiveSource
    field: FieldNode
    after: str | None
    key: Hashable

    async def execute(self, event: StreamEvent) -> dict[str, Any]:
        """Return the result of an event with the rows as they are now; raise DatabaseUnavailableError."""
        executor = self.executor.build_per_event_executor(self.source.build(event))
        assert isinstance(executor, BoundedExecutor)  # a copy of this plan's
        result = await run(executor, self.plan)
        if not result.errors:
            return {"data": result.data}
        for original in map(original_of, result.errors):
            if isinstance(original, DatabaseUnavailableError):
                raise original
        return {"errors": format_errors(result.errors), "data": result.data}

    def refusal(self, error: Exception) -> RefusedError:
        """Return the error, located at the subscription's field."""
        return _refusal(self.field, error)


def is_subscription(operation: Operation, context: Context) -> bool:
    """Return whether the document's operation of that name is a subscription; a refused one is not."""
    try:
        node = load_for(operation.query, context).operation(operation.name)
    except GraphQLError:
        return False
    return node.operation is OperationType.SUBSCRIPTION


def prepare(operation: Operation, call: GraphQLContext) -> SubscriptionPlan:
    """Read a subscription for a caller; raise RefusedError."""
    document, node = find(operation, call)
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
    plan = plan_of(document, node, executor, call.caller)
    return SubscriptionPlan(call, executor, plan, source, field, arguments.get(_AFTER), key)


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
