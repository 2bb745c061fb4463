"""Scalars and enum values: all values of a field together."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from math import isfinite
from types import NoneType
from typing import Any

import orjson
from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)

from rules.encoding import format_datetime, format_datetimes
from schema.executor.request import DiscardedError, Request

Coerce = Callable[[Sequence[Any]], list[Any]]

_NULL_BYTES = 4
_PLAIN_TYPES = frozenset({bool, int, float, str, datetime})


def _all_finite(values: Sequence[float]) -> bool:
    return all(map(isfinite, values))


def _all_small(values: Sequence[int]) -> bool:
    return min(values) >= GRAPHQL_MIN_INT and max(values) <= GRAPHQL_MAX_INT


def _any(_: Sequence[Any]) -> bool:
    return True


# Values of this exact type that pass the check are their own result.
_OWN: dict[GraphQLLeafType, tuple[type | None, Callable[[Sequence[Any]], bool]]] = {
    GraphQLString: (str, _any),
    GraphQLID: (str, _any),
    GraphQLBoolean: (bool, _any),
    GraphQLInt: (int, _all_small),
    GraphQLFloat: (float, _all_finite),
}


class Leaves:
    """The values of a field whose type is a scalar or an enum.

    `plain` marks a field of a list of plain objects, whose bytes are counted by the row.
    """

    waits = False

    def __init__(self, leaf: GraphQLLeafType, *, required: bool, plain: bool = False) -> None:
        self._leaf = leaf
        self._required = required
        self._plain = plain
        own, self._check = _OWN.get(leaf, (None, _any))
        self._own = {own}
        self._coerce: Coerce = self._one_by_one
        if isinstance(leaf, GraphQLEnumType):
            self._coerce = _words(leaf)
        elif leaf.coerce_output_value is format_datetime:
            self._coerce = self._instants

    async def complete(self, values: list[Any], request: Request) -> list[Any]:
        """Return the results of the values, and count their bytes."""
        results = self.coerce(values)
        if results:
            request.spend(0, encoded_size([results], plain=self._plain))
        return results

    def coerce(self, values: list[Any]) -> list[Any]:
        """Return the results of the values."""
        types = set(map(type, values))
        if types == self._own and self._check(values):
            return values
        present: Sequence[Any] = values
        if NoneType in types:
            if self._required:
                raise DiscardedError("null in a field that is not nullable")
            types.discard(NoneType)
            present = [value for value in values if value is not None]
        if self._plain and not all(type_ in _PLAIN_TYPES or issubclass(type_, Enum) for type_ in types):
            raise DiscardedError("an unusual value in a list of plain objects")
        if not present or (types == self._own and self._check(present)):
            return values
        return _with_nulls(values, self._coerce(present))

    def _instants(self, values: Sequence[Any]) -> list[Any]:
        return format_datetimes(values) if set(map(type, values)) == {datetime} else self._one_by_one(values)

    def _one_by_one(self, values: Sequence[Any]) -> list[Any]:
        if any(issubclass(type_, Exception) or hasattr(type_, "__await__") for type_ in map(type, values)):
            raise DiscardedError("an error or an awaitable in the place of a value")
        results = list(map(self._leaf.coerce_output_value, values))
        if any(result is None or result is Undefined for result in results):
            raise DiscardedError("a value without a result")
        return results


def encoded_size(columns: Sequence[list[Any]], *, plain: bool) -> int:
    """Return the bytes of all values, as `BoundedExecutor` counts them. Columns have the same length, not 0.

    It counts no commas, and null only in plain objects.
    """
    nulls = 0 if plain else sum(column.count(None) for column in columns)
    return len(orjson.dumps(columns)) - 1 - len(columns) * (len(columns[0]) + 2) - _NULL_BYTES * nulls


def _words(enum: GraphQLEnumType) -> Coerce:
    """Return a function that looks enum values up; it raises for any other value."""
    python_enum = getattr(enum, "wrapped_cls", None)
    words = {
        value.value if python_enum is None else python_enum(value.value): name
        for name, value in enum.values.items()
    }

    def look_up(values: Sequence[Any]) -> list[Any]:
        return [words[value] for value in values]

    return look_up


def _with_nulls(values: list[Any], results: list[Any]) -> list[Any]:
    if len(results) == len(values):
        return results
    following = iter(results)
    return [None if value is None else next(following) for value in values]
