"""Refusals of the REST API, which change nothing."""

import gzip
from typing import Any

import httpx
import pytest

from tests.support.rest_client import assert_problem, escalate, escalated, listed

JSON = {"Content-Type": "application/json"}
UNKNOWN = "01kgp1wz5ye1ar59h2v8c0t4mn"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, None),
        ({"priority": None}, None),
        ({"expectedVersion": 1}, None),
        ({"status": "OPEN"}, "status"),
        ({"status": "closed"}, "status"),
        ({"priority": 3}, "priority"),
        ({"priority": ["high"]}, "priority"),
        ({"assignTo": "nobody@example.com", "priority": "high"}, "assignTo"),
        ({"assign_to": "jane@example.com"}, "assign_to"),
        ({"note": " ", "priority": "high"}, "note"),
        ({"note": "x" * 2001, "priority": "high"}, "note"),
        ({"note": "\x00", "priority": "high"}, "note"),
        ({"note": 5, "priority": "high"}, "note"),
        ({"priority": "high", "expectedVersion": "1"}, "expectedVersion"),
        ({"priority": "high", "expectedVersion": True}, "expectedVersion"),
        ({"priority": "high", "expectedVersion": 2**70}, "expectedVersion"),
        ({"priority": "high", "resolution": "x"}, "resolution"),
    ],
)
def test_bad_patch_changes_nothing(
    client: httpx.Client, conversation_id: str, agent_id: str, changes: dict[str, Any], field: str | None
) -> None:
    made = escalated(client, conversation_id)

    response = client.patch(f"/escalations/{made['id']}", json=changes)

    assert_problem(response, 400, "BAD_USER_INPUT", field)
    (after,) = listed(client, agent_id)
    assert (after["version"], after["priority"]) == (1, "medium")


def test_refusals_are_in_the_terms_of_json(client: httpx.Client, conversation_id: str, agent_id: str) -> None:
    path = f"/conversations/{conversation_id}/escalate"
    years = {"agentId": agent_id, "interval": "hour", "from": "2015-01-01T00:00:00Z"}
    years["to"] = "2025-01-01T00:00:00Z"
    details = [
        client.post(path, json={"reason": "VIP", "metadata": ["a"]}).json()["detail"],
        client.get("/exports/audit.csv?from=2026").json()["detail"],
        client.post(f"/hooks/{'x' * 20}/escalate", json={}).json()["detail"],
        client.get("/escalations?status=open,open,open,open").json()["detail"],
        client.get("/exports/analytics.csv", params=years).json()["detail"],
    ]

    assert details == [
        "metadata is not an object",
        "from is not known here; there are none",
        "There is no such hook: the token in the address is an API key whose only scope is INCOMING_WEBHOOK.",
        "status has 4 values; at most 3 are allowed",
        "interval makes more than 2,000 points; take a longer one",
    ]


def test_patch_with_nothing_in_it_says_what_may_be_given(client: httpx.Client, conversation_id: str) -> None:
    response = client.patch(f"/escalations/{escalated(client, conversation_id)['id']}", json={})

    assert all(name in response.json()["detail"] for name in ("status", "priority", "assignTo", "note"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"priority": "high"}, "reason"),
        ({"reason": ""}, "reason"),
        ({"reason": None}, "reason"),
        ({"reason": "x" * 2001}, "reason"),
        ({"reason": "x", "priority": "highest"}, "priority"),
        ({"reason": "x", "assignTo": "nobody@example.com"}, "assignTo"),
        ({"reason": "x", "assignTo": ""}, "assignTo"),
        ({"reason": "x", "y" * 500: 1}, "y" * 100),
        ({str(number): 1 for number in range(20_000)}, None),
        ([], None),
        ("reason", None),
        (5, None),
    ],
)
def test_bad_call_escalates_nothing(
    client: httpx.Client, conversation_id: str, agent_id: str, body: Any, field: str | None
) -> None:
    response = client.post(f"/conversations/{conversation_id}/escalate", json=body)

    assert_problem(response, 400, "BAD_USER_INPUT", field)
    assert listed(client, agent_id) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"reason": "x",}',
        b'{"reason": NaN}',
        b'{"reason": "\xff"}',
        rb'{"reason": "\ud800"}',
        b'{"reason": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b"[" * 20_000,
    ],
)
def test_malformed_json_is_refused(client: httpx.Client, conversation_id: str, body: bytes) -> None:
    response = client.post(f"/conversations/{conversation_id}/escalate", content=body, headers=JSON)

    assert_problem(response, 400, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "media_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"]
)
def test_other_content_types_are_refused(
    client: httpx.Client, conversation_id: str, agent_id: str, media_type: str
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    response = client.post(
        f"/conversations/{conversation_id}/escalate", content=b'{"reason": "x"}', headers=headers
    )

    assert_problem(response, 415, "BAD_USER_INPUT")
    assert listed(client, agent_id) == []


def test_content_type_may_name_the_charset(client: httpx.Client, conversation_id: str) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    response = client.post(
        f"/conversations/{conversation_id}/escalate", content='{"reason": "Grüße"}', headers=headers
    )

    assert (response.status_code, response.json()["reason"]) == (201, "Grüße")


@pytest.mark.parametrize("chunked", [False, True])
def test_oversized_body_is_refused(
    client: httpx.Client, conversation_id: str, agent_id: str, chunked: bool
) -> None:
    body = b'{"reason": "x"' + b" " * 1024 * 1024 + b"}"
    content = iter([body[:-1], body[-1:]]) if chunked else body

    response = client.post(f"/conversations/{conversation_id}/escalate", content=content, headers=JSON)

    assert_problem(response, 413, "BAD_USER_INPUT")
    assert listed(client, agent_id) == []


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "gzip, identity"])
def test_compressed_body_is_refused_in_words(
    client: httpx.Client, conversation_id: str, agent_id: str, encoding: str
) -> None:
    response = client.post(
        f"/conversations/{conversation_id}/escalate",
        content=gzip.compress(b'{"reason": "x"}'),
        headers=JSON | {"Content-Encoding": encoding},
    )

    assert_problem(response, 415, "BAD_USER_INPUT")
    assert "uncompressed" in response.json()["detail"]
    assert listed(client, agent_id) == []


def test_body_with_the_encoding_identity_is_read(client: httpx.Client, conversation_id: str) -> None:
    address, headers = f"/conversations/{conversation_id}/escalate", JSON | {"Content-Encoding": "Identity"}
    assert client.post(address, content=b'{"reason": "x"}', headers=headers).status_code == 201


@pytest.mark.parametrize("key", ["", "k" * 201])
def test_bad_idempotency_key_is_refused_by_the_name_of_its_header(
    client: httpx.Client, conversation_id: str, agent_id: str, key: str
) -> None:
    response = escalate(client, conversation_id, key=key)
    assert_problem(response, 400, "BAD_USER_INPUT", "Idempotency-Key")
    assert response.json()["detail"].startswith("Idempotency-Key ")
    assert listed(client, agent_id) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("agentId=robot", "agentId"),
        (f"agentId=conv_{UNKNOWN}", "agentId"),
        ("status=", "status"),
        ("status=open,closed", "status"),
        ("priority=HIGH", "priority"),
        ("first=0", "first"),
        ("first=101", "first"),
        ("first=1e1", "first"),
        ("first=٣", "first"),
        ("first=1&first=2", "first"),
        ("after=nonsense", "after"),
        ("after=%00", "after"),
        ("limit=5", "limit"),
    ],
)
def test_bad_query_is_refused(client: httpx.Client, query: str, field: str) -> None:
    assert_problem(client.get(f"/escalations?{query}"), 400, "BAD_USER_INPUT", field)


@pytest.mark.parametrize(("first", "words"), [("0", "at least 1"), ("101", "at most 100")])
def test_page_that_is_too_small_or_large_is_refused_in_words(
    client: httpx.Client, first: str, words: str
) -> None:
    assert client.get(f"/escalations?first={first}").json()["detail"] == f"first must be {words}"


def test_address_with_far_too_many_parameters_is_refused(client: httpx.Client) -> None:
    many = "&".join(f"a{number}=1" for number in range(1_000))
    response = client.get(f"/escalations?{many}")
    assert_problem(response, 400, "BAD_USER_INPUT")
    assert "1,000 parameters" in response.json()["detail"]
