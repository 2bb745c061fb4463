"""Everything in the printed schema has a description."""

import re
from collections.abc import Iterator
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    build_schema,
    is_introspection_type,
    is_specified_scalar_type,
)

from schema.api import printed_schema

ROOT = Path(__file__).parents[2]
SCHEMA = build_schema(printed_schema())


def undescribed(type_: GraphQLNamedType) -> Iterator[str]:
    """Yield the paths of a type and its parts that have no description."""
    parts: dict[str, str | None] = {type_.name: type_.description}
    if isinstance(type_, GraphQLEnumType):
        parts |= {f"{type_.name}.{name}": value.description for name, value in type_.values.items()}
    if isinstance(type_, GraphQLInputObjectType):
        parts |= {f"{type_.name}.{name}": field.description for name, field in type_.fields.items()}
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
        for name, field in type_.fields.items():
            parts[f"{type_.name}.{name}"] = field.description
            for argument_name, argument in field.args.items():
                parts[f"{type_.name}.{name}({argument_name}:)"] = argument.description
    return (path for path, description in parts.items() if not (description or "").strip())


def test_every_part_of_the_schema_has_a_description() -> None:
    types = [
        type_
        for type_ in SCHEMA.type_map.values()
        if not is_introspection_type(type_) and not is_specified_scalar_type(type_)
    ]
    assert len(types) > 100
    assert [path for type_ in types for path in undescribed(type_)] == []


def test_no_description_is_the_signature_of_a_class() -> None:
    described = [type_.description or "" for type_ in SCHEMA.type_map.values()]
    assert [text for text in described if re.fullmatch(r"\w+\(.*\)", text)] == []


def test_every_custom_scalar_names_its_specification() -> None:
    scalars = {
        type_.name: type_.specified_by_url
        for type_ in SCHEMA.type_map.values()
        if isinstance(type_, GraphQLScalarType) and not is_specified_scalar_type(type_)
    }
    assert set(scalars) == {"Date", "DateTime", "JSON"}
    assert all(url and url.startswith("https://") for url in scalars.values()), scalars


def test_arguments_are_described_in_one_module() -> None:
    described = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "schema").rglob("*.py")
        if re.search(r"strawberry\.argument\([^)]*description", path.read_text())
    ]
    assert described == [], "describe arguments in _ARGUMENTS of schema/descriptions.py"
