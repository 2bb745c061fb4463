"""The OpenAPI description is valid, and true."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema_rs
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.core.parameters import ParameterLocation
from starlette.routing import Route

from server.rest.openapi import document
from server.rest.routes import ROUTES
from tests.support.baton_client import Workspace

SCHEMA = schemathesis.openapi.from_dict(document())


def test_document_is_served_to_everybody(as_bearer: Callable[[str], httpx.Client]) -> None:
    response = as_bearer("").get("/openapi.json")

    assert response.headers["content-type"] == "application/json"
    assert response.json() == document()
    assert response.json()["openapi"].startswith("3.1.")


def test_document_is_valid() -> None:
    SCHEMA.validate()


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
        result: Any = whole
        for step in reference.split("/"):
            result = result[step]


def test_every_operation_describes_that_calls_may_be_too_many() -> None:
    for item in document()["paths"].values():
        for operation in item.values():
            assert {"429", "503"} <= operation["responses"].keys()
    for name in ("Problem429", "Problem503"):
        assert "Retry-After" in document()["components"]["responses"][name]["headers"]


def test_conflict_with_an_erasure_is_described(
    acme: Workspace, client: httpx.Client, as_bearer: Callable[[str], httpx.Client], keys: Any
) -> None:
    conversation = acme.start(customer={"email": "erased@example.com"})["conversation"]["id"]
    acme.key.ask('mutation { eraseCustomer(email: "erased@example.com") { conversations } }')
    body = {"reason": "VIP customer"}
    answers = {
        "/conversations/{conversationId}/escalate": client.post(
            f"/conversations/{conversation}/escalate", json=body
        ),
        "/hooks/{token}/escalate": as_bearer("").post(
            f"/hooks/{keys.hook}/escalate", json=body | {"conversationId": conversation}
        ),
    }

    for path, answer in answers.items():
        assert answer.status_code == 409
        assert "409" in document()["paths"][path]["post"]["responses"]


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
        schema = node["schema"].get("anyOf", [node["schema"]])[0]
        return [(schema["$ref"].rpartition("/")[2], node["example"])]
    return [pair for inner in node.values() for pair in _examples(inner)]


@SCHEMA.parametrize()
@settings(
    max_examples=20,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_server_does_as_it_says(
    case: Any, client: httpx.Client, keys: Any, conversation_id: str, escalation_id: str
) -> None:
    existing = {"conversationId": conversation_id, "escalationId": escalation_id, "token": keys.hook}
    _make_it_real(case, existing)
    case.call_and_validate(base_url=str(client.base_url), headers={"Authorization": f"Bearer {keys.full}"})


def _make_it_real(case: Any, existing: dict[str, str]) -> None:
    """Replace generated values that must exist: ids, an email, an unused key."""
    for place, component in case.meta.components.items():
        if component.mode.is_negative:
            continue
        if place is ParameterLocation.PATH:
            case.path_parameters = {name: existing[name] for name in case.path_parameters}
        elif place is ParameterLocation.HEADER:
            case.headers.pop("Idempotency-Key", None)
        elif place is ParameterLocation.QUERY:
            case.query.pop("after", None)
            if "to" in case.query:  # no schema says that it is after "from"
                case.query |= {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
                case.query.pop("timezone", None)
        elif place is ParameterLocation.BODY:
            case.body = _real_body(case.body, existing)


def _real_body(body: Any, existing: dict[str, str]) -> Any:
    real = {name: value for name, value in body.items() if name != "expectedVersion"}
    if real.get("assignTo"):
        real["assignTo"] = "jane@example.com"
    if "metadata" in real:
        real["metadata"] = _storable(real["metadata"])
    if "conversationId" in real:
        real["conversationId"] = existing["conversationId"]
    return real


def _storable(value: Any) -> Any:
    """Return JSON without what the schema does not exclude at any depth: NUL, and numbers beyond 64 bits."""
    if isinstance(value, dict):
        return {_storable(name): _storable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    if isinstance(value, str):
        return value.replace("\0", "")
    return 0 if isinstance(value, float | int) and abs(value) > 2**63 else value
