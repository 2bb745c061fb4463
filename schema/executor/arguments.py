"""Arguments of a field in Python's types: what Strawberry's `convert_arguments` makes, compiled for a field.

Strawberry looks at names and types of each input field again in every request.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any, cast

from strawberry.relay import GlobalID
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryList, StrawberryMaybe, StrawberryOptional
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType
from strawberry.types.object_type import StrawberryObjectDefinition
from strawberry.types.unset import UNSET

from schema.executor.request import NotPlannedError

Convert = Callable[[Any], Any]


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
