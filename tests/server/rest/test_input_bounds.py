"""Every parameter and body field of the REST API has a bound. They are read from the OpenAPI document."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from server.rest.openapi import document
from tests.support.baton_client import Server, Workspace, inexpensive
from tests.support.seeded_workspace import fingerprint
from tests.support.server_log import written_log

METHODS = ("get", "post", "patch", "put", "delete")
WORD = "x" * 900_000
# An address and a field of the head share 32 KiB.
SHORT = "x" * 20_000
DEEP = json.loads('{"a":' * 900 + "1" + "}" * 900)
BEYOND: dict[str, list[Any]] = {
    "string": [WORD, "a\0b", 7, ["a"], 2**64],
    "integer": [2**31, 2**63, 2**64, -1, "7", 1.5, [1]],
    "object": [DEEP, {str(n): 1 for n in range(40_000)}, {"a": WORD}, {WORD: 1}, {"a": 2**64}, "a", [1]],
}
IN_ADDRESS = [SHORT, "a\0b", "0000-01-01T00:00:00Z", "-1", "9" * 20, "1e999", "NaN", ",," * 5_000]
IN_HEAD = [SHORT, "", "k" * 201]
GOOD = {
    "from": "2026-01-01T00:00:00Z",
    "to": "2026-02-01T00:00:00Z",
    "agentId": "agt_01kgp1t0m2e6s9x7r4w8k3h5pd",
}
REFUSED = {400, 404, 431}


@pytest.fixture(autouse=True)
def _unharmed(server: Server) -> Iterator[None]:
    logged = server.log.stat().st_size
    yield
    assert "request.failed" not in written_log(server, logged)


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return method, path and description of each operation by its id."""
    return {
        described["operationId"]: (method, path, described)
        for path, item in document()["paths"].items()
        for method, described in item.items()
        if method in METHODS
    }


def body_of(described: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an operation's body."""
    if "requestBody" not in described:
        return {"properties": {}}
    content = described["requestBody"]["content"]["application/json"]
    schema: dict[str, Any] = document()["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    return schema


def types_of(schema: dict[str, Any]) -> set[str]:
    """Return the JSON types that a schema allows."""
    if "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    choices = schema.get("anyOf", [schema])
    return {str(choice.get("type", "string")) for choice in choices} - {"null"}


def address(path: str, ids: dict[str, str], **changes: str) -> str:
    """Return an address with its ids filled in."""
    for name, value in (ids | changes).items():
        path = path.replace("{" + name + "}", value)
    return path


def refused(answer: httpx.Response, about: Any) -> dict[str, Any]:
    """Check that an answer refuses with a problem, and return the problem."""
    assert answer.status_code in REFUSED, (about, answer.status_code, answer.text[:200])
    assert len(answer.content) < 4_000, about
    return dict(answer.json()) if answer.content.startswith(b"{") else {}


@pytest.fixture
def ids(conversation_id: str, escalation_id: str, keys: Any) -> dict[str, str]:
    return {"conversationId": conversation_id, "escalationId": escalation_id, "token": keys.hook}


@pytest.mark.parametrize(
    "name", [name for name, (_, _, item) in operations().items() if "requestBody" in item]
)
def test_body_field_beyond_its_bound_is_refused_by_name(
    client: httpx.Client, acme: Workspace, ids: dict[str, str], name: str
) -> None:
    method, path, described = operations()[name]
    example = dict(described["requestBody"]["content"]["application/json"]["example"])
    example.pop("assignTo", None)
    example |= {"conversationId": ids["conversationId"]} if "conversationId" in example else {}
    before = fingerprint(acme)
    for field, schema in body_of(described)["properties"].items():
        for kind in types_of(schema):
            for value in BEYOND[kind]:
                with inexpensive(acme.server):
                    answer = client.request(method, address(path, ids), json=example | {field: value})
                problem = refused(answer, (name, field, str(value)[:40]))
                assert (problem["code"], problem["field"]) == ("BAD_USER_INPUT", field), (
                    str(value)[:40],
                    problem,
                )
    assert fingerprint(acme) == before


@pytest.mark.parametrize("name", operations())
def test_parameter_beyond_its_bound_is_refused_by_name(
    client: httpx.Client, acme: Workspace, ids: dict[str, str], name: str
) -> None:
    method, path, described = operations()[name]
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    before = fingerprint(acme)
    for place, field in _parameters(described):
        for value in IN_HEAD if place == "header" else IN_ADDRESS:
            if field == "externalId" and value not in {SHORT, "a\0b"}:
                continue  # an id of the integrator's own: any short text
            query = _required(described) | {field: value} if place == "query" else {}
            changes = {field: value.replace("\0", "%00")} if place == "path" else {}
            headers = {field: value} if place == "header" else {}
            with inexpensive(acme.server):
                answer = client.request(
                    method, address(path, ids, **changes), params=query, headers=headers, json=body
                )
            problem = refused(answer, (name, field, value[:40]))
            if place == "query":
                assert problem["field"] == field, (value[:40], problem)
    assert fingerprint(acme) == before


def _parameters(described: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the place and the name of each parameter; an object in the query has one for each property."""
    for parameter in described.get("parameters", []):
        for name in parameter["schema"].get("properties", [parameter["name"]]):
            yield parameter["in"], name


def _required(described: dict[str, Any]) -> dict[str, str]:
    """Return good values of the required parameters in the query."""
    return {
        item["name"]: GOOD[item["name"]]
        for item in described["parameters"]
        if item.get("required") and item["name"] in GOOD
    }
