"""Compiled conversions of arguments: the same values as Strawberry's, for every field of the schema."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from graphql import (
    GraphQLField,
    GraphQLInputType,
    Undefined,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
)
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from schema.api import GRAPHQL_SCHEMA, SCHEMA
from schema.executor.arguments import argument_converter
from schema.scalars import CONFIG

REGISTRY = SCHEMA.schema_converter.scalar_registry
SEEDS = 20


def fields_with_arguments() -> Iterator[tuple[str, GraphQLField]]:
    for type_ in GRAPHQL_SCHEMA.type_map.values():
        for name, field in getattr(type_, "fields", {}).items():
            if getattr(field, "args", None) and not type_.name.startswith("__"):
                yield f"{type_.name}.{name}", field


FIELDS = dict(fields_with_arguments())


def coerced(type_: GraphQLInputType, random: Random) -> Any:
    """Return a value as graphql-core's coercion returns it."""
    if not is_non_null_type(type_) and random.random() < 0.2:
        return None
    inner = get_nullable_type(type_)
    if is_list_type(inner):
        return [coerced(inner.of_type, random) for _ in range(random.randrange(3))]
    if is_input_object_type(inner):
        return {
            name: coerced(field.type, random)
            for name, field in inner.fields.items()
            if is_non_null_type(field.type) or random.random() < 0.6
        }
    if is_enum_type(inner):
        return inner.coerce_input_value(random.choice(list(inner.values)))
    return random.choice(["text", 1, 2.5, True])


@pytest.mark.parametrize("name", FIELDS)
def test_converted_arguments_are_those_of_strawberry(name: str) -> None:
    definition = FIELDS[name]
    field = definition.extensions["strawberry-definition"]
    assert isinstance(field, StrawberryField)
    convert = argument_converter(field, CONFIG)
    for seed in range(SEEDS):
        random = Random(f"{name} {seed}")
        given = {
            argument: coerced(details.type, random)
            for argument, details in definition.args.items()
            if is_non_null_type(details.type) or random.random() < 0.7
        }
        assert convert(given) == convert_arguments(given, field.arguments, REGISTRY, CONFIG), given


def test_default_list_is_copied_for_each_call() -> None:
    definition = next(
        (field, name)
        for field in FIELDS.values()
        for name, argument in field.args.items()
        if is_list_type(get_nullable_type(argument.type)) and argument.default_value is not Undefined
    )
    field, name = definition
    convert = argument_converter(field.extensions["strawberry-definition"], CONFIG)
    given = {name: ["an item"]}
    (first,), (second,) = convert(given).values(), convert(given).values()
    assert first == second == ["an item"]
    assert first is not second
