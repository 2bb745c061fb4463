"""The security headers of every route, on every kind of answer."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.app import routes_of
from server.demo.shop import shop_route
from server.graphql.state import AppState
from server.http.application import App
from server.http.response_headers import POLICIES, MissingPolicyError, path_of
from server.settings import Settings, SettingsError, read_settings
from tests.support.baton_client import Workspace

PERIOD = "from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z"
ONCE = ("x-content-type-options", "referrer-policy", "permissions-policy", "content-security-policy")
FRAMELESS = "frame-ancestors 'none'"


class Call(NamedTuple):
    """A request to a route, and the status of its answer."""

    status: int
    path: str
    method: str = "GET"
    body: Any = None
    as_key: bool = False
    accept: str = "*/*"


def missing(prefix: str) -> list[Call]:
    return [Call(404, f"{prefix}nothing.js")]


VIEWER = {"query": "{ viewer { kind } }"}
# Of each route: answers, refusals and errors. The files of a build may be missing here, which is 404.
CALLS: Mapping[str, Sequence[Call]] = {
    "/graphql": [
        Call(200, "/graphql", "POST", VIEWER, as_key=True),
        Call(200, "/graphql", "POST", VIEWER),
        Call(404, "/graphql", accept="text/html"),
        Call(400, "/graphql", "POST", []),
        Call(501, "/graphql", "PUT"),
        Call(405, "/graphql", "PATCH"),
    ],
    "/graphql/assets/{path:path}": missing("/graphql/assets/"),
    "/favicon.ico": [Call(405, "/favicon.ico", "POST")],
    "/widget.js": [Call(405, "/widget.js", "POST")],
    "/widget.mjs": [Call(405, "/widget.mjs", "POST")],
    "/widget.d.mts": [Call(405, "/widget.d.mts", "POST")],
    "/widget/{name}": missing("/widget/"),
    "/widget/{version}/{name}": missing("/widget/0.0.0/"),
    "/": [Call(307, "/")],
    "/app": [Call(405, "/app", "POST")],
    "/app/": [Call(405, "/app/", "POST")],
    "/app/assets/{path:path}": missing("/app/assets/"),
    "/app/{path:path}": missing("/app/"),
    "/healthz": [Call(200, "/healthz"), Call(405, "/healthz", "DELETE")],
    "/readyz": [Call(200, "/readyz")],
    "/metrics": [Call(200, "/metrics")],
    "/confirm-recipient": [
        Call(404, "/confirm-recipient?token=x"),
        Call(404, "/confirm-recipient?token=x", "POST"),
        Call(405, "/confirm-recipient", "PUT"),
    ],
    "/.well-known/security.txt": [Call(404, "/.well-known/security.txt")],
    "/conversations/{conversationId}/escalate": [
        Call(401, "/conversations/conv_x/escalate", "POST", {"reason": "x"}),
        Call(404, "/conversations/conv_x/escalate", "POST", {"reason": "x"}, as_key=True),
        Call(405, "/conversations/conv_x/escalate"),
    ],
    "/escalations/{escalationId}": [
        Call(401, "/escalations/esc_x", "PATCH", {}),
        Call(405, "/escalations/esc_x", "PUT"),
    ],
    "/escalations": [
        Call(200, "/escalations", as_key=True),
        Call(401, "/escalations"),
        Call(400, "/escalations?first=x", as_key=True),
    ],
    "/hooks/{token}/escalate": [Call(404, "/hooks/x/escalate", "POST", {})],
    "/exports/escalations.csv": [
        Call(200, f"/exports/escalations.csv?{PERIOD}", as_key=True),
        Call(401, f"/exports/escalations.csv?{PERIOD}"),
    ],
    "/exports/analytics.csv": [
        Call(200, f"/exports/analytics.csv?{PERIOD}&agentId=AGENT", as_key=True),
        Call(400, "/exports/analytics.csv", as_key=True),
    ],
    "/exports/customer.jsonl": [
        Call(200, "/exports/customer.jsonl?email=unknown@example.com", as_key=True),
        Call(400, "/exports/customer.jsonl", as_key=True),
    ],
    "/exports/audit.csv": [
        Call(200, "/exports/audit.csv", as_key=True),
        Call(401, "/exports/audit.csv"),
    ],
    "/openapi.json": [Call(200, "/openapi.json")],
    "/sign-in/oidc": [Call(404, "/sign-in/oidc"), Call(405, "/sign-in/oidc", "POST")],
    "/sign-in/oidc/callback": [Call(404, "/sign-in/oidc/callback")],
    "/sign-in/oidc/members/{memberId}": [Call(404, "/sign-in/oidc/members/mem_x", "POST")],
}
ELSEWHERE = [
    Call(404, "/nothing"),
    Call(404, "/graphql/"),
    Call(404, "/escalations/x/y"),
    Call(404, "//evil"),
]
PAGES = [Call(0, "/app"), Call(0, "/app/"), Call(0, "/app/escalations/esc_x"), Call(0, "/widget.js")]


def test_every_route_has_a_line_and_every_line_a_route(tmp_path: Path) -> None:
    paths = [path_of(route) for route in (*routes_of(Settings()), shop_route(tmp_path))]
    assert sorted(paths) == sorted(POLICIES)
    assert set(paths) == {*CALLS, "/demo/shop"}


@pytest.mark.parametrize(
    "call",
    list(chain(*CALLS.values(), ELSEWHERE, PAGES)),
    ids=lambda call: str(call[:3]),
)
def test_every_answer_has_the_security_headers(workspace: Workspace, call: Call) -> None:
    headers = {"accept": call.accept}
    if call.as_key:
        headers["authorization"] = f"Bearer {workspace.api_key}"
    url = workspace.key.url + call.path.replace("AGENT", workspace.agent_id)
    response = httpx.request(call.method, url, json=call.body, headers=headers)
    assert response.status_code == call.status or (not call.status and response.status_code in {200, 404})
    assert_secure(response)
    if call.as_key or response.status_code >= 400:
        assert response.headers["cache-control"] == "no-store"


def assert_secure(response: httpx.Response) -> None:
    headers = response.headers
    for name in (
        "x-content-type-options",
        "referrer-policy",
        "permissions-policy",
        "content-security-policy",
    ):
        assert len(headers.get_list(name)) == 1, (name, response.url)
    assert headers["x-content-type-options"] == "nosniff"
    assert FRAMELESS in headers["content-security-policy"]
    assert headers["referrer-policy"] in {"no-referrer", "same-origin"}
    assert "camera=()" in headers["permissions-policy"]
    assert headers["cache-control"]
    assert "server" not in headers


def test_exports_and_streams_are_kept_by_no_cache(workspace: Workspace) -> None:
    headers = {"authorization": f"Bearer {workspace.api_key}", "accept": "text/event-stream"}
    url = f"{workspace.key.url}/graphql"
    with httpx.stream("POST", url, json=VIEWER, headers=headers) as response:
        assert_secure(response)
        assert response.headers["cache-control"] == "no-store"


async def fail(_: Request) -> Response:
    raise RuntimeError("a secret of ours")


def answer_of(app: App, url: str = "http://localhost/graphql") -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.get(url)

    return asyncio.run(ask())


def app_with(route: Route, settings: Settings) -> App:
    state = cast(AppState, SimpleNamespace(settings=settings))
    return App(cast(Any, None), state, routes=[route])


def test_unexpected_error_has_the_headers_too() -> None:
    response = answer_of(app_with(Route("/graphql", fail), Settings()))
    assert response.status_code == 500
    assert "secret" not in response.text
    assert_secure(response)
    assert response.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in response.headers


def test_https_service_asks_for_https(tmp_path: Path) -> None:
    settings = Settings(public_url="https://baton.example")
    response = answer_of(app_with(Route("/graphql", fail), settings), "http://baton.example/graphql")
    assert response.headers["strict-transport-security"] == "max-age=31536000"


def test_route_without_a_line_stops_the_start() -> None:
    with pytest.raises(MissingPolicyError, match="/new has no line"):
        app_with(Route("/new", fail), Settings())


def test_security_contact_is_served_until_a_date_to_come() -> None:
    settings = Settings(public_url="https://baton.example", security_contact="mailto:security@baton.example")
    state = cast(AppState, SimpleNamespace(settings=settings))
    app = App(cast(Any, None), state, routes=routes_of(settings))
    response = answer_of(app, "https://baton.example/.well-known/security.txt")
    assert_secure(response)
    fields = dict(line.split(": ", 1) for line in response.text.splitlines())
    assert fields["Contact"] == "mailto:security@baton.example"
    assert fields["Canonical"] == "https://baton.example/.well-known/security.txt"
    until = datetime.fromisoformat(fields["Expires"]) - datetime.now(UTC)
    assert timedelta(days=170) < until < timedelta(days=366)


@pytest.mark.parametrize("value", ["security@baton.example", "http://baton.example", "mailto:a b"])
def test_contact_that_is_no_url_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BATON_SECURITY_CONTACT", value)
    with pytest.raises(SettingsError, match="BATON_SECURITY_CONTACT: must begin with"):
        read_settings()
