"""Compiled arguments: the same values as graphql-core's and Strawberry's, for every field of the schema."""

from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLInputType,
    OperationDefinitionNode,
    Undefined,
    build_schema,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    parse,
)
from graphql.execution.values import VariableValues, get_argument_values, get_variable_values
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from schema.api import GRAPHQL_SCHEMA, SCHEMA
from schema.executor.arguments import argument_converter, argument_reader
from schema.scalars import CONFIG

READ = build_schema("""
    scalar JSON
    enum Colour { RED BLUE }
    input Inner { number: Int, text: String = "a" }
    type Query { f(needed: ID!, number: Int = 5, certain: Int! = 6, list: [Int], inner: Inner, colour: Colour,
      json: JSON): Int }
""")
# "" is an argument that is left out.
GIVEN = {
    "needed": ['"a"', "7", "$id"],
    "number": ["", "null", "3", "$n", "$m"],
    "certain": ["", "3", "$n", "$m"],
    "list": ["", "null", "3", "[3, null]", "[3, $n]", "$list"],
    "inner": ["", "null", "{number: 1}", "{number: $n}", "$inner"],
    "colour": ["", "RED", "null"],
    "json": ["", "1", "{a: 1}", "[$n]"],
}
DECLARED = "$id: ID!, $n: Int, $m: Int! = 4, $list: [Int], $inner: Inner"
VALUES: list[dict[str, Any]] = [
    {},
    {"n": None, "list": None, "inner": None},
    {"n": 1, "m": 2, "list": [1], "inner": {"number": 1}},
]
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


def documents() -> Iterator[str]:
    """Yield a selection for each pair of given arguments; the others are left out."""
    for first, second in product(GIVEN, GIVEN):
        for literals in product(GIVEN[first], GIVEN[second]):
            given = {"needed": '"a"', first: literals[0], second: literals[1]}
            written = ", ".join(f"{name}: {literal}" for name, literal in given.items() if literal)
            yield f"query({DECLARED}) {{ f({written}) }}"


def read(field: GraphQLField, node: FieldNode, variables: VariableValues, *, compiled: bool) -> Any:
    try:
        if compiled:
            return dict(argument_reader(field, node)(variables))
        return get_argument_values(field, node, variables)
    except GraphQLError as error:
        return error.message


@pytest.mark.parametrize("values", VALUES)
def test_arguments_that_are_read_are_those_of_graphql_core(values: dict[str, Any]) -> None:
    assert READ.query_type
    field = READ.query_type.fields["f"]
    for text in documents():
        operation = parse(text).definitions[0]
        assert isinstance(operation, OperationDefinitionNode)
        (node,) = operation.selection_set.selections
        assert isinstance(node, FieldNode)
        variables = get_variable_values(READ, operation.variable_definitions or (), {"id": "b", **values})
        assert isinstance(variables, VariableValues)
        expected = read(field, node, variables, compiled=False)
        assert read(field, node, variables, compiled=True) == expected, (text, values)


@pytest.mark.parametrize("literal", ["{a: 1}", "[1]"])
def test_literal_that_a_resolver_may_change_is_made_for_each_call(literal: str) -> None:
    assert READ.query_type
    operation = parse(f'{{ f(needed: "a", json: {literal}) }}').definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    (node,) = operation.selection_set.selections
    assert isinstance(node, FieldNode)
    reader = argument_reader(READ.query_type.fields["f"], node)
    assert reader(VariableValues({}, {}))["json"] is not reader(VariableValues({}, {}))["json"]
