"""Operations of the tests of team members."""

import hashlib
from typing import Any

import httpx

from rules.typeid import WORKSPACE, parse_id
from tests.support.baton_client import PASSWORD, Caller, Workspace
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
WRONG = "not the password"
MODERN = {"accept": "application/graphql-response+json"}
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


def attempt(nobody: Visitor, email: str, password: str, **headers: str) -> httpx.Response:
    """Try to sign in."""
    return nobody.send(SIGN_IN, {"e": email, "p": password}, **headers)


def code_of(response: httpx.Response) -> str | None:
    """Return the code of the first error of an answer, or None."""
    errors = response.json().get("errors", ())
    return next((str(error["extensions"]["code"]) for error in errors), None)


def set_failures(workspace: Workspace, email: str, failures: int) -> None:
    """Let the member have failed as often as that, from addresses of any number."""
    key = "SELECT id FROM members WHERE workspace_id = $1 AND lower(email) = $2"
    ((member_id,),) = (
        row.values() for row in workspace.server.rows(key, parse_id(WORKSPACE, workspace.id), email)
    )
    counted = "UPDATE sign_in_attempts SET failures = $1, locked_until = NULL WHERE key_hash = $2 RETURNING 1"
    assert workspace.server.rows(counted, failures, hashlib.sha256(f"member\0{member_id}".encode()).digest())


def cookie_of(response: httpx.Response, name: str = "baton_session") -> tuple[str, set[str]]:
    """Return a cookie's value and its attributes in lower case."""
    (header,) = (item for item in response.headers.get_list("set-cookie") if item.startswith(f"{name}="))
    value, *attributes = header.removeprefix(f"{name}=").split(";")
    return value.strip('"'), {attribute.strip().lower() for attribute in attributes}
