"""The export of one customer: everything about the customer, nothing about others, in constant memory."""

import json
from typing import Any

import httpx
import pytest

from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import Caller, Server, Workspace

MANY = 1_234


@pytest.fixture(scope="module")
def team(server: Server) -> Workspace:
    return server.new_workspace()


def get(caller: Caller, **query: Any) -> httpx.Response:
    return httpx.get(f"{caller.url}/exports/customer.jsonl", params=query, headers=caller.headers, timeout=60)


def records(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/jsonl"
    return [json.loads(line) for line in response.content.decode().splitlines()]


def of_type(lines: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["type"] == name]


def test_export_holds_everything_about_the_customer_and_nothing_about_others(team: Workspace) -> None:
    customer = {"externalId": "c-1", "email": "jo@example.com", "name": "Jo"}
    conversation = team.start(customer=customer, metadata={"page": "/cart"})["conversation"]["id"]
    other = team.start(customer={"email": "other@example.com"})["conversation"]["id"]
    for id_ in (conversation, other):
        team.key.record(id_, "USER", f"A message in {id_}.", intents=["order"])
    escalation = team.key.escalate(conversation, "a VIP", summary="Two orders")["escalation"]["id"]
    update = "mutation($i: UpdateEscalationInput!) { updateEscalation(input: $i) { escalation { id } } }"
    team.key.ask(update, i={"escalationId": escalation, "note": "Calls back at six."})
    by_email = records(get(team.key, email="JO@example.com"))
    assert (
        by_email
        == records(get(team.key, externalId="c-1"))
        == records(get(team.key, externalId="c-1", email="jo@example.com"))
    )
    (row,) = of_type(by_email, "conversation")
    shown = (row["id"], row["agentId"], row["customerEmail"], row["customerName"], row["metadata"])
    assert shown == (conversation, team.agent_id, "jo@example.com", "Jo", {"page": "/cart"})
    message = of_type(by_email, "message")[0]
    assert (message["content"], message["intents"]) == (f"A message in {conversation}.", ["order"])
    assert [item["summary"] for item in of_type(by_email, "escalation")] == ["Two orders"]
    assert [item["reason"] for item in of_type(by_email, "trigger")] == ["a VIP"]
    assert [item["body"] for item in of_type(by_email, "note")] == ["Calls back at six."]
    assert "created" in {item["kind"] for item in of_type(by_email, "timelineEntry")}
    assert {item["escalationId"] for item in of_type(by_email, "timelineEntry")} == {escalation}
    assert other not in json.dumps(by_email)


def test_export_of_a_long_conversation_has_every_message_in_order(team: Workspace) -> None:
    conversation = team.start(customer={"externalId": "long"})["conversation"]["id"]
    team.server.execute(
        """INSERT INTO messages (id, conversation_id, position, role, status, content, intents, created_at)
        SELECT gen_random_uuid(), $1, n, 'USER', 'DELIVERED', 'Message ' || n, '{}', now()
        FROM generate_series(1, $2) n""",
        parse_id(CONVERSATION, conversation),
        MANY,
    )
    lines = of_type(records(get(team.key, externalId="long")), "message")
    assert [line["position"] for line in lines] == list(range(1, MANY + 1))


def test_export_of_an_unknown_customer_is_empty(team: Workspace, other: Workspace) -> None:
    team.start(customer={"externalId": "mine"})
    assert records(get(team.key, externalId="MINE")) == []
    assert records(get(other.key, externalId="mine")) == []


@pytest.mark.parametrize("query", [{}, {"email": "no address"}, {"externalId": " "}, {"phone": "1"}])
def test_export_without_a_usable_name_is_refused(team: Workspace, query: dict[str, str]) -> None:
    response = get(team.key, **query)
    assert (response.status_code, response.json()["code"]) == (400, "BAD_USER_INPUT")


def test_export_without_the_scope_is_refused(team: Workspace) -> None:
    started = team.start(customer={"externalId": "scoped"})
    callers = [team.nobody, team.key_with("CONVERSATIONS_READ", "ANALYTICS_READ"), team.widget(started)]
    responses = [get(caller, externalId="scoped") for caller in callers]
    assert [response.status_code for response in responses] == [401, 403, 403]
    assert not any("scoped" in response.text for response in responses)
