"""Arguments of a field: what graphql-core's `get_argument_values` and Strawberry's `convert_arguments` make.

Both look at names and types again in every request. Here they are compiled for a selected field.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    Undefined,
    ValueNode,
    VariableNode,
    is_non_null_type,
)
from graphql.execution.values import VariableValues, get_argument_values
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_literal
from strawberry.relay import GlobalID
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryList, StrawberryMaybe, StrawberryOptional
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType
from strawberry.types.object_type import StrawberryObjectDefinition
from strawberry.types.unset import UNSET

from schema.executor.request import NotPlannedError

Convert = Callable[[Any], Any]
Read = Callable[[VariableValues], Mapping[str, Any]]


def argument_reader(definition: GraphQLField, node: FieldNode) -> Read:
    """Return a function that returns the coerced arguments of a field, as graphql-core does."""

    def read_by_core(variables: VariableValues) -> Mapping[str, Any]:
        return get_argument_values(definition, node, variables)

    literals = {argument.name.value: argument.value for argument in node.arguments or ()}
    try:
        values = {name: _constant(argument, literals.get(name)) for name, argument in definition.args.items()}
    except NotPlannedError:
        return read_by_core
    fixed = {name: value for name, value in values.items() if value is not Undefined}
    of_variables = [
        (name, literal.name.value, is_non_null_type(definition.args[name].type))
        for name, literal in literals.items()
        if isinstance(literal, VariableNode)
    ]

    def read(variables: VariableValues) -> Mapping[str, Any]:
        arguments, coerced = fixed.copy(), variables.coerced
        for name, variable, required in of_variables:
            value = coerced.get(variable, Undefined)
            if required and (value is None or value is Undefined):
                return read_by_core(variables)
            if value is not Undefined:
                arguments[name] = value
        return arguments

    return read


def _constant(argument: GraphQLArgument, literal: ValueNode | None) -> Any:
    """Return the value of an argument without a variable, or its default; raise NotPlannedError."""
    if argument.out_name:
        raise NotPlannedError("an argument of another name")
    if literal is None or isinstance(literal, VariableNode):
        return coerce_default_value(argument)
    value = coerce_input_literal(literal, argument.type)
    # A list or an object may hold variables, and is made for each call: its resolver may change it.
    if value is Undefined or isinstance(value, list | dict):
        raise NotPlannedError("an argument that is not a constant")
    return value


def argument_converter(
    field: StrawberryField, config: StrawberryConfig
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return a function that converts coerced arguments; raise NotPlannedError for unusual types."""
    steps = [
        (
            config.name_converter.from_argument(argument),
            argument.python_name,
            _converter(argument.type, config),
        )
        for argument in field.arguments
    ]
    return lambda given: {
        python_name: convert(given[name]) if convert else given[name]
        for name, python_name, convert in steps
        if name in given
    }


def _converter(type_: Any, config: StrawberryConfig) -> Convert | None:
    """Return the conversion of values of a type, or None if graphql-core's value stays as it is."""
    if isinstance(type_, StrawberryMaybe | LazyType) or type_ is GlobalID:
        raise NotPlannedError(f"an argument of the type {type_}")
    if isinstance(type_, StrawberryOptional):
        return _converter(type_.of_type, config)
    if isinstance(type_, StrawberryList):
        return _list_converter(_converter(type_.of_type, config))
    definition = getattr(type_, "__strawberry_definition__", None)
    return _input_converter(type_, config) if isinstance(definition, StrawberryObjectDefinition) else None


def _list_converter(item: Convert | None) -> Convert:
    def convert(value: Any) -> Any:
        if value is None or value is UNSET:
            return value
        # A copy: graphql-core gives the same default to every request.
        return list(map(item, value)) if item else list(value)

    return convert


def _input_converter(type_: type[Any], config: StrawberryConfig) -> Convert:
    definition: StrawberryObjectDefinition = cast(Any, type_).__strawberry_definition__
    if definition.from_input is not None:
        raise NotPlannedError(f"{definition.name} is made by a function of its own")
    absent = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }
    steps = [
        (
            config.name_converter.from_field(field),
            field.python_name,
            _converter(field.resolve_type(type_definition=definition), config),
        )
        for field in definition.fields
    ]

    def convert(value: Any) -> Any:
        if value is None or value is UNSET:
            return value
        given = {
            python_name: convert(value[name]) if convert else value[name]
            for name, python_name, convert in steps
            if name in value
        }
        return type_(**(absent | given))

    return convert
