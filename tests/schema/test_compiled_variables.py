"""Compiled coercion of variables: graphql-core's values, or none if graphql-core must coerce them.

COERCION_SEEDS sets the number of values for each variable.
"""

import os
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from graphql import (
    GraphQLInputType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
    parse,
)
from graphql.execution.values import VariableValues, get_variable_values

from rules.text import CONTENT_LIMIT, NAME_LIMIT
from schema.api import GRAPHQL_SCHEMA
from schema.executor.request import NotPlannedError
from schema.executor.variables import Variables
from schema.variable_bounds import LIST_LIMIT, oversized_values
from tests.support.permission_targets import ROOTS

SEEDS = int(os.environ.get("COERCION_SEEDS", "60"))
SMALL = build_schema("""
    enum Colour { RED BLUE }
    scalar JSON
    scalar Other
    input Inner {
      id: ID!, texts: [String!], colour: Colour! = RED, counts: [[Int]!] = [[1], []], other: Other }
    input Choice @oneOf { text: String, number: Int }
    input Tree { name: String, below: [Tree!] }
    type Query { f(
      id: ID, needed: ID!, text: String, number: Int, share: Float, flag: Boolean, colour: Colour, json: JSON,
      other: Other, inner: Inner, inners: [Inner!], lists: [[Int!]], choice: Choice, tree: Tree): Int }
""")
assert SMALL.query_type
SMALL_ARGUMENTS = SMALL.query_type.fields["f"].args
USUAL: dict[str, list[Any]] = {
    "ID": ["an id", "", "x" * NAME_LIMIT],
    "String": ["a text", "", "é\ud800", "x" * CONTENT_LIMIT],
    "Int": [0, -1, 2**31 - 1, -(2**31)],
    "Float": [0.5, 1, -0.0, 1e308, 2**53],
    "Boolean": [True, False],
    "DateTime": ["2026-01-01T00:00:00Z", "2026-07-01T12:00:00.123456+02:00"],
    "Date": ["2026-02-28"],
    "JSON": [{}, {"a": [1, None]}, "x" * 30_000, 1.5, [1]],
    "Other": [{"a": 1}, 1, "text"],
}
UNUSUAL: list[Any] = [
    None, "", "RED", "red", "x" * (NAME_LIMIT + 1), "x" * (CONTENT_LIMIT + 1), 0, 1, True, 2**31, -(2**32),
    2**53 + 1, 2**70, 10**400, 1.0, 0.5, float("nan"), float("inf"), [], [None], [[]], ["a"], {}, {"id": "a"},
    {"unknown": 1}, {"x" * (NAME_LIMIT + 1): 1}, [1] * (LIST_LIMIT + 1), ("a",), b"a", object(),
    "2026-01-01T00:00:00", "2026-13-01", "0000-00-00",
]  # fmt: skip


def usual(type_: Any, random: Random) -> Any:
    """Return a value that fits the type, as clients send it."""
    if not is_non_null_type(type_) and random.random() < 0.1:
        return None
    inner = get_nullable_type(type_)
    if is_list_type(inner):
        return [usual(inner.of_type, random) for _ in range(random.randrange(4))]
    if is_input_object_type(inner):
        fields = inner.fields.items()
        given = {name: usual(field.type, random) for name, field in fields if _is_given(field, random)}
        return dict(random.sample(list(given.items()), len(given)))
    return random.choice(list(inner.values) if is_enum_type(inner) else USUAL[inner.name])


def _is_given(field: Any, random: Random) -> bool:
    return is_required_input_field(field) or random.random() < 0.5


def spoilt(value: Any, random: Random) -> Any:
    """Return the value with an unusual one in some place, or without a part."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        name = random.choice(list(value))
        if random.random() < 0.2:
            return {key: item for key, item in value.items() if key != name}
        return {**value, name: spoilt(value[name], random)}
    if isinstance(value, list) and value and random.random() < 0.6:
        place = random.randrange(len(value))
        return [*value[:place], spoilt(value[place], random), *value[place + 1 :]]
    return random.choice(UNUSUAL)


def exactly(value: Any) -> Any:
    """Return the value with the classes of its parts, which `==` does not compare."""
    if isinstance(value, dict):
        return {name: exactly(item) for name, item in value.items()}
    if isinstance(value, list):
        return [exactly(item) for item in value]
    return type(value), repr(value)


def operation(text: str) -> OperationDefinitionNode:
    node = parse(text).definitions[0]
    assert isinstance(node, OperationDefinitionNode)
    return node


def by_core(schema: GraphQLSchema, node: OperationDefinitionNode, values: Any) -> VariableValues | None:
    """Return the values as graphql-core coerces them within the bounds, or None if they have errors."""
    if oversized_values(schema, node, values, {}):
        return None
    coerced = get_variable_values(schema, node.variable_definitions or (), values)
    return coerced if isinstance(coerced, VariableValues) else None


def check(schema: GraphQLSchema, node: OperationDefinitionNode, values: Any, *, is_usual: bool) -> bool:
    """Compare both coercions; return whether the compiled one has accepted the values."""
    compiled, core = Variables(schema, node).coerce(values), by_core(schema, node, values)
    assert compiled is None or core is not None, values
    assert compiled is not None or not is_usual, values
    if compiled is None or core is None:
        return False
    assert exactly(compiled.coerced) == exactly(core.coerced), values
    assert list(compiled.sources) == list(core.sources)
    for name, source in core.sources.items():
        signature = compiled.sources[name].signature
        assert (signature.name, str(signature.type)) == (source.signature.name, str(source.signature.type))
        assert compiled.sources[name].value is source.value
    return True


def arguments() -> Iterator[tuple[str, GraphQLInputType]]:
    """Yield the types of all arguments of root fields."""
    types = {
        str(argument.type): argument.type for _, field in ROOTS.values() for argument in field.args.values()
    }
    yield from types.items()


ARGUMENTS = dict(arguments())


@pytest.mark.parametrize("type_name", ARGUMENTS)
def test_values_of_arguments_are_those_of_graphql_core(type_name: str) -> None:
    node, accepted = operation(f"query($v: {type_name}) {{ f(v: $v) }}"), 0
    for seed in range(SEEDS):
        random = Random(f"{type_name} {seed}")
        value = usual(ARGUMENTS[type_name], random)
        check(GRAPHQL_SCHEMA, node, {"v": value}, is_usual=True)
        accepted += check(GRAPHQL_SCHEMA, node, {"v": spoilt(value, random)}, is_usual=False)
    assert accepted < SEEDS, "most values that are not usual are refused"


@pytest.mark.parametrize("field", SMALL_ARGUMENTS)
def test_values_of_each_kind_are_those_of_graphql_core(field: str) -> None:
    type_ = SMALL_ARGUMENTS[field].type
    node = operation(f"query($v: {type_}) {{ f({field}: $v) }}")
    if field == "tree":  # it may nest without end
        with pytest.raises(RecursionError):
            Variables(SMALL, node)
        return
    for value in UNUSUAL:
        for given in (value, [value], [[value]], {"id": value}, {"id": "a", "texts": value}, {"text": value}):
            check(SMALL, node, {"v": given}, is_usual=False)
    check(SMALL, node, {}, is_usual=not is_non_null_type(type_))
    for seed in range(SEEDS):
        value = usual(type_, Random(seed))
        check(SMALL, node, {"v": value}, is_usual=field != "choice" or value is None)


DEFAULTS = {
    "$v: Int = 3": True,
    "$v: Int! = 3": True,
    "$v: Colour = BLUE": True,
    "$v: ID = 5": True,
    "$v: String = null": True,
    "$v: [Int] = [1]": False,
    "$v: Inner = {id: 1}": False,
    "$v: JSON = {a: 1}": False,
    "$v: Int": True,
    "$v: Int!": False,
}


@pytest.mark.parametrize("declared", DEFAULTS)
def test_value_that_is_left_out_is_the_default(declared: str) -> None:
    node = operation(f"query({declared} $other: Int) {{ f(number: $v) }}")
    check(SMALL, node, {}, is_usual=DEFAULTS[declared])
    assert (Variables(SMALL, node).coerce({}) is not None) == DEFAULTS[declared]
    for values in ({"v": None}, {"v": None, "other": 1, "undeclared": object()}, {"v": 1}, {"other": "a"}):
        check(SMALL, node, values, is_usual=False)


def test_list_of_a_default_is_not_that_of_another_request() -> None:
    node = operation("query($v: [Int] = [1]) { f(lists: [$v]) }")
    assert Variables(SMALL, node).coerce({}) is None


@pytest.mark.parametrize("declared", ["$v: Query", "$v: Nothing"])
def test_variable_of_no_input_type_is_not_compiled(declared: str) -> None:
    with pytest.raises(NotPlannedError):
        Variables(SMALL, operation(f"query({declared}) {{ f }}"))
