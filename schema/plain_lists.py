"""Lists of objects of which only plain attributes are selected, such as the points of a series.

graphql-core makes a path and an `info` for each field, and calls a resolver. None of that matters to an
attribute. Read directly, the six fields of 731 points take 5 ms of CPU, and 27 ms by graphql-core.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import Enum
from math import isfinite
from operator import attrgetter
from typing import Any, NamedTuple

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLFloat,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLString,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import FieldDetailsList
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

_PLAIN_TYPES = frozenset({bool, int, float, str, datetime})
# Scalars with values of other types.
_OTHER_SCALARS = frozenset({"JSON", "Date"})


class PlainField(NamedTuple):
    """A selected field whose value is an attribute: a scalar or an enum value."""

    response_name: str
    attribute: str
    leaf: GraphQLLeafType
    nullable: bool


class NotPlainError(Exception):
    """A value needs the executor: it is an error or an awaitable, or null where it must not be."""


def plain_fields(
    parent: GraphQLObjectType, selected: dict[str, FieldDetailsList]
) -> tuple[PlainField, ...] | None:
    """Return the selected fields of a type if all of them are plain, otherwise None."""
    if parent.is_type_of is not None:
        return None
    fields = []
    for response_name, details in selected.items():
        definition = parent.fields.get(details[0].node.name.value)
        leaf = definition and get_nullable_type(definition.type)
        declared = definition and definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if (
            definition is None
            or not is_leaf_type(leaf)
            or leaf.name in _OTHER_SCALARS
            or not isinstance(declared, StrawberryField)
            or not declared.is_basic_field
            or declared.extensions
        ):
            return None
        nullable = not is_non_null_type(definition.type)
        fields.append(PlainField(response_name, declared.python_name, leaf, nullable))
    return tuple(fields)


def complete_plain(rows: Sequence[Any], fields: Sequence[PlainField]) -> Iterator[dict[str, Any]]:
    """Yield the values of each object; raises NotPlainError, or what coercion raises."""
    names = [field.response_name for field in fields]
    for values in zip(*(_column(rows, field) for field in fields), strict=True):
        yield dict(zip(names, values, strict=True))


def _column(rows: Sequence[Any], field: PlainField) -> list[Any]:
    values = list(map(attrgetter(field.attribute), rows))
    present = [value for value in values if value is not None]
    if len(present) < len(values) and not field.nullable:
        raise NotPlainError
    types = set(map(type, present))
    if _is_itself(field.leaf, types, present):
        return values
    if not all(type_ in _PLAIN_TYPES or issubclass(type_, Enum) for type_ in types):
        raise NotPlainError
    coerced = list(map(field.leaf.coerce_output_value, present))
    if None in coerced:
        raise NotPlainError
    if len(present) == len(values):
        return coerced
    following = iter(coerced)
    return [None if value is None else next(following) for value in values]


def _is_itself(leaf: GraphQLLeafType, types: set[type], values: Sequence[Any]) -> bool:
    """Decide whether coercion would leave all values as they are; it takes longer than to see that."""
    if leaf is GraphQLFloat:
        return types == {float} and all(map(isfinite, values))
    if leaf is GraphQLInt:
        return types == {int} and min(values) >= GRAPHQL_MIN_INT and max(values) <= GRAPHQL_MAX_INT
    return leaf is GraphQLString and types == {str}
