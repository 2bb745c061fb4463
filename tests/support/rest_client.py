"""Calling the REST API, and what every refusal of it looks like."""

from typing import Any

import httpx


def escalate(client: httpx.Client, conversation_id: str, **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": body.pop("key")} if "key" in body else {}
    body = {"reason": "VIP customer"} | body
    return client.post(f"/conversations/{conversation_id}/escalate", json=body, headers=headers)


def escalated(client: httpx.Client, conversation_id: str, **body: Any) -> dict[str, Any]:
    response = escalate(client, conversation_id, **body)
    assert response.status_code == 201, response.text
    return dict(response.json())


def listed(client: httpx.Client, agent_id: str) -> list[dict[str, Any]]:
    response = client.get("/escalations", params={"agentId": agent_id})
    assert response.status_code == 200, response.text
    return list(response.json()["escalations"])


def assert_problem(response: httpx.Response, status: int, code: str, field: str | None = None) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.keys() - {"field", "requestId"} == {"type", "title", "status", "detail", "code"}
    assert (problem["status"], problem["code"], problem.get("field")) == (status, code, field)
    assert problem["detail"]
