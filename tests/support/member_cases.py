"""Operations of the tests of team members."""

from typing import Any

import httpx

from tests.support.baton_client import PASSWORD, Caller
from tests.support.callers import Rows, Visitor

WHO = "{ viewer { member { id email name role available } } }"
SIGN_IN = "mutation($e: String!, $p: String!) { signIn(email: $e, password: $p) { token member { email } } }"
INVITE = """mutation($input: CreateMemberInput!) { createMember(input: $input) {
    member { id email role } invitationToken } }"""
ACCEPT = """mutation($token: String!, $password: String!) {
    acceptInvitation(token: $token, password: $password) { token member { email role } } }"""
UPDATE = """mutation($id: ID!, $name: String, $role: MemberRole, $available: Boolean) {
    updateMember(id: $id, name: $name, role: $role, available: $available) {
    member { id name role available } } }"""
CHANGE = "mutation($current: String!, $new: String!) { changePassword(current: $current, new: $new) }"
REMOVE = "mutation($id: ID!) { removeMember(id: $id) }"
NEW_PASSWORD = "a horse of another colour"


def me(caller: Caller) -> dict[str, Any]:
    member: dict[str, Any] = caller.ask(WHO)["viewer"]["member"]
    return member


def team(rows: Rows) -> list[dict[str, Any]]:
    members: list[dict[str, Any]] = rows.key.ask("{ members { id email name role available } }")["members"]
    return members


def is_signed_in(caller: Caller) -> bool:
    answer = caller.post(WHO)
    codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
    assert codes in ([], ["UNAUTHENTICATED"])
    return not codes


def can_sign_in(nobody: Visitor, email: str, password: str = PASSWORD) -> bool:
    answer = nobody.post(SIGN_IN, {"e": email, "p": password})
    codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
    assert codes in ([], ["UNAUTHENTICATED"])
    return not codes


def cookie_of(response: httpx.Response) -> tuple[str, set[str]]:
    """Return the session cookie's value and its attributes in lower case."""
    (header,) = (
        item for item in response.headers.get_list("set-cookie") if item.startswith("baton_session=")
    )
    value, *attributes = header.removeprefix("baton_session=").split(";")
    return value.strip('"'), {attribute.strip().lower() for attribute in attributes}
