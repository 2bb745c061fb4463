"""The ways on which operations reach the fields of objects, generated from the schema."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from graphql import (
    GraphQLNamedType,
    GraphQLObjectType,
    OperationDefinitionNode,
    get_named_type,
    is_interface_type,
    is_leaf_type,
    is_object_type,
    parse,
)

from resolvers.field_scopes import FOR_ANOTHER_CALLER, access_of
from rules.roles import EVERY_SCOPE, Scope
from schema.api import GRAPHQL_SCHEMA
from schema.field_access import AccessReader
from tests.support.permission_targets import ROOTS

# Enough for escalations.nodes.conversation.messages.nodes.author.
DEPTH = 5


@dataclass(frozen=True)
class Way:
    """
    A path of fields below a root field, to an object of a type directly within a `holder`.

    `steps` are its fields, each with its type and the holder of that.
    """

    path: tuple[str, ...]
    holder: str
    type: Any
    steps: tuple[tuple[str, str, str], ...]

    def selection(self, field: str) -> str:
        """Return the selection of a field of the object."""
        inner = field
        for name in reversed(self.path):
            inner = f"{name} {{ {inner} }}"
        return inner


@cache
def ways(root: str) -> tuple[Way, ...]:
    """Return the ways below a root field that pass no type twice."""
    _, field = ROOTS[root]
    parent = _parent_of(root)
    return tuple(_ways_to(get_named_type(field.type), Way((), parent, None, ()), frozenset({parent})))


def _parent_of(root: str) -> str:
    kind, _ = ROOTS[root]
    return kind.capitalize()


def _ways_to(type_: GraphQLNamedType, above: Way, passed: frozenset[str]) -> Iterator[Way]:
    if is_interface_type(type_):
        for concrete in GRAPHQL_SCHEMA.get_possible_types(type_):
            yield from _ways_to(
                concrete, replace(above, path=(*above.path, f"... on {concrete.name}")), passed
            )
    if not is_object_type(type_) or type_.name in passed:
        return
    here = replace(above, type=type_)
    yield here
    if len(here.path) < DEPTH:
        for name, field in type_.fields.items():
            step = here.holder, type_.name, name
            below = Way((*here.path, name), type_.name, None, (*here.steps, step))
            yield from _ways_to(get_named_type(field.type), below, passed | {type_.name})


def leaves(type_: GraphQLObjectType) -> list[str]:
    """Return the fields of a type whose values are scalars or enum values."""
    return [name for name, field in type_.fields.items() if is_leaf_type(get_named_type(field.type))]


def roots() -> list[str]:
    """Return the root fields whose answers are for their caller."""
    return [name for name in ROOTS if name not in FOR_ANOTHER_CALLER]


def hiding_scopes(root: str, selection: str) -> set[Scope]:
    """Return the scopes from whose keys the service hides a field of the selection."""
    kind, _ = ROOTS[root]
    (operation,) = parse(f"{kind} {{ {root} {{ {selection} }} }}", no_location=True).definitions
    assert isinstance(operation, OperationDefinitionNode)
    return {
        scope
        for scope in EVERY_SCOPE
        if AccessReader(GRAPHQL_SCHEMA, {}, access_of(frozenset({scope}))).selects_hidden(operation)
    }
