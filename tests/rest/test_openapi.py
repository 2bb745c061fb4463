"""The OpenAPI description is valid, and true."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS
from starlette.routing import Route

from server.openapi import document
from server.rest import ROUTES

# Valid input may still be refused: for an email that is nobody's, a state that does not allow it, a used key.
_REFUSALS = {400, 404, 409, 422}


def test_document_is_served_to_everybody(as_bearer: Callable[[str], httpx.Client]) -> None:
    response = as_bearer("").get("/openapi.json")

    assert response.headers["content-type"] == "application/json"
    assert response.json() == document()
    assert response.json()["openapi"].startswith("3.1.")


def test_document_is_valid() -> None:
    schemathesis.openapi.from_dict(document()).validate()


def test_every_route_is_described() -> None:
    described = {(path, method.upper()) for path, item in document()["paths"].items() for method in item}
    served = {
        (route.path, method)
        for route in ROUTES
        if isinstance(route, Route) and route.path != "/openapi.json"
        for method in (route.methods or set()) - {"HEAD"}
    }

    assert described == served


def test_every_reference_leads_somewhere() -> None:
    whole = document()
    references = set(re.findall(r"'\$ref': '#/([^']+)'", repr(whole)))

    assert references
    for reference in references:
        found: Any = whole
        for step in reference.split("/"):
            found = found[step]


def test_every_example_fits_its_schema() -> None:
    schemas = document()["components"]["schemas"]
    examples = dict(_examples(document()["paths"]))

    assert len(examples) == 7
    for name, example in examples.items():
        root = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        jsonschema_rs.validate(root, example)


def _examples(node: Any) -> list[tuple[str, Any]]:
    if not isinstance(node, dict):
        return []
    if "example" in node:
        return [(node["schema"]["$ref"].rpartition("/")[2], node["example"])]
    return [pair for inner in node.values() for pair in _examples(inner)]


schema = schemathesis.openapi.from_dict(document())


@schema.parametrize()
@settings(max_examples=20, derandomize=True, database=None, deadline=None)
def test_server_does_as_it_says(
    case: Any, client: httpx.Client, keys: Any, conversation_id: str, escalation_id: str
) -> None:
    response = case.call(base_url=str(client.base_url), headers={"Authorization": f"Bearer {keys.full}"})
    print(case.method, case.formatted_path, case.meta and case.meta.generation.mode, repr(case.body)[:200], case.query, response.status_code, response.text[:150])
