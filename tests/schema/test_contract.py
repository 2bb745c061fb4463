"""The printed schema holds every built part of the contract."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    is_non_null_type,
)

from tests.support.baton_process import run_baton

ROOT = Path(__file__).parents[2]
CONTRACT = build_schema((ROOT / "tests/contract.graphql").read_text())

# The parts of the contract that are not built. A part that gets built must leave this list.
NOT_YET: frozenset[str] = frozenset()


@pytest.fixture(scope="module")
def printed() -> str:
    return run_baton("schema").stdout


@pytest.fixture(scope="module")
def schema(printed: str) -> GraphQLSchema:
    return build_schema(printed)


def test_schema_lacks_exactly_the_parts_of_the_contract_that_are_not_built(schema: GraphQLSchema) -> None:
    assert set(_missing(schema)) == NOT_YET


def test_schema_has_the_types_of_the_contract(schema: GraphQLSchema) -> None:
    faults = [
        fault
        for name, wanted in CONTRACT.type_map.items()
        if not name.startswith("__") and name in schema.type_map
        for fault in _faults(schema, name, wanted)
    ]
    assert faults == []


def test_every_mutation_may_fail_alone(schema: GraphQLSchema) -> None:
    assert schema.mutation_type is not None
    strict = [name for name, field in schema.mutation_type.fields.items() if is_non_null_type(field.type)]
    assert strict == []


def _fields(type_: object) -> dict[str, object]:
    kinds = (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)
    return dict(type_.fields) if isinstance(type_, kinds) else {}


def _missing(schema: GraphQLSchema) -> Iterator[str]:
    """Yield the types, fields, arguments and enum values of the contract that the schema lacks."""
    for name, wanted in CONTRACT.type_map.items():
        type_ = schema.type_map.get(name)
        if type_ is None:
            yield name
        elif isinstance(wanted, GraphQLEnumType) and isinstance(type_, GraphQLEnumType):
            yield from (f"{name}.{value}" for value in wanted.values if value not in type_.values)
        else:
            yield from _missing_fields(name, _fields(wanted), _fields(type_))


def _missing_fields(name: str, wanted: dict[str, Any], present: dict[str, Any]) -> Iterator[str]:
    for field, shape in wanted.items():
        if field not in present:
            yield f"{name}.{field}"
            continue
        arguments = getattr(present[field], "args", {})
        for argument in getattr(shape, "args", {}):
            if argument not in arguments:
                yield f"{name}.{field}({argument}:)"


def _faults(schema: GraphQLSchema, name: str, wanted: object) -> list[str]:
    present = schema.type_map[name]
    if type(present) is not type(wanted):
        return [f"{name} is {present!r}"]
    if isinstance(wanted, GraphQLObjectType) and isinstance(present, GraphQLObjectType):
        interfaces = {interface.name for interface in present.interfaces}
        if lost := {interface.name for interface in wanted.interfaces} - interfaces:
            return [f"{name} does not implement {lost}"]
    fields: dict[str, Any] = _fields(present)
    return [
        fault
        for field, shape in _fields(wanted).items()
        if field in fields
        for fault in _field_faults(f"{name}.{field}", shape, fields[field])
    ]


def _field_faults(path: str, wanted: Any, present: Any) -> list[str]:
    faults = []
    if str(wanted.type) != str(present.type):
        faults.append(f"{path} is {present.type}, not {wanted.type}")
    wanted_args: dict[str, GraphQLArgument] = getattr(wanted, "args", {})
    args: dict[str, GraphQLArgument] = getattr(present, "args", {})
    for name, argument in wanted_args.items():
        if name not in args:
            continue
        if str(args[name].type) != str(argument.type):
            faults.append(f"{path}({name}:) is {args[name].type}, not {argument.type}")
        if args[name].default_value != argument.default_value:
            faults.append(f"{path}({name}:) has another default")
    if hasattr(wanted, "default_value") and wanted.default_value != present.default_value:
        faults.append(f"{path} has another default")
    faults += [
        f"{path}({name}:) is stricter than the contract"
        for name, argument in args.items()
        if name not in wanted_args and is_non_null_type(argument.type)
    ]
    return faults
