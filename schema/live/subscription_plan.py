"""Reading a subscription: what it follows, what it selects, and who may share its results."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    execute_subscription_event,
    get_operation_ast,
    located_error,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import collect_fields
from graphql.execution.values import get_argument_values
from graphql.language import Visitor

from models.database import is_unavailable
from realtime.cancellation import convert_stray_cancellation
from resolvers.actor import Actor
from resolvers.errors import BatonError
from resolvers.subscription_sources import StreamEvent
from schema.api import SCHEMA
from schema.context import GraphQLContext
from schema.errors import format_errors, original_of
from schema.operation import Operation
from schema.query_cost import TOKENS, CostRule
from schema.subscriptions import FOLLOWED, Followed

# A document weighs some 600 bytes a token, and whoever sends one need not have signed in.
REMEMBERED = 4_096

_AFTER = "after"
_RULES = (*specified_rules, CostRule)


class RefusedError(Exception):
    """The operation cannot be run; `errors` are dressed."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__("the operation is refused")
        self.errors = errors


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """
    A subscription that is ready to be followed behind the cursor `after`.

    All whose `key` is equal get the same results for the same happening.
    """

    call: GraphQLContext
    executor: Executor[Any]
    followed: Followed
    field: FieldNode
    after: str | None
    key: Hashable

    async def execute(self, event: StreamEvent) -> dict[str, Any]:
        """The result for one happening, as the rows are now; raises what says that the database is away."""
        executor = self.executor.build_per_event_executor(self.followed.dress(event))
        found = execute_subscription_event(executor)
        result = found if isinstance(found, ExecutionResult) else await convert_stray_cancellation(found)
        if not result.errors:
            return {"data": result.data}
        for original in map(original_of, result.errors):
            if original is not None and is_unavailable(original):
                raise original
        return {"errors": format_errors(result.errors), "data": result.data}

    def refusal(self, error: Exception) -> RefusedError:
        """The error of the subscription's own field."""
        return _refusal(self.field, error)


def is_subscription(operation: Operation) -> bool:
    """Whether the document's operation of that name is one; what cannot be read is none."""
    try:
        found = get_operation_ast(_parsed(operation.query), operation.name)
    except GraphQLError:
        return False
    return found is not None and found.operation is OperationType.SUBSCRIPTION


def prepare(operation: Operation, call: GraphQLContext) -> SubscriptionPlan:
    """Reads a subscription for a caller; raises RefusedError."""
    document = _document(operation.query)
    node = get_operation_ast(document, operation.name)
    assert node is not None  # `is_subscription` has found it
    executor = Executor.build(
        SCHEMA._schema,
        document,
        context_value=call,
        raw_variable_values=dict(operation.variables or {}),
        operation_name=operation.name,
    )
    if isinstance(executor, list):
        raise RefusedError(format_errors(executor))
    field, arguments = _root(executor, node)
    try:
        followed = FOLLOWED[field.name.value](call, arguments)
    except BatonError as error:
        raise _refusal(field, error) from None
    key = _key(operation, node, field, call)
    return SubscriptionPlan(call, executor, followed, field, arguments.get(_AFTER), key)


def _refusal(field: FieldNode, error: Exception) -> RefusedError:
    name = field.alias.value if field.alias else field.name.value
    return RefusedError(format_errors([located_error(error, [field], [name])]))


def _parsed(query: str) -> DocumentNode:
    return _remembered(query) if len(query) <= REMEMBERED else parse(query, max_tokens=TOKENS)


@lru_cache(200)
def _remembered(query: str) -> DocumentNode:
    return parse(query, max_tokens=TOKENS)


def _faults(query: str) -> tuple[GraphQLError, ...]:
    return _remembered_faults(query) if len(query) <= REMEMBERED else _found_faults(query)


@lru_cache(200)
def _remembered_faults(query: str) -> tuple[GraphQLError, ...]:
    return _found_faults(query)


def _found_faults(query: str) -> tuple[GraphQLError, ...]:
    return tuple(validate(SCHEMA._schema, _parsed(query), _RULES))


def _document(query: str) -> DocumentNode:
    if faults := _faults(query):
        raise RefusedError(format_errors(faults))
    return _parsed(query)


def _root(executor: Executor[Any], node: OperationDefinitionNode) -> tuple[FieldNode, Mapping[str, Any]]:
    root = SCHEMA._schema.subscription_type
    assert root is not None
    collected = collect_fields(
        SCHEMA._schema, executor.fragments, executor.variable_values, root, node
    ).grouped_field_set
    details = next(iter(collected.values()))[0]
    field = details.node
    return field, get_argument_values(root.fields[field.name.value], field, executor.variable_values)


def _key(
    operation: Operation, node: OperationDefinitionNode, field: FieldNode, call: GraphQLContext
) -> Hashable:
    # What is given beside the variables that the document declares has no part in anything.
    declared = {one.variable.name.value for one in node.variable_definitions or ()}
    declared.discard(_variable_of_after(operation.query, field) or "")
    variables = {name: value for name, value in (operation.variables or {}).items() if name in declared}
    spelled = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)
    return operation.query, operation.name, spelled, visibility(call.caller)


def visibility(actor: Actor | None) -> Hashable:
    """What decides on what a caller sees; callers of the same visibility see the same."""
    if actor is None:
        return None
    return actor.workspace_id, actor.kind, actor.conversation_id, actor.scopes


@lru_cache(500)
def _uses(query: str) -> Mapping[str, int]:
    """How often each variable is used."""
    uses: dict[str, int] = {}

    class Count(Visitor):
        def enter_variable_definition(self, *_: Any) -> Any:
            return False

        def enter_variable(self, node: VariableNode, *_: Any) -> None:
            uses[node.name.value] = uses.get(node.name.value, 0) + 1

    visit(_parsed(query), Count())
    return uses


def _variable_of_after(query: str, field: FieldNode) -> str | None:
    """The variable that gives `after`, when it gives nothing else."""
    for argument in field.arguments or ():
        if argument.name.value == _AFTER and isinstance(argument.value, VariableNode):
            name = argument.value.name.value
            return name if _uses(query)[name] == 1 else None
    return None
