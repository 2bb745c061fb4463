"""Compiled coercion of variables: graphql-core's, and the bounds of `schema.variable_bounds`.

Only usual values are coerced. graphql-core coerces all others again, and makes the errors.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    Undefined,
    VariableDefinitionNode,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource
from graphql.utilities.coerce_input_value import coerce_default_value

from rules.text import NAME_LIMIT
from schema.executor.request import DiscardedError, NotPlannedError
from schema.variable_bounds import JSON, LIST_LIMIT, TEXT_LIMIT

Coerce = Callable[[Any], Any]

# Measured with tracemalloc: 170 to 830 bytes. Input types are compiled once for all documents.
_VARIABLE_BYTES = 700


class Variables:
    """The coercion of an operation's variables; raises NotPlannedError for unusual types."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._steps = [_step(schema, definition) for definition in operation.variable_definitions or ()]
        self.bytes = len(self._steps) * _VARIABLE_BYTES

    def coerce(self, values: Mapping[str, Any]) -> VariableValues | None:
        """Return what graphql-core makes of the values, or None if a value is not usual."""
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        try:
            for name, signature, coerce, default in self._steps:
                if name in values:
                    value = values[name]
                    sources[name] = VariableValueSource(signature, value)
                    coerced[name] = coerce(value)
                else:
                    sources[name] = VariableValueSource(signature)
                    coerced.update(default())
        except Exception:
            return None
        return VariableValues(sources, coerced)


def _step(
    schema: GraphQLSchema, definition: VariableDefinitionNode
) -> tuple[str, GraphQLVariableSignature, Coerce, Callable[[], Mapping[str, Any]]]:
    signature = get_variable_signature(schema, definition)
    if isinstance(signature, GraphQLError):
        raise NotPlannedError(signature.message)
    return signature.name, signature, _coercer(signature.type), _default(signature)


def _default(signature: GraphQLVariableSignature) -> Callable[[], Mapping[str, Any]]:
    """Return a function that returns the value of a variable that is left out, by its name, if it has one."""
    value = coerce_default_value(signature)
    if value is Undefined and not is_non_null_type(signature.type):
        return dict
    # A list or an object must be made for each request: its resolver may change it.
    if value is Undefined or isinstance(value, list | dict):
        return _discard
    return lambda: {signature.name: value}


def _require(usual: bool) -> None:
    if not usual:
        raise DiscardedError("a value that is not usual")


def _discard(_: Any = None) -> Any:
    _require(usual=False)


def _coercer(type_: GraphQLInputType) -> Coerce:
    """Return the coercion of values of a type. It raises any exception for a value that is not usual."""
    if is_non_null_type(type_):
        return _non_null(type_.of_type)
    coerce = _non_null(type_)
    return lambda value: None if value is None else coerce(value)


def _non_null(type_: Any) -> Coerce:
    if is_list_type(type_):
        return _list(_coercer(type_.of_type))
    if is_input_object_type(type_):
        return _object(type_)
    if isinstance(type_, GraphQLEnumType):
        return {name: type_.coerce_input_value(name) for name in type_.values}.__getitem__
    return _SCALARS.get(type_) or _scalar(type_)


def _list(item: Coerce) -> Coerce:
    def coerce(value: Any) -> list[Any]:
        _require(type(value) is list and len(value) <= LIST_LIMIT)
        return list(map(item, value))

    return coerce


@cache
def _object(type_: GraphQLInputObjectType) -> Coerce:
    fields = type_.fields
    if (
        type_.is_one_of
        or type_.out_type is not GraphQLInputObjectType.out_type
        or any(field.out_name for field in fields.values())
    ):
        return _discard
    coercers = {name: _coercer(field.type) for name, field in fields.items()}
    required = {name for name, field in fields.items() if is_required_input_field(field)}
    given_by_default = {name: coerce_default_value(field) for name, field in fields.items()}
    defaults = {name: value for name, value in given_by_default.items() if value is not Undefined}

    def coerce(value: Any) -> dict[str, Any]:
        _require(type(value) is dict and required <= value.keys())
        given = {name: coercers[name](item) for name, item in value.items()}
        return defaults | given

    return coerce


def _text(limit: int) -> Coerce:
    def coerce(value: Any) -> Any:
        _require(type(value) is str and len(value) <= limit)
        return value

    return coerce


def _whole_number(value: Any) -> Any:
    _require(type(value) is int and GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT)
    return value


def _boolean(value: Any) -> Any:
    _require(type(value) is bool)
    return value


_SCALARS: dict[Any, Coerce] = {
    GraphQLString: _text(TEXT_LIMIT),
    GraphQLID: _text(NAME_LIMIT),
    GraphQLInt: _whole_number,
    GraphQLBoolean: _boolean,
}


def _scalar(leaf: GraphQLLeafType) -> Coerce:
    limit = None if leaf.name == JSON else NAME_LIMIT

    def coerce(value: Any) -> Any:
        _require(value is not None and not (limit and isinstance(value, str) and len(value) > limit))
        result = leaf.coerce_input_value(value)
        _require(result is not Undefined)
        return result

    return coerce
