"""GraphQL over HTTP as clients of every kind send it: GET, preflights, persisted queries, graphql-sse."""

import gzip
import json
from typing import Any

import httpx
import pytest

from server.http.request_body import BODY_LIMIT
from tests.support.baton_client import PASSWORD, Caller, Workspace

MODERN = "application/graphql-response+json"
VIEWER = "{ viewer { kind } }"
MESSAGES = "query($id: ID!) { conversation(id: $id) { messages { edges { node { content } } } } }"
RECORD = """mutation($id: ID!) {
    recordMessage(input: {conversationId: $id, role: USER, content: "by GET"}) { message { id } } }"""
SIGN_IN = "mutation($e: String!, $p: String!) { signIn(email: $e, password: $p) { member { id } } }"
ADDED = """subscription($id: ID!, $after: String) {
    messageAdded(conversationId: $id, after: $after) { message { content } } }"""


def get(caller: Caller, headers: dict[str, str] | None = None, **parameters: Any) -> httpx.Response:
    values = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()
    }
    return httpx.get(
        f"{caller.url}/graphql", params=values, headers=caller.headers | (headers or {}), trust_env=False
    )


def code_of(response: httpx.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


def test_get_answers_a_query_with_variables_and_an_operation_name(workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    workspace.key.record(conversation, "USER", "Hello?")
    query = f"query Other {VIEWER} " + MESSAGES.replace("query(", "query Wanted(")
    answer = get(workspace.key, query=query, variables={"id": conversation}, operationName="Wanted")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    (edge,) = answer.json()["data"]["conversation"]["messages"]["edges"]
    assert edge["node"] == {"content": "Hello?"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"query": "query A { a: __typename } query B { b: __typename }"}, "several operations: name one by"),
        ({"query": "query A { a: __typename }", "operationName": "B"}, "no operation of that name: correct"),
        ([{"query": "{ __typename }"}], "send one operation at a time"),
    ],
)
def test_unclear_operation_is_refused_with_what_to_do(workspace: Workspace, body: Any, message: str) -> None:
    headers = {"Authorization": f"Bearer {workspace.api_key}"}
    answer = httpx.post(f"{workspace.server.url}/graphql", json=body, headers=headers)
    assert message in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("accept", [MODERN, "Application/GraphQL-Response+JSON", "text/event-stream"])
def test_media_types_are_accepted_in_any_case(workspace: Workspace, accept: str) -> None:
    answer = get(workspace.key, {"accept": accept.swapcase()}, query=VIEWER)
    assert answer.headers["content-type"].partition(";")[0] == accept.lower()


def test_compressed_body_is_refused_with_what_to_do(workspace: Workspace) -> None:
    headers = workspace.key.headers | {"content-type": "application/json", "content-encoding": "gzip"}
    content = gzip.compress(json.dumps({"query": VIEWER}).encode())
    answer = httpx.post(f"{workspace.server.url}/graphql", content=content, headers=headers)
    assert (answer.status_code, code_of(answer)) == (415, "BAD_USER_INPUT")
    assert "uncompressed" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("accept", ["application/json", MODERN, "text/event-stream"])
def test_get_refuses_a_mutation_and_changes_nothing(workspace: Workspace, accept: str) -> None:
    conversation = workspace.start()["conversation"]["id"]
    answer = get(workspace.key, {"accept": accept}, query=RECORD, variables={"id": conversation})
    if accept == "text/event-stream":
        assert "GET answers queries only" in answer.text
    else:
        assert (answer.status_code, answer.headers["allow"], code_of(answer)) == (
            405,
            "POST",
            "BAD_USER_INPUT",
        )
    assert workspace.key.messages(conversation) == []


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"query": ""},
        {"query": VIEWER, "variables": "{"},
        {"query": VIEWER, "variables": "[]"},
        {"query": VIEWER, "extensions": "7"},
    ],
)
def test_get_with_wrong_parameters_is_400(workspace: Workspace, parameters: dict[str, Any]) -> None:
    answer = get(workspace.key, **parameters)
    assert (answer.status_code, code_of(answer)) == (400, "BAD_USER_INPUT")


def test_get_with_event_stream_follows_a_subscription(workspace: Workspace) -> None:
    started = workspace.start()["conversation"]
    workspace.key.record(started["id"], "USER", "before")
    variables = json.dumps({"id": started["id"], "after": started["cursor"]})
    with httpx.stream(
        "GET",
        f"{workspace.key.url}/graphql",
        params={"query": ADDED, "variables": variables},
        headers=workspace.key.headers | {"accept": "text/event-stream"},
        trust_env=False,
    ) as response:
        data = next(line for line in response.iter_lines() if line.startswith("data: {"))
    assert json.loads(data[6:])["data"]["messageAdded"]["message"] == {"content": "before"}


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("x-nothing", "1", 403),
        ("accept", "*/*", 403),
        ("content-type", "text/plain", 403),
        ("sec-fetch-site", "same-site", 403),
        ("x-requested-with", "", 403),
        ("x-requested-with", "fetch", 200),
        ("apollo-require-preflight", "true", 200),
        ("accept", MODERN, 200),
        ("content-type", MODERN, 200),
        ("sec-fetch-site", "same-origin", 200),
    ],
)
def test_get_with_the_session_cookie_needs_what_no_form_can_send(
    workspace: Workspace, header: str, value: str, status: int
) -> None:
    url = f"{workspace.key.url}/graphql"
    with httpx.Client(trust_env=False) as client:
        client.post(url, json={"query": SIGN_IN, "variables": {"e": workspace.email, "p": PASSWORD}})
        assert "baton_session" in client.cookies
        headers = {"origin": workspace.key.url, header: value}
        answer = client.get(url, params={"query": VIEWER}, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert code_of(answer) == "FORBIDDEN"
    else:
        assert answer.json()["data"] == {"viewer": {"kind": "TEAM_MEMBER"}}


def test_get_with_a_token_or_without_a_credential_needs_no_header(workspace: Workspace) -> None:
    assert get(workspace.key, query=VIEWER).json()["data"] == {"viewer": {"kind": "API_KEY"}}
    assert code_of(get(workspace.nobody, query=VIEWER)) == "UNAUTHENTICATED"


@pytest.mark.parametrize("extensions", ["a", 7, False, ["a"]])
def test_extensions_of_a_wrong_type_are_400(workspace: Workspace, extensions: object) -> None:
    answer = httpx.post(
        f"{workspace.key.url}/graphql",
        json={"query": VIEWER, "extensions": extensions},
        headers=workspace.key.headers,
        trust_env=False,
    )
    assert (answer.status_code, code_of(answer)) == (400, "BAD_USER_INPUT")
    assert answer.json()["errors"][0]["extensions"]["field"] == "extensions"


HASH = {
    "persistedQuery": {
        "version": 1,
        "sha256Hash": "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38",
    }
}


@pytest.mark.parametrize(("accept", "status"), [("application/json", 200), (MODERN, 400)])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_hash_instead_of_a_document_is_not_supported(
    workspace: Workspace, method: str, accept: str, status: int
) -> None:
    if method == "GET":
        answer = get(workspace.key, {"accept": accept}, extensions=HASH)
    else:
        headers = workspace.key.headers | {"accept": accept}
        url = f"{workspace.key.url}/graphql"
        answer = httpx.post(url, json={"extensions": HASH}, headers=headers, trust_env=False)
    (error,) = answer.json()["errors"]
    assert answer.status_code == status
    # Clients compare the message.
    assert error["message"] == "PersistedQueryNotSupported"
    assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_SUPPORTED"


def test_document_with_its_hash_is_answered(workspace: Workspace) -> None:
    answer = get(workspace.key, query=VIEWER, extensions=HASH)
    assert answer.json()["data"] == {"viewer": {"kind": "API_KEY"}}


@pytest.mark.anyio
async def test_hash_over_a_websocket_ends_only_its_operation(workspace: Workspace) -> None:
    async with workspace.key.socket() as client:
        await client.send(id="1", type="subscribe", payload={"extensions": HASH})
        answer = await client.receive()
        assert (answer["id"], answer["type"]) == ("1", "error")
        assert answer["payload"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_SUPPORTED"
        assert await client.next(await client.subscribe(VIEWER)) == {"viewer": {"kind": "API_KEY"}}


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("PUT", {}, 501),
        ("DELETE", {"x-graphql-event-stream-token": "1"}, 501),
        ("GET", {"x-graphql-event-stream-token": "1", "accept": "text/event-stream"}, 400),
        ("POST", {"x-graphql-event-stream-token": "1"}, 400),
    ],
)
def test_single_connection_mode_of_graphql_sse_is_refused_in_words(
    workspace: Workspace, method: str, headers: dict[str, str], status: int
) -> None:
    url, body = f"{workspace.key.url}/graphql", {"query": VIEWER}
    sent = workspace.key.headers | headers
    answer = httpx.request(method, url, json=body, headers=sent, trust_env=False)
    assert (answer.status_code, code_of(answer)) == (status, "BAD_USER_INPUT")
    assert "without singleConnection" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(("size", "status"), [(BODY_LIMIT, 200), (BODY_LIMIT + 1, 413)])
def test_body_in_chunks_is_read_up_to_the_limit(workspace: Workspace, size: int, status: int) -> None:
    body = json.dumps({"query": VIEWER}).encode().ljust(size)
    chunks = (body[start : start + 10_000] for start in range(0, size, 10_000))
    headers = workspace.key.headers | {"content-type": "application/json"}
    answer = httpx.post(f"{workspace.key.url}/graphql", content=chunks, headers=headers, trust_env=False)
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["data"] == {"viewer": {"kind": "API_KEY"}}
    else:
        assert "1,048,576 bytes" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize(
    "asked", ["traceparent,sentry-trace", "apollographql-client-name", "authorization, x-requested-with"]
)
def test_preflight_allows_the_headers_that_it_asks_for(workspace: Workspace, method: str, asked: str) -> None:
    answer = httpx.options(
        f"{workspace.key.url}/graphql",
        headers={
            "origin": "https://shop.example",
            "access-control-request-method": method,
            "access-control-request-headers": asked,
        },
        trust_env=False,
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-headers"] == asked
    # Never with cookies.
    assert "access-control-allow-credentials" not in answer.headers
