"""Signing in while others guess: locks, back-off and device cookies."""

import re
from typing import Any

import httpx

from rules.roles import MemberRole
from tests.support.baton_client import PASSWORD
from tests.support.callers import Rows, Visitor, new_email
from tests.support.member_cases import (
    ACCEPT,
    CHANGE,
    WRONG,
    attempt,
    code_of,
    cookie_of,
    set_failures,
)


def device_of(response: httpx.Response) -> dict[str, str]:
    return {"cookie": f"baton_device={cookie_of(response, 'baton_device')[0]}"}


def seconds_to_wait(response: httpx.Response) -> int:
    return int(response.json()["errors"][0]["extensions"]["retryAfter"])


def test_member_locked_by_strangers_signs_in_from_a_browser_of_their_own(rows: Rows, nobody: Visitor) -> None:
    email = rows.create_member(MemberRole.AGENT)
    device = device_of(attempt(nobody, email, PASSWORD))
    assert code_of(attempt(nobody, email, WRONG)) == "UNAUTHENTICATED"
    set_failures(rows.workspace, email, 49)
    assert code_of(attempt(nobody, email, WRONG)) == "UNAUTHENTICATED"
    for password in (WRONG, PASSWORD):
        assert code_of(attempt(nobody, email, password)) == "RATE_LIMITED"
    assert code_of(attempt(nobody, email, PASSWORD, **device)) is None
    assert code_of(attempt(nobody, email, PASSWORD)) == "RATE_LIMITED", "the lock of strangers stays"


def test_device_cookie_has_attempts_of_its_own(rows: Rows, nobody: Visitor) -> None:
    email = rows.create_member(MemberRole.AGENT)
    device = device_of(attempt(nobody, email, PASSWORD))
    codes = [code_of(attempt(nobody, email, WRONG, **device)) for _ in range(11)]
    assert codes == ["UNAUTHENTICATED"] * 10 + ["RATE_LIMITED"]
    assert code_of(attempt(nobody, email, PASSWORD, **device)) == "RATE_LIMITED"
    assert code_of(attempt(nobody, email, PASSWORD)) is None, "strangers are not locked by it"


def test_device_cookie_passes_no_lock_of_another_member(rows: Rows, nobody: Visitor) -> None:
    member, another = rows.create_member(MemberRole.AGENT), rows.create_member(MemberRole.AGENT)
    first = attempt(nobody, another, PASSWORD)
    assert code_of(attempt(nobody, member, WRONG)) == "UNAUTHENTICATED"
    set_failures(rows.workspace, member, 49)
    assert code_of(attempt(nobody, member, WRONG)) == "UNAUTHENTICATED"
    forged = {"cookie": "baton_device=" + "A" * 91}
    for device in (device_of(first), forged):
        assert code_of(attempt(nobody, member, PASSWORD, **device)) == "RATE_LIMITED"


def test_people_who_share_a_browser_keep_a_device_cookie_each(rows: Rows, nobody: Visitor) -> None:
    members = [rows.create_member(MemberRole.AGENT) for _ in range(2)]
    cookie: dict[str, str] = {}
    for member in members:
        response = attempt(nobody, member, PASSWORD, **cookie)
        cookie = device_of(response)
        assert {"httponly", "samesite=lax", "path=/"} <= cookie_of(response, "baton_device")[1]
    for member in members:
        assert code_of(attempt(nobody, member, WRONG)) == "UNAUTHENTICATED"
        set_failures(rows.workspace, member, 49)
        attempt(nobody, member, WRONG)
        assert code_of(attempt(nobody, member, PASSWORD)) == "RATE_LIMITED"
        assert code_of(attempt(nobody, member, PASSWORD, **cookie)) is None


def test_lock_doubles_with_each_further_failure_up_to_eight_hours(rows: Rows, nobody: Visitor) -> None:
    email, server = rows.create_member(MemberRole.AGENT), rows.workspace.server
    attempt(nobody, email, WRONG)
    waits: list[float] = []
    for failures in (49, 50, 51, 58, 59, 80):
        set_failures(rows.workspace, email, failures)
        assert code_of(attempt(nobody, email, WRONG)) == "UNAUTHENTICATED"
        refused = attempt(nobody, email, WRONG)
        assert code_of(refused) == "RATE_LIMITED"
        assert refused.headers["retry-after"] == str(seconds_to_wait(refused))
        waits.append(seconds_to_wait(refused))
    expected = [60 * minutes for minutes in (1, 2, 4, 480, 480, 480)]
    assert all(wait - 15 <= given <= wait for given, wait in zip(waits, expected, strict=True)), waits
    server.execute(
        "UPDATE sign_in_attempts SET last_at = last_at - interval '25 hours', locked_until = now()"
    )
    assert code_of(attempt(nobody, email, WRONG)) == "UNAUTHENTICATED"
    assert code_of(attempt(nobody, email, PASSWORD)) is None, "a day without attempts is forgiven"


def test_unknown_and_known_emails_get_the_same_answers(rows: Rows, nobody: Visitor) -> None:
    answers: list[list[Any]] = []
    for number, email in enumerate((rows.create_member(MemberRole.AGENT), new_email())):
        address = {"x-forwarded-for": f"203.0.113.{10 + number}"}
        responses = [attempt(nobody, email, WRONG, **address) for _ in range(12)]
        answers.append([re.sub(r"\d+", "N", response.text) for response in responses])
        assert {code_of(response) for response in responses[10:]} == {"RATE_LIMITED"}
    assert answers[0] == answers[1]


def test_common_password_is_refused_wherever_one_is_set(rows: Rows, nobody: Visitor) -> None:
    member, invitation = (
        rows.key.sign_in(rows.create_member(MemberRole.AGENT)),
        rows.invited["invitationToken"],
    )
    for password in ("password123", "PassWord123", "aaaaaaaaaa", "q1q1q1q1q1"):
        refused = [
            member.refusal(CHANGE, current=PASSWORD, new=password),
            nobody.refusal(ACCEPT, token=invitation, password=password),
        ]
        assert [(item.code, item.field) for item in refused] == [
            ("BAD_USER_INPUT", "new"),
            ("BAD_USER_INPUT", "password"),
        ]
    assert nobody.ask(ACCEPT, token=invitation, password=PASSWORD)
