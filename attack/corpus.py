"""Documents as products of fields, pages, aliases and fragments over the schema."""

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from graphql import (
    GraphQLField,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
    is_required_argument,
)

from attack.world import World
from schema.api import GRAPHQL_SCHEMA

DEPTH = 6
_PAGES = (1, 10, 50, 100)
_PERIOD = {"from": '"2024-01-01T00:00:00Z"', "to": '"2026-12-01T00:00:00Z"'}


@dataclass(frozen=True, slots=True)
class Shape:
    """A root field with arguments, and the fields selected below it."""

    root: str
    fields: tuple["Shape", ...] = ()
    arguments: str = ""
    repeats: int = 1

    def text(self, number: int = 0) -> str:
        """Return the selection; a field that is repeated has aliases."""
        below = " ".join(shape.text(place) for place, shape in enumerate(self.fields))
        body = f"{self.root}{self.arguments}" + (f" {{ {below} }}" if below else "")
        if self.repeats == 1:
            return body if not number else f"x{number}: {body}"
        return " ".join(f"x{number}y{copy}: {body}" for copy in range(self.repeats))


def document_of(shape: Shape, aliases: int) -> str:
    """Return a query of a root field under aliases, whose selection is one fragment."""
    assert GRAPHQL_SCHEMA.query_type is not None
    type_ = get_named_type(GRAPHQL_SCHEMA.query_type.fields[shape.root].type)
    below = " ".join(field.text(place) for place, field in enumerate(shape.fields)) or "__typename"
    roots = " ".join(f"r{number}: {shape.root}{shape.arguments} {{ ...F }}" for number in range(aliases))
    return f"{{ {roots} }} fragment F on {type_.name} {{ {below} }}"


def random_shape(world: World, chance: Random) -> Shape:
    """Return a random root field with a random selection."""
    assert GRAPHQL_SCHEMA.query_type is not None
    fields = GRAPHQL_SCHEMA.query_type.fields
    root = chance.choice([name for name in fields if is_object_type(get_named_type(fields[name].type))])
    return _shape(root, fields[root], world, chance, 0)


def improved(shape: Shape, chance: Random) -> Shape:
    """Return the shape with one selection repeated, removed or multiplied."""
    if not shape.fields:
        return replace(shape, repeats=chance.choice((1, 2, 5, 10, 25)))
    place = chance.randrange(len(shape.fields))
    fields = list(shape.fields)
    kind = chance.random()
    if kind < 0.2 and len(fields) > 1:
        del fields[place]
    elif kind < 0.4:
        fields[place] = replace(fields[place], repeats=chance.choice((1, 2, 5, 10, 25)))
    else:
        fields[place] = improved(fields[place], chance)
    return replace(shape, fields=tuple(fields))


def _shape(name: str, field: GraphQLField, world: World, chance: Random, depth: int) -> Shape:
    type_ = get_named_type(field.type)
    below: list[Shape] = []
    if is_object_type(type_):
        choices = [
            (inner, definition)
            for inner, definition in type_.fields.items()
            if depth < DEPTH or is_leaf_type(get_named_type(definition.type))
        ]
        chosen = chance.sample(choices, min(len(choices), chance.choice((1, 2, 3, 6, 12))))
        below = [_shape(inner, definition, world, chance, depth + 1) for inner, definition in chosen]
    return Shape(name, tuple(below), _arguments(field, world, chance))


def _arguments(field: GraphQLField, world: World, chance: Random) -> str:
    given: dict[str, Any] = {}
    for name, argument in field.args.items():
        if name == "first":
            given[name] = chance.choice(_PAGES)
        elif name == "limit":
            given[name] = 100
        elif is_required_argument(argument):
            given[name] = _value(name, world, is_list_type(get_nullable_type(argument.type)))
    return f"({', '.join(f'{name}: {value}' for name, value in given.items())})" if given else ""


def _value(name: str, world: World, listed: bool) -> str:
    if listed:
        return "[" + ", ".join(f"{number / 10}" for number in range(101)) + "]"
    if name in _PERIOD:
        return _PERIOD[name]
    return f'"{world.agent if name == "agentId" else world.ids.get(name, world.conversation)}"'
