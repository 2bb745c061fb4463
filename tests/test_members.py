"""Team members: signing in and out, the dashboard's cookie, invitations, roles, and leaving."""

import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from baton_client import BATON, PASSWORD, Caller, Server, Workspace, wait_for
from cases_world import Rows, Visitor, everything_kept, new_email
from websockets.typing import Origin

from rules.people import MemberRole

WHO = "{ viewer { member { id email name role available } } }"
SIGN_IN = "mutation($e: String!, $p: String!) { signIn(email: $e, password: $p) { token member { email } } }"
INVITE = """mutation($input: CreateMemberInput!) { createMember(input: $input) {
    member { id email role } invitationToken } }"""
ACCEPT = """mutation($token: String!, $password: String!) { acceptInvitation(token: $token, password: $password) {
    token member { email role } } }"""
UPDATE = """mutation($id: ID!, $name: String, $role: MemberRole, $available: Boolean) {
    updateMember(id: $id, name: $name, role: $role, available: $available) {
    member { id name role available } } }"""
CHANGE = "mutation($current: String!, $new: String!) { changePassword(current: $current, new: $new) }"
REMOVE = "mutation($id: ID!) { removeMember(id: $id) }"
NEW_PASSWORD = "a horse of another colour"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30) as opened:
        yield opened


@pytest.fixture
def rows(workspace: Workspace, client: httpx.Client) -> Rows:
    return Rows(workspace, client)


@pytest.fixture
def nobody(rows: Rows) -> Visitor:
    return rows.key.as_one(None)


def me(caller: Caller) -> dict[str, Any]:
    found: dict[str, Any] = caller.ask(WHO)["viewer"]["member"]
    return found


def team(rows: Rows) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rows.key.ask("{ members { id email name role available } }")["members"]
    return found


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


# ---- signing in


def test_a_wrong_password_and_an_unknown_address_look_the_same(rows: Rows, nobody: Visitor) -> None:
    known = rows.workspace.email
    tries = [(known, "not the password"), (new_email(), "not the password"), (new_email(), PASSWORD)]
    first, *others = (nobody.post(SIGN_IN, {"e": email, "p": password}) for email, password in tries)
    assert others == [first, first]
    assert first["data"] is None
    assert first["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert nobody.ask(SIGN_IN, e=known.upper(), p=PASSWORD)["signIn"]["member"] == {"email": known}


@pytest.mark.parametrize("same", ["address", "email"])
def test_the_eleventh_attempt_in_a_minute_is_refused(rows: Rows, nobody: Visitor, same: str) -> None:
    # An address of documentation (RFC 5737), which no other test comes from.
    headers = {"x-forwarded-for": "192.0.2.1"} if same == "address" else {}

    def attempt(password: str) -> str | None:
        email = rows.workspace.email if same == "email" else new_email()
        answer = nobody.send(SIGN_IN, {"e": email, "p": password}, **headers).json()
        return str(answer["errors"][0]["extensions"]["code"]) if "errors" in answer else None

    assert [attempt("not the password") for _ in range(10)] == ["UNAUTHENTICATED"] * 10
    assert attempt(PASSWORD) == "RATE_LIMITED"
    assert can_sign_in(nobody, rows.make_member(MemberRole.AGENT)), "others are not concerned"


def test_a_password_is_kept_by_argon2_and_a_session_by_its_hash(rows: Rows) -> None:
    email, server = rows.make_member(MemberRole.AGENT), rows.workspace.server
    token = str(rows.key.sign_in(email).token)
    assert re.fullmatch(r"baton_ss_[\w-]{43}", token)
    (kept,) = server.rows("SELECT password_hash FROM members WHERE email = $1", email)
    assert kept["password_hash"].startswith("$argon2id$")
    everything = everything_kept(server) + server.log.read_text()
    assert kept["password_hash"] in everything, "or the scan finds nothing"
    for secret in (PASSWORD, token.removeprefix("baton_ss_")):
        assert secret not in everything
        assert secret.encode().hex() not in everything


@pytest.mark.parametrize("password", ["", "seven 7", "x" * 201])
def test_a_password_has_eight_to_two_hundred_characters(rows: Rows, password: str) -> None:
    email = rows.make_member(MemberRole.AGENT)
    member, invitation = rows.key.sign_in(email), rows.invited["invitationToken"]
    given = {"email": new_email(), "name": "Nora New", "role": "AGENT", "password": password}
    before = team(rows)
    refused = [
        rows.key.refusal(INVITE, input=given),
        member.refusal(CHANGE, current=PASSWORD, new=password),
        rows.key.as_one(None).refusal(ACCEPT, token=invitation, password=password),
    ]
    assert [one.code for one in refused] == ["BAD_USER_INPUT"] * 3
    assert [one.field for one in refused] == ["input.password", "new", "password"]
    assert team(rows) == before
    assert can_sign_in(rows.key.as_one(None), email)
    assert rows.key.as_one(None).ask(ACCEPT, token=invitation, password="8 is ok!")


# ---- the dashboard's cookie


def cookie_of(response: httpx.Response) -> tuple[str, set[str]]:
    """The value of the session cookie that an answer sets, and its attributes in lower case."""
    (header,) = (one for one in response.headers.get_list("set-cookie") if one.startswith("baton_session="))
    value, *attributes = header.removeprefix("baton_session=").split(";")
    return value.strip('"'), {one.strip().lower() for one in attributes}


@pytest.fixture
def cookie(rows: Rows, nobody: Visitor) -> dict[str, str]:
    """The header by which a browser presents the admin's session."""
    response = nobody.send(SIGN_IN, {"e": rows.workspace.email, "p": PASSWORD})
    return {"cookie": f"baton_session={cookie_of(response)[0]}"}


def test_signing_in_sets_a_cookie_that_scripts_cannot_read(rows: Rows, nobody: Visitor) -> None:
    response = nobody.send(SIGN_IN, {"e": rows.workspace.email, "p": PASSWORD})
    value, attributes = cookie_of(response)
    assert value == response.json()["data"]["signIn"]["token"]
    assert {"httponly", "samesite=lax", "path=/"} <= attributes
    assert "secure" not in attributes, "plain HTTP would not get it back"
    assert not [one for one in attributes if one.startswith("domain")]
    refused = nobody.send(SIGN_IN, {"e": rows.workspace.email, "p": "not the password"})
    assert "set-cookie" not in refused.headers


@contextmanager
def served_behind(server: Server, public_url: str) -> Iterator[Server]:
    """Another process on the same database, that a proxy stands before."""
    second = Server(server.data_dir, server.owner_url, server.service_url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        second.port = free.getsockname()[1]
    given = {
        "BATON_DATA_DIR": str(server.data_dir),
        "BATON_PORT": str(second.port),
        "BATON_PUBLIC_URL": public_url,
    }
    with server.log.open("ab") as log:
        second.process = subprocess.Popen([BATON, "serve"], env=given, stdout=log, stderr=log)

    def answers() -> bool:
        try:
            return httpx.get(f"{second.url}/healthz").is_success
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, "the second process to answer")
        yield second
    finally:
        second.stop()


def test_behind_https_the_cookie_goes_over_nothing_else(server: Server, rows: Rows) -> None:
    with served_behind(server, "https://baton.example") as second:
        there = Visitor(second.url, client=rows.key.client)
        response = there.send(SIGN_IN, {"e": rows.workspace.email, "p": PASSWORD})
        value, attributes = cookie_of(response)
        assert {"secure", "httponly", "samesite=lax"} <= attributes
        cookie = f"baton_session={value}"
        found = there.send(WHO, cookie=cookie, origin="https://baton.example").json()
        assert found["data"]["viewer"]["member"]["email"] == rows.workspace.email
        answer = there.send(WHO, cookie=cookie, origin="https://evil.example").json()
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_the_cookie_is_good_for_pages_of_this_service_alone(
    rows: Rows, nobody: Visitor, cookie: dict[str, str]
) -> None:
    act = "mutation($name: String!) { createAgent(name: $name) { name } }"
    assert "errors" not in nobody.send(act, {"name": "own page"}, origin=nobody.url, **cookie).json()
    assert "errors" not in nobody.send(act, {"name": "no page"}, **cookie).json()
    before = rows.key.ask("{ agents { name } }")
    assert {"own page", "no page"} <= {one["name"] for one in before["agents"]}
    for origin in ("https://evil.example", "http://127.0.0.1:1", "http://localhost", "null"):
        answer = nobody.send(act, {"name": "evil page"}, origin=origin, **cookie).json()
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN", origin
    assert rows.key.ask("{ agents { name } }") == before


@pytest.mark.anyio
async def test_the_live_socket_takes_the_cookie_from_its_own_pages_alone(
    nobody: Visitor, cookie: dict[str, str]
) -> None:
    for origin, codes in ((nobody.url, None), (None, None), ("https://evil.example", "UNAUTHENTICATED")):
        options = {"origin": origin and Origin(origin), "additional_headers": cookie}
        async with nobody.socket(**options) as opened:
            id_ = await opened.subscribe(WHO)
            answer = await opened.receive()
            assert answer["id"] == id_
            errors = answer["payload"] if answer["type"] == "error" else answer["payload"].get("errors", [])
            assert [error["extensions"]["code"] for error in errors] == ([codes] if codes else []), origin


def test_signing_out_ends_the_session_and_deletes_the_cookie(
    rows: Rows, nobody: Visitor, cookie: dict[str, str]
) -> None:
    other = rows.key.sign_in(rows.workspace.email)
    response = nobody.send("mutation { signOut }", **cookie)
    assert response.json() == {"data": {"signOut": True}}
    value, attributes = cookie_of(response)
    assert value == ""
    assert "max-age=0" in attributes
    assert nobody.send(WHO, **cookie).json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert not is_signed_in(nobody.as_one(cookie["cookie"].partition("=")[2]))
    assert is_signed_in(other)
    # A browser that still has it can sign in all the same.
    again = nobody.send(SIGN_IN, {"e": rows.workspace.email, "p": PASSWORD}, **cookie)
    assert "errors" not in again.json()


# ---- passwords


def test_a_new_password_ends_the_other_sessions(rows: Rows, nobody: Visitor) -> None:
    email = rows.make_member(MemberRole.AGENT)
    this, other = rows.key.sign_in(email), rows.key.sign_in(email)
    stranger = rows.key.sign_in(rows.workspace.email)
    refused = this.refusal(CHANGE, current="not the password", new=NEW_PASSWORD)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "current")
    assert is_signed_in(other)
    assert not can_sign_in(nobody, email, NEW_PASSWORD)
    assert this.ask(CHANGE, current=PASSWORD, new=NEW_PASSWORD) == {"changePassword": True}
    assert [is_signed_in(one) for one in (this, other, stranger)] == [True, False, True]
    assert [can_sign_in(nobody, email, one) for one in (PASSWORD, NEW_PASSWORD)] == [False, True]


# ---- invitations


def test_an_invitation_is_good_once(rows: Rows, nobody: Visitor) -> None:
    email = new_email()
    invited = rows.key.ask(INVITE, input={"email": email, "name": "Ina", "role": "VIEWER"})["createMember"]
    token = invited["invitationToken"]
    kept = everything_kept(rows.workspace.server)
    assert token.removeprefix("baton_in_") not in kept
    assert token.encode().hex() not in kept
    assert not can_sign_in(nobody, email)
    accepted = nobody.send(ACCEPT, {"token": token, "password": PASSWORD})
    signed_in = accepted.json()["data"]["acceptInvitation"]
    assert signed_in["member"] == {"email": email, "role": "VIEWER"}
    assert me(nobody.as_one(signed_in["token"]))["email"] == email
    assert cookie_of(accepted)[0] == signed_in["token"]
    again = nobody.refusal(ACCEPT, token=token, password=NEW_PASSWORD)
    assert (again.code, again.field) == ("BAD_USER_INPUT", "token")
    assert [can_sign_in(nobody, email, one) for one in (PASSWORD, NEW_PASSWORD)] == [True, False]
    with_password = {"email": new_email(), "name": "Paul", "role": "VIEWER", "password": PASSWORD}
    assert rows.key.ask(INVITE, input=with_password)["createMember"]["invitationToken"] is None


def test_an_invitation_is_good_for_seven_days(rows: Rows, nobody: Visitor) -> None:
    server, token, email = (
        rows.workspace.server,
        rows.invited["invitationToken"],
        rows.invited["member"]["email"],
    )
    kept = "SELECT invitation_expires_at - created_at AS lasts FROM members WHERE email = $1"
    move = "UPDATE members SET invitation_expires_at = now() + $2::interval WHERE email = $1"
    assert server.rows(kept, email) == [{"lasts": timedelta(days=7)}]
    server.execute(move, email, timedelta(seconds=-1))
    refused = nobody.refusal(ACCEPT, token=token, password=PASSWORD)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "token")
    assert not can_sign_in(nobody, email)
    server.execute(move, email, timedelta(minutes=1))
    assert nobody.ask(ACCEPT, token=token, password=PASSWORD)["acceptInvitation"]["member"]["email"] == email


def test_a_session_ends_after_thirty_days(rows: Rows) -> None:
    email, server = rows.make_member(MemberRole.AGENT), rows.workspace.server
    member, of = rows.key.sign_in(email), "member_id = (SELECT id FROM members WHERE email = $1)"
    kept = f"SELECT expires_at - created_at AS lasts FROM member_sessions WHERE {of}"
    assert server.rows(kept, email) == [{"lasts": timedelta(days=30)}]
    assert is_signed_in(member)
    server.execute(f"UPDATE member_sessions SET expires_at = now() WHERE {of}", email)
    assert not is_signed_in(member)


# ---- who may change whom


@pytest.mark.parametrize("role", [MemberRole.AGENT, MemberRole.VIEWER])
def test_members_change_their_own_name_and_availability_alone(rows: Rows, role: MemberRole) -> None:
    member = rows.key.sign_in(rows.make_member(role))
    own, other = me(member), rows.member
    changed = member.ask(UPDATE, id=own["id"], name="Mo", available=True)["updateMember"]["member"]
    assert changed == {"id": own["id"], "name": "Mo", "role": role, "available": True}
    assert me(member) == own | {"name": "Mo", "available": True}
    before = team(rows)
    for given in (
        {"id": own["id"], "role": "ADMIN"},
        {"id": own["id"], "name": "Max", "role": role},
        {"id": other, "name": "Max"},
        {"id": other, "available": True},
        {"id": other, "role": "ADMIN"},
    ):
        assert member.refusal(UPDATE, **given).code == "FORBIDDEN", given
    assert team(rows) == before


def test_an_admin_changes_others_and_rights_follow_at_once(rows: Rows) -> None:
    admin, member = (
        rows.key.sign_in(rows.workspace.email),
        rows.key.sign_in(rows.make_member(MemberRole.VIEWER)),
    )
    own = me(member)["id"]
    invite = {"email": new_email(), "name": "Nora", "role": "VIEWER"}
    assert member.refusal(INVITE, input=invite).code == "FORBIDDEN"
    changed = admin.ask(UPDATE, id=own, name="Mo", role="ADMIN", available=True)["updateMember"]["member"]
    assert changed == {"id": own, "name": "Mo", "role": "ADMIN", "available": True}
    assert member.ask(INVITE, input=invite)
    admin.ask(UPDATE, id=own, role="VIEWER")
    assert member.refusal(INVITE, input=invite | {"email": new_email()}).code == "FORBIDDEN"


def test_an_address_is_on_a_team_once_whatever_its_case(rows: Rows) -> None:
    email, before = rows.make_member(MemberRole.AGENT), len(team(rows))
    given = {"email": email.upper(), "name": "Nora", "role": "ADMIN", "password": PASSWORD}
    assert rows.key.refusal(INVITE, input=given).code == "CONFLICT"
    assert len(team(rows)) == before + 1


# ---- the last admin


def test_the_last_admin_stays(rows: Rows) -> None:
    admin = rows.key.sign_in(rows.workspace.email)
    own, before = me(admin)["id"], team(rows)
    for caller in (admin, rows.key):
        assert caller.refusal(REMOVE, id=own).code == "CONFLICT"
        assert caller.refusal(UPDATE, id=own, role="AGENT", name="Max").code == "CONFLICT"
    assert team(rows) == before
    assert is_signed_in(admin)
    second = rows.key.sign_in(rows.make_member(MemberRole.ADMIN))
    assert admin.ask(UPDATE, id=own, role="AGENT")["updateMember"]["member"]["role"] == "AGENT"
    assert second.refusal(REMOVE, id=me(second)["id"]).code == "CONFLICT", "now that one is the last"


@pytest.mark.parametrize("act", ["demote", "remove"])
def test_two_admins_cannot_be_rid_of_each_other_at_once(rows: Rows, act: str) -> None:
    for _ in range(4):
        pair = [rows.key.sign_in(rows.make_member(MemberRole.ADMIN)) for _ in range(2)]
        ids = [me(one)["id"] for one in pair]
        for one in team(rows):
            if one["role"] == "ADMIN" and one["id"] not in ids:
                rows.key.ask(REMOVE, id=one["id"])

        def turn_on(place: int, pair: list[Visitor] = pair, ids: list[str] = ids) -> list[str]:
            one = Caller(pair[place].url, pair[place].token)
            given = {"id": ids[1 - place]} | ({"role": "AGENT"} if act == "demote" else {})
            answer = one.post(UPDATE if act == "demote" else REMOVE, given)
            return [error["extensions"]["code"] for error in answer.get("errors", ())]

        with ThreadPoolExecutor(2) as pool:
            won, lost = sorted(pool.map(turn_on, range(2)))
        assert won == []
        # The loser was an admin still when it asked, or by then was none, or not even on the team.
        assert lost in (["CONFLICT"], ["FORBIDDEN"], ["NOT_FOUND"], ["UNAUTHENTICATED"])
        assert len([one for one in team(rows) if one["role"] == "ADMIN"]) == 1


# ---- leaving


def test_who_is_removed_is_out_at_once_and_what_they_wrote_stays_theirs(rows: Rows, nobody: Visitor) -> None:
    email = rows.make_member(MemberRole.AGENT)
    member = rows.key.sign_in(email)
    own = me(member)
    member.reply(rows.escalation, "I am leaving soon.")
    assert rows.key.ask(REMOVE, id=own["id"]) == {"removeMember": True}
    assert not is_signed_in(member)
    assert not can_sign_in(nobody, email)
    assert own["id"] not in [one["id"] for one in team(rows)]
    assert rows.key.refusal(REMOVE, id=own["id"]).code == "NOT_FOUND"
    assert rows.key.refusal(UPDATE, id=own["id"], name="Max").code == "NOT_FOUND"
    said = "query($id: ID!) { conversation(id: $id) { messages(last: 1) { nodes { author { id name } } } } }"
    for caller in (rows.key, rows.key.as_one(rows.widget)):
        (message,) = caller.ask(said, id=rows.conversation)["conversation"]["messages"]["nodes"]
        assert message["author"] == {"id": own["id"], "name": own["name"]}
    given = {"email": email, "name": "Nora", "role": "VIEWER", "password": NEW_PASSWORD}
    again = rows.key.ask(INVITE, input=given)["createMember"]["member"]
    assert (again["email"], again["id"] != own["id"]) == (email, True)
    assert [can_sign_in(nobody, email, one) for one in (PASSWORD, NEW_PASSWORD)] == [False, True]
    assert not is_signed_in(member)


def test_the_invitation_of_who_is_removed_is_void(rows: Rows, nobody: Visitor) -> None:
    rows.key.ask(REMOVE, id=rows.member)
    refused = nobody.refusal(ACCEPT, token=rows.invited["invitationToken"], password=PASSWORD)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "token")
