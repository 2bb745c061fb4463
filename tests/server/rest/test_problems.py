"""Errors over HTTP."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from resolvers.errors import BadInputError, ErrorCode, RateLimitedError, ResyncRequiredError
from server.http.problems import EXCEPTION_HANDLERS, STATUS_OF


def answer_to(error: Exception) -> httpx.Response:
    """Return the response to a request that ends in `error`."""

    async def fail(_: Request) -> Response:
        raise error

    app = Starlette(routes=[Route("/{secret}", fail)], exception_handlers=EXCEPTION_HANDLERS)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/a-token")

    return asyncio.run(ask())


def problem_of(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    return dict(response.json())


def test_every_code_has_a_status() -> None:
    assert STATUS_OF.keys() == set(ErrorCode)


def test_expected_error_is_told_in_its_own_words() -> None:
    response = answer_to(BadInputError("sla.target_response_minutes", "is not over 0"))

    assert response.status_code == 400
    assert problem_of(response) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "sla.targetResponseMinutes is not over 0",
        "code": "BAD_USER_INPUT",
        "field": "sla.targetResponseMinutes",
    }


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RateLimitedError("Too often."), 429, "RATE_LIMITED"),
        (ResyncRequiredError(), 410, "RESYNC_REQUIRED"),
        (HTTPException(403), 403, "FORBIDDEN"),
        (HTTPException(418, "No coffee."), 418, "BAD_USER_INPUT"),
        (HTTPException(503), 503, "UNAVAILABLE"),
        (HTTPException(499, "Odd."), 499, "BAD_USER_INPUT"),
    ],
)
def test_problem_has_the_status_of_its_code(error: Exception, status: int, code: str) -> None:
    problem = problem_of(answer_to(error))

    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]


def test_unexpected_error_is_masked_and_logged() -> None:
    with capture_logs() as logs:
        response = answer_to(RuntimeError("a password"))

    problem = problem_of(response)
    assert (response.status_code, problem["code"]) == (500, "INTERNAL")
    assert "password" not in response.text
    (entry,) = logs
    assert entry["request_id"] == problem["requestId"]
    assert isinstance(entry["exc_info"], RuntimeError)
    assert "a-token" not in repr(entry)


def test_client_that_went_away_is_no_fault_here() -> None:
    with capture_logs() as logs:
        answer_to(ClientDisconnect())

    assert logs == []


def test_unknown_address_or_method_is_a_problem(client: httpx.Client) -> None:
    nowhere = client.get("/escalation")
    wrong = client.delete("/escalations/esc_01kgp1wz5ye1ar59h2v8c0t4mn")

    assert (nowhere.status_code, problem_of(nowhere)["code"]) == (404, "NOT_FOUND")
    assert (wrong.status_code, problem_of(wrong)["code"]) == (405, "BAD_USER_INPUT")
    assert wrong.headers["allow"] == "PATCH"
