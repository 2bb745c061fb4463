"""The REST API, as its callers see it."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.support.rest_client import assert_problem, escalate, escalated, listed

Start = Callable[[], tuple[str, str]]
AsBearer = Callable[[str], httpx.Client]

UNKNOWN = "01kgp1wz5ye1ar59h2v8c0t4mn"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_first_call_creates_and_the_next_is_folded_in(client: httpx.Client, conversation_id: str) -> None:
    first = escalate(client, conversation_id, priority="low")
    second = escalate(client, conversation_id, reason="Still waiting", priority="urgent")

    assert (first.status_code, second.status_code) == (201, 200)
    assert (first.json()["created"], second.json()["created"]) == (True, False)
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["reason"] == "VIP customer"
    assert second.json()["priority"] == "urgent"
    assert second.json()["version"] == first.json()["version"] + 1


def test_summary_and_metadata_come_back_unchanged(
    client: httpx.Client, conversation_id: str, agent_id: str
) -> None:
    given = {"summary": "Charged twice: José", "metadata": {"orderId": "1042", "refund": [1.5, None]}}
    got = escalated(client, conversation_id, **given)
    (shown,) = listed(client, agent_id)
    for resource in (got, shown):
        assert {name: resource[name] for name in given} == given


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"summary": "x" * 2001}, "summary"),
        ({"summary": " "}, "summary"),
        ({"summary": 5}, "summary"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"text": "x" * 40_000}}, "metadata"),
    ],
)
def test_summary_or_metadata_out_of_bounds_is_refused(
    client: httpx.Client, conversation_id: str, agent_id: str, body: dict[str, Any], field: str
) -> None:
    assert_problem(escalate(client, conversation_id, **body), 400, "BAD_USER_INPUT", field)
    assert listed(client, agent_id) == []


def test_escalation_is_spelled_as_the_api_spells(
    client: httpx.Client, conversation_id: str, agent_id: str
) -> None:
    got = escalated(client, conversation_id, assignTo="JANE@example.com")

    assert re.fullmatch("esc_[0-7][0-9a-z]{25}", got.pop("id"))
    assert "within 2 hours" in got.pop("confirmationMessage")
    sla, created_at = got.pop("sla"), got.pop("createdAt")
    assert got == {
        "conversationId": conversation_id,
        "agentId": agent_id,
        "status": "open",
        "priority": "medium",
        "trigger": "api",
        "reason": "VIP customer",
        "detail": None,
        "summary": None,
        "metadata": None,
        "confidence": None,
        "assignTo": "jane@example.com",
        "firstRespondedAt": None,
        "resolvedAt": None,
        "version": 1,
        "created": True,
    }
    assert TIME.fullmatch(created_at)
    assert all(TIME.fullmatch(sla[name]) for name in ("startedAt", "atRiskAt", "dueAt"))
    assert (sla["status"], sla["outcome"], sla["targetMinutes"]) == ("on_track", "running", 120)
    assert (sla["metAt"], sla["breachedAt"]) == (None, None)
    waited = datetime.fromisoformat(sla["dueAt"]) - datetime.fromisoformat(sla["startedAt"])
    assert waited.total_seconds() == 120 * 60


def test_reply_in_time_meets_the_target(
    client: httpx.Client, conversation_id: str, agent_id: str, reply: Callable[[str], None]
) -> None:
    reply(escalated(client, conversation_id)["id"])

    (got,) = listed(client, agent_id)
    assert (got["status"], got["assignTo"]) == ("in_progress", "jane@example.com")
    assert got["sla"]["outcome"] == "met"
    assert got["sla"]["metAt"] == got["firstRespondedAt"] is not None


def test_session_token_assigns_the_caller(as_bearer: AsBearer, keys: Any, conversation_id: str) -> None:
    got = escalated(as_bearer(keys.member), conversation_id)

    assert (got["trigger"], got["assignTo"]) == ("team_member", "jane@example.com")


def test_session_cookie_is_a_credential_too(as_bearer: AsBearer, keys: Any, conversation_id: str) -> None:
    cookie = {"Cookie": f"baton_session={keys.member}"}
    own, anonymous = {"Sec-Fetch-Site": "same-origin"}, as_bearer("")
    path, body = f"/conversations/{conversation_id}/escalate", {"reason": "x"}
    assert anonymous.post(path, json=body, headers=cookie).status_code == 403
    response = anonymous.post(path, json=body, headers=cookie | own)

    assert (response.status_code, response.json()["assignTo"]) == (201, "jane@example.com")


def test_repeat_with_the_same_key_gives_the_first_result(
    client: httpx.Client, conversation_id: str, agent_id: str
) -> None:
    first = escalate(client, conversation_id, key="once")
    again = escalate(client, conversation_id, key="once")

    assert (again.status_code, again.json()) == (201, first.json())
    assert len(listed(client, agent_id)) == 1


def test_repeated_change_with_its_key_is_made_once(client: httpx.Client, conversation_id: str) -> None:
    address = f"/escalations/{escalated(client, conversation_id)['id']}"
    change, headers = {"note": "Called her", "expectedVersion": 1}, {"Idempotency-Key": "call"}

    first = client.patch(address, json=change, headers=headers)
    again = client.patch(address, json=change, headers=headers)
    other = client.patch(address, json={"note": "Another"}, headers=headers)

    assert (first.status_code, first.json()["version"]) == (200, 2)
    assert (again.status_code, again.json()["version"]) == (200, 2)
    assert_problem(other, 422, "IDEMPOTENCY_MISMATCH")


def test_key_used_with_another_input_is_refused(
    client: httpx.Client, conversation_id: str, agent_id: str
) -> None:
    escalate(client, conversation_id, key="mine")
    before = listed(client, agent_id)

    response = escalate(client, conversation_id, key="mine", reason="Another")

    assert_problem(response, 422, "IDEMPOTENCY_MISMATCH")
    assert listed(client, agent_id) == before


def test_links_lead_through_all_pages(client: httpx.Client, started: Start, agent_id: str) -> None:
    ids = [escalated(client, started()[0])["id"] for _ in range(7)]

    seen, cursors, address = [], [], f"/escalations?agentId={agent_id}&status=open&first=3"
    while address:
        page = client.get(address)
        seen += [escalation["id"] for escalation in page.json()["escalations"]]
        cursors.append(page.json()["nextCursor"])
        address = page.links.get("next", {}).get("url", "")

    assert seen == ids[::-1]
    assert [cursor is None for cursor in cursors] == [False, False, True]
    by_hand = client.get("/escalations", params={"agentId": agent_id, "first": 3, "after": cursors[0]})
    assert [escalation["id"] for escalation in by_hand.json()["escalations"]] == ids[::-1][3:6]


def test_lists_are_chosen_by_status_and_priority(client: httpx.Client, started: Start, agent_id: str) -> None:
    ids = {word: escalated(client, started()[0], priority=word)["id"] for word in ("low", "high", "urgent")}
    client.patch(f"/escalations/{ids['urgent']}", json={"status": "resolved"})

    def chosen(query: str) -> set[str]:
        escalations = client.get(f"/escalations?agentId={agent_id}&{query}").json()["escalations"]
        return {item["id"] for item in escalations}

    assert chosen("status=open") == {ids["low"], ids["high"]}
    assert chosen("status=open,resolved") == set(ids.values())
    assert chosen("priority=low&priority=urgent") == {ids["low"], ids["urgent"]}
    assert chosen("status=in_progress") == set()


def test_patch_makes_every_change_in_one_transaction(client: httpx.Client, conversation_id: str) -> None:
    made = escalated(client, conversation_id)
    changes = {"status": "in_progress", "priority": "high", "assignTo": "jane@example.com", "note": "Known"}

    got = client.patch(f"/escalations/{made['id']}", json=changes | {"expectedVersion": 1})

    assert got.status_code == 200
    assert {name: got.json()[name] for name in changes if name != "note"} == {
        name: value for name, value in changes.items() if name != "note"
    }
    assert got.json()["version"] == 2


@pytest.mark.parametrize("nobody", [None, ""])
def test_null_or_empty_assignee_unassigns_and_absent_leaves(
    client: httpx.Client, conversation_id: str, nobody: str | None
) -> None:
    address = f"/escalations/{escalated(client, conversation_id, assignTo='jane@example.com')['id']}"

    left = client.patch(address, json={"note": "Nothing else"})
    unassigned = client.patch(address, json={"assignTo": nobody})

    assert left.json()["assignTo"] == "jane@example.com"
    assert (unassigned.status_code, unassigned.json()["assignTo"]) == (200, None)


def test_resolved_in_time_without_a_reply_counts_neither_way(
    client: httpx.Client, conversation_id: str
) -> None:
    address = f"/escalations/{escalated(client, conversation_id)['id']}"

    resolved = client.patch(address, json={"status": "resolved"}).json()

    assert (resolved["status"], resolved["sla"]["outcome"]) == ("resolved", "cancelled")
    assert TIME.fullmatch(resolved["resolvedAt"])
    assert (resolved["sla"]["metAt"], resolved["sla"]["breachedAt"]) == (None, None)
    assert_problem(client.patch(address, json={"priority": "low"}), 409, "CONFLICT")
    assert client.patch(address, json={"status": "open"}).json()["status"] == "open"


def test_lost_update_is_refused(client: httpx.Client, conversation_id: str, agent_id: str) -> None:
    address = f"/escalations/{escalated(client, conversation_id)['id']}"
    client.patch(address, json={"priority": "high"})

    response = client.patch(address, json={"priority": "low", "expectedVersion": 1})

    assert_problem(response, 409, "CONFLICT")
    assert listed(client, agent_id)[0]["priority"] == "high"


def test_rows_of_another_workspace_are_not_found(
    as_bearer: AsBearer, client: httpx.Client, keys: Any, conversation_id: str, agent_id: str
) -> None:
    made, stranger = escalated(client, conversation_id), as_bearer(keys.stranger)

    assert_problem(escalate(stranger, conversation_id), 404, "NOT_FOUND")
    assert_problem(stranger.patch(f"/escalations/{made['id']}", json={"note": "Hi"}), 404, "NOT_FOUND")
    assert listed(stranger, agent_id) == []
    assert listed(client, agent_id)[0]["version"] == 1


@pytest.mark.parametrize("key", [f"conv_{UNKNOWN}", f"esc_{UNKNOWN}", "conv_", "x", "%00", "%ff"])
def test_malformed_id_is_not_found(client: httpx.Client, key: str) -> None:
    assert_problem(escalate(client, key), 404, "NOT_FOUND")


def test_credential_is_needed(as_bearer: AsBearer, conversation_id: str) -> None:
    for token in ("", "baton_sk_unknown", "nonsense"):
        caller = as_bearer(token)
        for response in (
            escalate(caller, conversation_id),
            caller.get("/escalations?first=nonsense"),
            caller.patch(f"/escalations/esc_{UNKNOWN}", content=b"nonsense"),
        ):
            assert_problem(response, 401, "UNAUTHENTICATED")
            assert response.headers["www-authenticate"] == "Bearer"


def test_scope_is_needed(
    as_bearer: AsBearer, client: httpx.Client, keys: Any, conversation_id: str, agent_id: str
) -> None:
    reader, made = as_bearer(keys.reader), escalated(client, conversation_id)

    assert len(listed(reader, agent_id)) == 1
    assert_problem(escalate(reader, conversation_id), 403, "FORBIDDEN")
    assert_problem(reader.patch(f"/escalations/{made['id']}", json={"note": "Hi"}), 403, "FORBIDDEN")
    assert listed(client, agent_id)[0]["version"] == 1


def test_customer_has_no_part_in_it(as_bearer: AsBearer, client: httpx.Client, started: Start) -> None:
    own, token = started()
    customer, made, other = as_bearer(token), escalated(client, own), started()[0]

    assert_problem(escalate(customer, own), 403, "FORBIDDEN")
    assert_problem(escalate(customer, other), 404, "NOT_FOUND")
    assert_problem(customer.patch(f"/escalations/{made['id']}", json={"note": "Hi"}), 403, "FORBIDDEN")
    assert_problem(customer.get("/escalations"), 403, "FORBIDDEN")
