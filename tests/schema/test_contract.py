"""The printed schema holds every built part of the contract."""

import subprocess
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

from tests.support.baton_client import BATON

ROOT = Path(__file__).parents[2]
CONTRACT = build_schema((ROOT / "tests/contract.graphql").read_text())

# Parts of the contract that are not built yet. No other part may be missing.
NOT_YET_TYPES = {
    "AnalyticsInterval",
    "AnalyticsPoint",
    "AssigneeCount",
    "DurationStats",
    "EscalationAnalytics",
    "PriorityCount",
    "ReasonCount",
    "SlaCounts",
    "ThresholdOutcome",
}
NOT_YET_FIELDS = {
    "Query.escalationAnalytics",
    "Query.thresholdWhatIf",
}


@pytest.fixture(scope="module")
def printed() -> str:
    return subprocess.run([BATON, "schema"], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def schema(printed: str) -> GraphQLSchema:
    return build_schema(printed)


def test_the_schema_holds_the_contract(schema: GraphQLSchema) -> None:
    missing = [
        fault
        for name, wanted in CONTRACT.type_map.items()
        if not name.startswith("__") and name not in NOT_YET_TYPES
        for fault in _faults(schema, name, wanted)
    ]
    assert missing == []


def test_what_is_left_out_is_left_out_whole(schema: GraphQLSchema) -> None:
    assert NOT_YET_TYPES & set(schema.type_map) == set()
    for path in NOT_YET_FIELDS:
        type_name, field = path.split(".")
        assert field not in _fields(schema.type_map[type_name]), path


def _fields(type_: object) -> dict[str, object]:
    kinds = (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)
    return dict(type_.fields) if isinstance(type_, kinds) else {}


def _faults(schema: GraphQLSchema, name: str, wanted: object) -> list[str]:
    result = schema.type_map.get(name)
    if type(result) is not type(wanted):
        return [f"{name} is {result!r}"]
    if isinstance(wanted, GraphQLEnumType) and isinstance(result, GraphQLEnumType):
        return [f"{name}.{value} is missing" for value in wanted.values if value not in result.values]
    if isinstance(wanted, GraphQLObjectType) and isinstance(result, GraphQLObjectType):
        lost = {interface.name for interface in wanted.interfaces} - {
            interface.name for interface in result.interfaces
        }
        if lost:
            return [f"{name} does not implement {lost}"]
    return [
        fault
        for field, shape in _fields(wanted).items()
        if f"{name}.{field}" not in NOT_YET_FIELDS
        for fault in _field_faults(f"{name}.{field}", shape, _fields(result).get(field))
    ]


def _field_faults(path: str, wanted: Any, actual: Any) -> list[str]:
    if actual is None:
        return [f"{path} is missing"]
    faults = []
    if str(wanted.type) != str(actual.type):
        faults.append(f"{path} is {actual.type}, not {wanted.type}")
    wanted_args: dict[str, GraphQLArgument] = getattr(wanted, "args", {})
    found_args: dict[str, GraphQLArgument] = getattr(actual, "args", {})
    for name, argument in wanted_args.items():
        if name not in found_args or str(found_args[name].type) != str(argument.type):
            faults.append(f"{path}({name}:) is not {argument.type}")
        elif found_args[name].default_value != argument.default_value:
            faults.append(f"{path}({name}:) has another default")
    if hasattr(wanted, "default_value") and wanted.default_value != actual.default_value:
        faults.append(f"{path} has another default")
    faults += [
        f"{path}({name}:) is stricter than the contract"
        for name, argument in found_args.items()
        if name not in wanted_args and is_non_null_type(argument.type)
    ]
    return faults
