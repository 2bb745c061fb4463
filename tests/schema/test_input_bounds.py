"""Every input of the schema has a bound: a value beyond it is refused by path, soon, and changes nothing.

The inputs are read from the schema. An input that is added without a bound fails here.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLField,
    get_named_type,
    is_leaf_type,
    is_object_type,
)

from schema.api import GRAPHQL_SCHEMA
from tests.support.baton_client import Refused, Server, inexpensive
from tests.support.permission_targets import ROOTS as ALL_ROOTS
from tests.support.permission_targets import SUBSCRIPTION
from tests.support.seeded_workspace import ROOTS, Place, fingerprint, leaves, lists, seeded_place
from tests.support.server_log import written_log

MANY = 10_000
WORD = "x" * 900_000
DEEP = json.loads('{"a":' * 900 + "1" + "}" * 900)
BEYOND: dict[str, list[Any]] = {
    "Int": [2**31 - 1, -(2**31), 2**31, 2**63, 2**64],
    "Float": [1e308, -1e308, 2**64],
    "Boolean": [2**64, WORD],
    "DateTime": ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", WORD],
    "Date": ["0000-01-01", "10000-01-01", WORD],
    "JSON": [
        DEEP,
        {str(n): 1 for n in range(40_000)},
        {"a": WORD},
        {WORD: 1},
        {"a": 2**64},
        {"a": [[]] * 40_000},
    ],
}
# As they are written in a document: JSON cannot carry some of them.
LITERALS = {
    "String": [r'"\ud800"', r'"\u0000"', "1e999"],
    "ID": [r'"\ud800"', r'"\u0000"', "1e999"],
    "Int": ["9" * 1_000, "1e999"],
    "Float": ["NaN", "Infinity", "1e999", "-1e999"],
    "DateTime": ['"\\u0000"', "0"],
    "Date": ['"\\u0000"', "0"],
    "JSON": ["{a: 1e999}", f"{{a: {10**400}}}", r'{a: "\ud800"}', "[" * 300 + "]" * 300],
}
# Years that exist, and texts that are empty: accepted or refused, and no fault of the server.
ODD: dict[str, list[Any]] = {
    "String": [""],
    "ID": [""],
    "Int": [0, -1],
    "Float": [0, -1],
    "DateTime": ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"],
    "Date": ["0001-01-01", "9999-12-31"],
    "JSON": [{}, {"": None}, {"a": -(2**63)}],
}
EXPECTED = {
    "input.expectedVersion": "CONFLICT",
    # A secret that is presented is compared, not kept.
    "code": "UNAUTHENTICATED",
    "identity": "UNAUTHENTICATED",
    "input.identity": "FORBIDDEN",
    # The language of a page is ignored where it is no language tag.
    "language": "FORBIDDEN",
    "input.language": "FORBIDDEN",
}
# Each takes a hash. What they hold is compared, and not kept.
HASHED = {
    ("signIn", "password"),
    ("signIn", "code"),
    ("changePassword", "current"),
    ("enrolSecondFactor", "password"),
    ("removeSecondFactor", "password"),
    ("removeSecondFactor", "code"),
}
ASKING = [name for name, (_, field) in ROOTS.items() if field.args]
FOLLOWING = [name for name, (kind, field) in ALL_ROOTS.items() if kind == SUBSCRIPTION and field.args]
# Selections that reach the fields with arguments below the roots.
INNER: dict[str, str] = {
    "Conversation.messages": "conversation(id: $conversation) { %s { nodes { id } } }",
    "Conversation.escalations": "conversation(id: $conversation) { %s { nodes { id } } }",
    "Escalation.timeline": "escalation(id: $escalation) { %s { nodes { kind } } }",
    "EscalationAnalytics.topReasons": "%(period)s { %%s { count } }",
    "EscalationAnalytics.series": "%(period)s { %%s { start } }",
}
_PERIOD = """escalationAnalytics(agentId: $agent, from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z")"""


@pytest.fixture(scope="module")
def place(server: Server) -> Iterator[Place]:
    """Made once: nothing in this module changes it."""
    with seeded_place(server) as made:
        yield made


@pytest.fixture(scope="module")
def changing(server: Server) -> Iterator[Place]:
    """A workspace that accepted values may change."""
    with seeded_place(server) as made:
        yield made


@pytest.fixture(autouse=True)
def _unharmed(place: Place, server: Server) -> Iterator[None]:
    logged = server.log.stat().st_size
    yield
    before, place.fingerprint = place.fingerprint, fingerprint(place.workspace)
    assert place.fingerprint == before
    assert "request.failed" not in written_log(server, logged)


def beyond(type_: Any) -> list[Any]:
    """Return values beyond the bounds of every input of this type."""
    return BEYOND.get(type_.name, [WORD])


def check(answer: dict[str, Any], path: str, value: Any) -> None:
    """Check that a value is refused by its path, in a short answer."""
    assert "errors" in answer, (path, str(value)[:60], answer)
    refused = Refused(answer["errors"])
    assert len(json.dumps(answer)) < 4_000
    if refused.code != "BAD_USER_INPUT":
        assert refused.code == EXPECTED.get(path), (path, str(value)[:60], refused)
        return
    # A document that cannot be parsed has no inputs yet.
    assert refused.field == path or "Syntax Error" in refused.errors[0]["message"], (path, refused)


@pytest.mark.parametrize("root", ASKING)
def test_value_beyond_its_bound_is_refused_by_path(place: Place, root: str) -> None:
    arguments = ROOTS[root][1].args
    values = [(path, value) for path, type_ in leaves(arguments) for value in beyond(type_)]
    for path, item in lists(arguments):
        values.append((path, [place.good(item, path.rpartition(".")[2], root)] * MANY))
    for path, value in values:
        with inexpensive(place.workspace.server):
            answer = place.answer(root, {path: value})
        check(answer, path, value)


def test_literal_beyond_its_bound_is_refused(place: Place) -> None:
    for root, path, type_ in _values():
        for literal in LITERALS.get(type_.name, ["NONSENSE"]):
            document = _document(place, root, path, literal)
            with inexpensive(place.workspace.server):
                answer = place.post(document, headers=place.headers_of(root)).json()
            assert "errors" in answer, (root, path, literal, answer)
            codes = {"BAD_USER_INPUT", EXPECTED.get(path)}
            assert Refused(answer["errors"]).code in codes, (root, path, literal, answer)


def test_value_at_the_edge_is_no_fault_of_the_server(changing: Place) -> None:
    for root, path, type_ in _values():
        for value in ODD.get(type_.name, []):
            with inexpensive(changing.workspace.server):
                answer = changing.answer(root, {path: value})
            codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
            assert "INTERNAL" not in codes, (root, path, value, answer)


def _values() -> Iterator[tuple[str, str, Any]]:
    """Yield every value by its root field and path, without those that would only be hashed."""
    for root in ASKING:
        for path, type_ in leaves(ROOTS[root][1].args):
            if (root, path) not in HASHED:
                yield root, path, type_


def _document(place: Place, root: str, path: str, literal: str) -> str:
    kind, field = ROOTS[root]
    given = _literals(place.variables(root, {path: _MARK})).replace(json.dumps(_MARK), literal)
    selection = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
    return f"{kind} {{ {root}({given[1:-1]}){selection} }}"


@pytest.mark.anyio
async def test_subscription_with_a_value_beyond_its_bound_is_refused(place: Place) -> None:
    async with place.workspace.key.socket() as socket:
        for root in FOLLOWING:
            for path, type_ in leaves(ALL_ROOTS[root][1].args):
                assert type_.name in {"ID", "String"}, (root, path)
                # A frame has at most 64 KiB.
                for value in ("x" * 60_000, "", "a\0b", 2**64):
                    document, given = _subscription(place, root, {path: value})
                    payload = {"query": document, "variables": given}
                    await socket.send(id="1", type="subscribe", payload=payload)
                    message = await socket.receive()
                    assert message["type"] == "error", (root, path, value)
                    refused = Refused(message["payload"])
                    assert refused.code in {"BAD_USER_INPUT", "RESYNC_REQUIRED"}, (root, path, refused)
                    assert len(json.dumps(message)) < 4_000


def _subscription(place: Place, root: str, changes: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    arguments = ALL_ROOTS[root][1].args
    required = {"conversationId": place.ids["conversation"]} if "conversationId" in arguments else {}
    given = required | changes
    head = ", ".join(f"${name}: {arguments[name].type}" for name in given)
    uses = ", ".join(f"{name}: ${name}" for name in given)
    return f"subscription({head}) {{ {root}({uses}) {{ cursor }} }}", given


def inner_fields() -> dict[str, GraphQLField]:
    """Return the fields with arguments that are not at the root."""
    roots = {
        GRAPHQL_SCHEMA.query_type,
        GRAPHQL_SCHEMA.mutation_type,
        GRAPHQL_SCHEMA.subscription_type,
    }
    return {
        f"{type_.name}.{name}": field
        for type_ in GRAPHQL_SCHEMA.type_map.values()
        if is_object_type(type_) and type_ not in roots and not type_.name.startswith("__")
        for name, field in type_.fields.items()
        if field.args
    }


def test_every_field_with_arguments_is_reached() -> None:
    assert inner_fields().keys() == INNER.keys()


@pytest.mark.parametrize("name", INNER)
def test_argument_of_an_inner_field_is_refused_by_path(place: Place, name: str) -> None:
    field = inner_fields()[name]
    for path, type_ in leaves(field.args):
        for value in (*beyond(type_), *([0, 101, -1] if path in {"first", "last", "limit"} else [])):
            uses = f"{name.partition('.')[2]}({path}: $value)"
            selection = (INNER[name] % {"period": _PERIOD} if "%(" in INNER[name] else INNER[name]) % uses
            names = [given for given in ("conversation", "escalation", "agent") if f"${given}" in selection]
            head = "".join(f"${given}: ID! " for given in names)
            given = {"agent": place.workspace.agent_id, **place.ids}
            document = f"query({head}$value: {field.args[path].type}) {{ {selection} }}"
            variables = {name: given[name] for name in names} | {"value": value}
            with inexpensive(place.workspace.server):
                answer = place.post(document, variables).json()
            check(answer, path, value)


_MARK = "\u2316"


def _literals(value: Any, name: str = "") -> str:
    """Return a value as a document has it. Enum values are written without quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_literals(item, name)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_literals(item, name) for item in value) + "]"
    if isinstance(value, str) and value.isupper() and value.isascii():
        return value
    return json.dumps(value)
