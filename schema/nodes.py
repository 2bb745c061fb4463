"""Nodes: objects with an id of their own, and the registry through which types refer to each other.

A type registers the prefix of its TypeIDs and the functions that load its rows:

    @node(typeid.AGENT, "AI agent", agent_by_id, agents_by_id)
    @strawberry.type
    class Agent(Node): ...

A relation then needs the prefix only: `load_node(info, typeid.AGENT, agent_id)`. So an escalation and its
conversation refer to each other, and their modules do not import each other. A relation to a type that cannot
be imported has an annotation with `strawberry.lazy`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

import strawberry
from strawberry.utils.await_maybe import AwaitableOrValue

from resolvers.context import Context
from resolvers.errors import BadInputError, NotFoundError
from rules.typeid import prefix_of
from schema.context import GraphQLContext, Info, parse_global_id
from schema.lookups import Batch, Relation


@strawberry.interface
class Node:
    """An object with an id."""

    id: strawberry.ID
    """TypeID: a prefix that names the type, and a UUIDv7."""


class _Built(Protocol):
    @classmethod
    def of(cls, row: Any, call: GraphQLContext, /) -> Any: ...


N = TypeVar("N", bound=type[_Built])
C = TypeVar("C", bound=type)


@dataclass(slots=True)
class _Registration:
    """A type of nodes: `by_id` checks the permission of a query, `batch` serves relations."""

    name: str
    type: type[_Built]
    by_id: Callable[[Context, UUID], Awaitable[Any]]
    batch: Batch[Any] | None
    connection: Any = None


_REGISTRY: dict[str, _Registration] = {}


def node(
    prefix: str,
    name: str,
    by_id: Callable[[Context, UUID], Awaitable[Any]],
    batch: Batch[Any] | None = None,
) -> Callable[[N], N]:
    """Register a type under the prefix of its TypeIDs; `name` is for error messages."""

    def register(type_: N) -> N:
        _REGISTRY[prefix] = _Registration(name, type_, by_id, batch)
        return type_

    return register


def connection(prefix: str) -> Callable[[C], C]:
    """Register the connection of the nodes with that prefix."""

    def register(type_: C) -> C:
        _REGISTRY[prefix].connection = type_
        return type_

    return register


def connection_of(prefix: str) -> Any:
    """Return the connection type of the nodes with that prefix."""
    return _REGISTRY[prefix].connection


def build_node(info: Info, prefix: str, row: Any) -> Any:
    """Return the node of a row that the caller may see."""
    return _REGISTRY[prefix].type.of(row, info.context)


async def load_nodes(info: Info, prefix: str, ids: Sequence[UUID]) -> list[Any]:
    """Return the nodes of the ids, in their order; raise NotFoundError."""
    registered, call = _REGISTRY[prefix], info.context
    assert registered.batch is not None
    rows = await call.load_all(registered.batch, ids)
    if None in rows:
        raise NotFoundError(registered.name)
    return [registered.type.of(row, call) for row in rows]


def load_node(info: Info, prefix: str, row_id: UUID) -> AwaitableOrValue[Any]:
    """Return the node of that id for a relation; raise NotFoundError.

    It is loaded in one batch with those of the operation's other fields.
    """
    relation = info.context.relations.get(prefix)
    return (relation or _required_relation(info.context, prefix)).look_up(row_id)


def _required_relation(call: GraphQLContext, prefix: str) -> Relation[Any, Any]:
    registered = _REGISTRY[prefix]
    assert registered.batch is not None
    of = registered.type.of

    def build(row: Any) -> Any:
        if row is None:
            raise NotFoundError(registered.name)
        return of(row, call)

    relation = call.relations[prefix] = Relation(call.loader(registered.batch), build)
    return relation


def load_optional_node(
    info: Info, prefix: str, row_id: UUID | None, batch: Batch[Any] | None = None
) -> AwaitableOrValue[Any]:
    """Return the node of that id for a relation, or None; `batch` finds rows by an id of another type."""
    if row_id is None:
        return None
    relation = info.context.relations.get((prefix, batch))
    return (relation or _optional_relation(info.context, prefix, batch)).look_up(row_id)


def _optional_relation(call: GraphQLContext, prefix: str, batch: Batch[Any] | None) -> Relation[Any, Any]:
    registered = _REGISTRY[prefix]
    of, read = registered.type.of, batch or registered.batch
    assert read is not None
    relation: Relation[Any, Any] = Relation(
        call.loader(read), lambda row: None if row is None else of(row, call)
    )
    call.relations[prefix, batch] = relation
    return relation


async def query_node(info: Info, prefix: str, global_id: str) -> Any:
    """Return the node of that TypeID for a query, or None; raise ForbiddenError or BadInputError."""
    row_id = parse_global_id(info, prefix, global_id, "id")
    try:
        row = await _REGISTRY[prefix].by_id(info.context, row_id)
    except NotFoundError:
        # A row that the caller may not see does not exist for them, whatever their rights.
        return None
    return None if row is None else build_node(info, prefix, row)


async def query_any_node(info: Info, global_id: str) -> Any:
    """Return the node of a TypeID of any type, or None; raise ForbiddenError or BadInputError."""
    info.context.require_signed_in()
    prefix = prefix_of(global_id)
    if prefix not in _REGISTRY:
        raise BadInputError("id", "is not an id: it does not start with a known prefix")
    return await query_node(info, prefix, global_id)
