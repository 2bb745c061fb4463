"""The second factor: enrolment, codes and their replay, recovery codes, limits and resets."""

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from rules.roles import MemberRole
from tests.support.baton_client import PASSWORD, wait_for
from tests.support.callers import Rows, Visitor, everything_kept
from tests.support.member_cases import SIGN_IN, is_signed_in, me
from tests.support.server_log import written_log
from tests.support.windows import wait_for_window_with

ENROL = "mutation($p: String!) { enrolSecondFactor(password: $p) { secret uri } }"
CONFIRM = "mutation($c: String!) { confirmSecondFactor(code: $c) { codes } }"
REMOVE = "mutation($p: String!, $c: String!) { removeSecondFactor(password: $p, code: $c) }"
RESET = "mutation($id: ID!) { resetSecondFactor(id: $id) }"
WITH_CODE = """mutation($e: String!, $p: String!, $c: String) {
    signIn(email: $e, password: $p, code: $c) { token } }"""
HAS = "{ viewer { member { hasSecondFactor } } }"


class Authenticator:
    """A member with a second factor. Its codes are each of a step that was not used yet."""

    def __init__(self, rows: Rows, nobody: Visitor, role: MemberRole = MemberRole.AGENT) -> None:
        self.email, self.nobody = rows.create_member(role), nobody
        self.session = rows.key.sign_in(self.email)
        made = self.session.ask(ENROL, p=PASSWORD)["enrolSecondFactor"]
        self.secret, self.uri = str(made["secret"]), str(made["uri"])
        self.recovery = list(self.session.ask(CONFIRM, c=self.code(-1))["confirmSecondFactor"]["codes"])

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(int(time.time()), counter_offset=steps)

    def attempt(self, code: str | None, password: str = PASSWORD, **headers: str) -> str | None:
        """Sign in and return the code of the error, or None."""
        given = {"e": self.email, "p": password, "c": code}
        errors = self.nobody.send(WITH_CODE, given, **headers).json().get("errors", ())
        return next((str(error["extensions"]["code"]) for error in errors), None)


@pytest.fixture
def member(rows: Rows, nobody: Visitor) -> Authenticator:
    # The step must not end between a code and its use.
    wait_for(lambda: time.time() % 30 < 25, "a step that lasts for a while")
    return Authenticator(rows, nobody)


def has_second_factor(caller: Visitor) -> bool:
    return bool(caller.ask(HAS)["viewer"]["member"]["hasSecondFactor"])


def test_member_with_a_second_factor_signs_in_with_password_and_code(member: Authenticator) -> None:
    parts = urlsplit(member.uri)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parse_qs(parts.query)["secret"] == [member.secret]
    assert has_second_factor(member.session)
    assert member.nobody.refusal(SIGN_IN, e=member.email, p=PASSWORD).code == "SECOND_FACTOR_REQUIRED"
    assert member.attempt(None) == "SECOND_FACTOR_REQUIRED"
    assert member.attempt(None, "not the password") == "UNAUTHENTICATED"
    assert member.attempt(member.code(), "not the password") == "UNAUTHENTICATED"
    assert member.attempt(member.code()) is None


def test_code_is_accepted_once(member: Authenticator) -> None:
    code = member.code()
    assert member.attempt(code) is None
    assert member.attempt(code) == "BAD_USER_INPUT"
    assert member.attempt(member.code(-1)) == "BAD_USER_INPUT", "nor is an earlier one"
    assert member.attempt(f" {member.code(1)[:3]} {member.code(1)[3:]}") is None


def test_code_of_another_time_is_refused(member: Authenticator) -> None:
    for steps in (-3, 3, 100):
        assert member.attempt(member.code(steps)) == "BAD_USER_INPUT"
    for wrong in ("", " ", "12345", "1234567", "x" * 500, "١٢٣٤٥٦"):
        assert member.attempt(wrong) in {"BAD_USER_INPUT", "SECOND_FACTOR_REQUIRED"}
    assert member.attempt(member.code()) is None


def test_recovery_code_is_accepted_once(member: Authenticator) -> None:
    first, second, *others = member.recovery
    assert len({first, second, *others}) == 10
    assert member.attempt(first) is None
    assert member.attempt(first) == "BAD_USER_INPUT"
    assert member.attempt(second.upper().replace("-", " ")) is None


def test_wrong_codes_are_counted_like_passwords(member: Authenticator) -> None:
    wait_for_window_with(seconds=10)
    here = {"x-forwarded-for": "203.0.113.90"}
    wrong = f"{(int(member.code()) + 1) % 1_000_000:06}"
    codes = {member.attempt(wrong if wrong not in _valid(member) else "x", **here) for _ in range(10)}
    assert codes == {"BAD_USER_INPUT"}
    assert member.attempt(member.code(), **here) == "RATE_LIMITED"


def _valid(member: Authenticator) -> set[str]:
    return {member.code(steps) for steps in (-2, -1, 0, 1, 2)}


def test_secret_and_recovery_codes_are_not_stored_in_the_clear(member: Authenticator, rows: Rows) -> None:
    kept = everything_kept(rows.workspace.server) + written_log(rows.workspace.server)
    assert member.email in kept, "or the scan finds nothing"
    for secret in (member.secret, *member.recovery):
        assert secret not in kept
        assert secret.replace("-", "") not in kept


def test_enrolment_without_confirmation_changes_nothing(rows: Rows, nobody: Visitor) -> None:
    email = rows.create_member(MemberRole.AGENT)
    session = rows.key.sign_in(email)
    refused = session.refusal(ENROL, p="not the password")
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "password")
    session.ask(ENROL, p=PASSWORD)
    assert session.refusal(CONFIRM, c="000").code == "BAD_USER_INPUT"
    assert not has_second_factor(session)
    assert nobody.ask(SIGN_IN, e=email, p=PASSWORD)["signIn"]["member"]["email"] == email


def test_second_factor_is_removed_with_password_and_code_only(member: Authenticator) -> None:
    wrong: list[dict[str, Any]] = [
        {"p": "not the password", "c": member.code()},
        {"p": PASSWORD, "c": "000"},
    ]
    for given in wrong:
        assert member.session.refusal(REMOVE, **given).code == "BAD_USER_INPUT"
    assert member.session.refusal(ENROL, p=PASSWORD).code == "CONFLICT"
    assert has_second_factor(member.session)
    assert member.session.ask(REMOVE, p=PASSWORD, c=member.code()) == {"removeSecondFactor": True}
    assert member.attempt(None) is None


def test_admin_resets_the_second_factor_of_a_member(member: Authenticator, rows: Rows) -> None:
    member_id = me(member.session)["id"]
    admin, colleague = (
        rows.key.sign_in(rows.workspace.email),
        rows.key.sign_in(rows.create_member(MemberRole.AGENT)),
    )
    foreign = rows.workspace.server.new_workspace()
    assert colleague.refusal(RESET, id=member_id).code == "FORBIDDEN"
    assert rows.key.as_one(foreign.api_key).refusal(RESET, id=member_id).code == "NOT_FOUND"
    assert admin.refusal(RESET, id=me(admin)["id"]).code == "FORBIDDEN"
    assert has_second_factor(member.session)
    assert admin.ask(RESET, id=member_id) == {"resetSecondFactor": True}
    assert not is_signed_in(member.session)
    assert member.attempt(None) is None
    log = "{ auditLog(first: 20) { nodes { action targetId actor { name } } } }"
    recorded = admin.ask(log)["auditLog"]["nodes"]
    (reset,) = [entry for entry in recorded if entry["action"] == "RESET_SECOND_FACTOR"]
    assert reset["targetId"] == member_id
    assert "CONFIRM_SECOND_FACTOR" in [entry["action"] for entry in recorded]
