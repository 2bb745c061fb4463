"""The incoming webhook: an address that can do one thing."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

AsBearer = Callable[[str], httpx.Client]


@pytest.fixture
def hook(as_bearer: AsBearer, keys: Any) -> Callable[..., httpx.Response]:
    """Posts to the hook, without any other credential."""

    def post(conversation_id: str, token: str | None = None, **body: Any) -> httpx.Response:
        headers = {"Idempotency-Key": body.pop("key")} if "key" in body else {}
        body = {"conversationId": conversation_id, "reason": "Payment failed"} | body
        return as_bearer("").post(f"/hooks/{token or keys.hook}/escalate", json=body, headers=headers)

    return post


def test_hook_escalates_and_folds(
    hook: Callable[..., httpx.Response], client: httpx.Client, conversation_id: str
) -> None:
    first, second = hook(conversation_id), hook(conversation_id, priority="urgent")

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json().keys() == {
        "id",
        "conversationId",
        "status",
        "priority",
        "createdAt",
        "confirmationMessage",
        "created",
    }
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["priority"] == "urgent"
    seen = client.patch(f"/escalations/{first.json()['id']}", json={"note": "Seen"}).json()
    assert (seen["trigger"], seen["reason"]) == ("api", "Payment failed")


def test_hook_may_be_repeated(hook: Callable[..., httpx.Response], conversation_id: str) -> None:
    first, again = hook(conversation_id, key="1"), hook(conversation_id, key="1")

    assert (again.status_code, again.json()) == (201, first.json())
    assert hook(conversation_id, key="1", reason="Another").status_code == 422


def test_other_tokens_are_no_hooks(
    hook: Callable[..., httpx.Response], keys: Any, client: httpx.Client, agent_id: str, conversation_id: str
) -> None:
    tokens = [keys.full, keys.reader, keys.member, keys.revoked_hook, "baton_sk_unknown", "x", "%00"]

    answers = {hook(conversation_id, token).text for token in tokens}
    malformed = hook(conversation_id, keys.full, reason=5)

    assert answers == {malformed.text}
    assert (malformed.status_code, malformed.json()["code"]) == (404, "NOT_FOUND")
    assert client.get("/escalations", params={"agentId": agent_id}).json()["escalations"] == []


def test_widget_token_is_no_hook(
    hook: Callable[..., httpx.Response], started: Callable[[], tuple[str, str]]
) -> None:
    conversation_id, token = started()

    assert hook(conversation_id, token).status_code == 404


def test_hook_reaches_its_own_workspace_alone(
    hook: Callable[..., httpx.Response], foreign_conversation_id: str, keys: Any, as_bearer: AsBearer
) -> None:
    response = hook(foreign_conversation_id)

    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")
    assert as_bearer(keys.stranger).get("/escalations").json()["escalations"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"conversationId": "x"}, "conversationId"),
        ({"conversationId": "esc_01kgp1wz5ye1ar59h2v8c0t4mn"}, "conversationId"),
        ({"conversationId": None}, "conversationId"),
        ({"reason": " "}, "reason"),
    ],
)
def test_bad_post_names_the_field(
    hook: Callable[..., httpx.Response], conversation_id: str, body: dict[str, Any], field: str
) -> None:
    response = hook(conversation_id, **body)

    assert (response.status_code, response.json()["field"]) == (400, field)


def test_unknown_fields_of_a_post_are_ignored(
    hook: Callable[..., httpx.Response], conversation_id: str
) -> None:
    many = {f"field_{number}": {"nested": [number]} for number in range(500)}

    response = hook(conversation_id, assignTo="jane@example.com", **many)

    assert response.status_code == 201
    assert "assignTo" not in response.json()


def test_key_of_a_hook_is_refused_elsewhere(
    as_bearer: AsBearer, keys: Any, client: httpx.Client, conversation_id: str
) -> None:
    caller = as_bearer(keys.hook)
    address = f"/conversations/{conversation_id}/escalate"
    made = client.post(address, json={"reason": "x"}).json()

    for response in (
        caller.post(address, json={"reason": "x"}),
        caller.get("/escalations"),
        caller.patch(f"/escalations/{made['id']}", json={"note": "x"}),
    ):
        assert (response.status_code, response.json()["code"]) == (403, "FORBIDDEN")
