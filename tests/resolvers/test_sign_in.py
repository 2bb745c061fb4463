"""Signing in and out: attempts, passwords, sessions and the dashboard's cookie."""

import re
import socket
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from argon2 import PasswordHasher
from websockets.typing import Origin

from resolvers.passwords import salt_of
from rules.roles import MemberRole
from rules.typeid import WORKSPACE, parse_id
from tests.support.baton_client import PASSWORD, Server, wait_for
from tests.support.baton_process import BatonProcess
from tests.support.callers import Rows, Visitor, everything_kept, new_email
from tests.support.member_cases import (
    ACCEPT,
    CHANGE,
    INVITE,
    NEW_PASSWORD,
    SIGN_IN,
    WHO,
    can_sign_in,
    code_of,
    cookie_of,
    is_signed_in,
    set_failures,
    team,
)
from tests.support.server_log import written_log
from tests.support.windows import wait_for_window_with

# ---- signing in


def test_wrong_password_and_unknown_address_look_the_same(rows: Rows, nobody: Visitor) -> None:
    email = rows.workspace.email
    tries = [(email, "not the password"), (new_email(), "not the password"), (new_email(), PASSWORD)]
    first, *others = (nobody.post(SIGN_IN, {"e": email, "p": password}) for email, password in tries)
    assert others == [first, first]
    assert first["data"] == {"signIn": None}
    assert first["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert nobody.ask(SIGN_IN, e=email.upper(), p=PASSWORD)["signIn"]["member"] == {"email": email}


def test_email_and_password_are_accepted_in_either_composition(rows: Rows, nobody: Visitor) -> None:
    email, password = "josé.perez@example.com", "contraseña número uno"
    invite = "mutation($i: CreateMemberInput!) { createMember(input: $i) { member { id } } }"
    given = {
        "email": unicodedata.normalize("NFD", email),
        "password": unicodedata.normalize("NFC", password),
        "name": "José",
        "role": "AGENT",
    }
    rows.key.ask(invite, i=given)
    for composition in ("NFC", "NFD"):
        spelled = {"e": unicodedata.normalize(composition, email).upper()}
        spelled["p"] = unicodedata.normalize("NFD" if composition == "NFC" else "NFC", password)
        assert nobody.ask(SIGN_IN, **spelled)["signIn"]["member"] == {"email": given["email"]}
        wrong = nobody.refusal(SIGN_IN, e=spelled["e"], p=password.upper())
        assert wrong.code == "UNAUTHENTICATED"


def test_attempts_of_one_address_lock_the_email_there_only(rows: Rows, nobody: Visitor) -> None:
    wait_for_window_with(seconds=20)
    # Addresses of documentation (RFC 5737), which no other test comes from.
    here, there = ({"x-forwarded-for": f"192.0.2.{n}"} for n in (1, 2))
    member, another = rows.workspace.email, rows.create_member(MemberRole.AGENT)

    def attempt(email: str, password: str, address: dict[str, str]) -> str | None:
        return code_of(nobody.send(SIGN_IN, {"e": email, "p": password}, **address))

    assert [attempt(member, "not the password", here) for _ in range(10)] == ["UNAUTHENTICATED"] * 10
    # The right password too: guessing would only be slower else.
    assert [attempt(member, PASSWORD, item) for item in (here, there)] == ["RATE_LIMITED", None]
    assert attempt(another, PASSWORD, here) is None
    assert [attempt(member, PASSWORD, here) for _ in range(100 - 12)] == ["RATE_LIMITED"] * 88
    assert [attempt(another, PASSWORD, item) for item in (here, there)] == ["RATE_LIMITED", None]


def test_right_password_is_never_counted(rows: Rows, nobody: Visitor) -> None:
    wait_for_window_with(seconds=10)
    email, here = rows.create_member(MemberRole.AGENT), {"x-forwarded-for": "192.0.2.3"}

    def attempt(password: str) -> str | None:
        return code_of(nobody.send(SIGN_IN, {"e": email, "p": password}, **here))

    assert [attempt(PASSWORD) for _ in range(12)] == [None] * 12
    assert {attempt("not the password") for _ in range(10)} == {"UNAUTHENTICATED"}
    assert attempt(PASSWORD) == "RATE_LIMITED"


def test_password_selects_among_namesakes_on_several_teams(server: Server) -> None:
    teams = [server.new_workspace(email="ada@example.org", password=f"the password of {n}") for n in range(7)]
    for n in (0, 6):
        signed_in = teams[n].sign_in(password=f"the password of {n}")
        assert signed_in.ask("{ viewer { workspace { id } } }")["viewer"]["workspace"]["id"] == teams[n].id


def test_sign_in_of_a_namesake_forgives_no_attempts_of_the_member(rows: Rows, nobody: Visitor) -> None:
    server, email = rows.workspace.server, rows.create_member(MemberRole.AGENT)
    foreign = server.new_workspace(email=email, password="a password of another team")

    def attempt(password: str) -> str | None:
        return code_of(nobody.send(SIGN_IN, {"e": email, "p": password}))

    assert attempt("not the password") == "UNAUTHENTICATED"
    set_failures(rows.workspace, email, 48)
    assert attempt("not the password") == "UNAUTHENTICATED"
    assert attempt("a password of another team") is None
    # The member of the other team may try again; the member here has failed fifty times.
    assert [attempt("not the password") for _ in range(2)] == ["RATE_LIMITED"] * 2
    assert attempt(PASSWORD) == "RATE_LIMITED"
    assert attempt("a password of another team") is None
    assert foreign.email == email


def test_failures_of_an_email_from_one_address_are_not_forgiven(rows: Rows, nobody: Visitor) -> None:
    wait_for_window_with(seconds=10)
    email, here = rows.create_member(MemberRole.AGENT), {"x-forwarded-for": "192.0.2.77"}

    def attempt(password: str, **address: str) -> str | None:
        return code_of(nobody.send(SIGN_IN, {"e": email, "p": password}, **address))

    assert [attempt("not the password", **here) for _ in range(9)] == ["UNAUTHENTICATED"] * 9
    assert attempt(PASSWORD, **here) is None
    assert attempt("not the password", **here) == "UNAUTHENTICATED"
    assert attempt(PASSWORD, **here) == "RATE_LIMITED"
    assert attempt(PASSWORD) is None


def test_passwords_of_namesakes_have_one_salt_however_they_were_set(rows: Rows, nobody: Visitor) -> None:
    server, email = rows.workspace.server, rows.invited["member"]["email"]
    server.new_workspace(email=email, password="a password of another team")
    nobody.ask(ACCEPT, token=rows.invited["invitationToken"], password=PASSWORD)
    third = server.new_workspace(email=new_email())
    given = {"email": email.upper(), "name": "Nora New", "role": "AGENT", "password": "a third password"}
    third.key.ask(INVITE, input=given)
    member = rows.key.sign_in(email)
    member.ask(CHANGE, current=PASSWORD, new=NEW_PASSWORD)
    stored = server.rows("SELECT password_hash FROM members WHERE lower(email) = $1", email)
    assert len({row["password_hash"] for row in stored}) == 3
    assert len({salt_of(row["password_hash"]) for row in stored}) == 1
    for password in (NEW_PASSWORD, "a third password", "a password of another team"):
        assert can_sign_in(nobody, email, password)


def test_sign_in_stores_a_password_of_another_salt_with_the_shared_one(rows: Rows, nobody: Visitor) -> None:
    server, email = rows.workspace.server, rows.create_member(MemberRole.AGENT)
    server.new_workspace(email=email, password="a password of another team")
    of_the_other = "UPDATE members SET password_hash = $1 WHERE lower(email) = $2 AND workspace_id <> $3"
    foreign = PasswordHasher().hash("a password of another team")
    server.execute(of_the_other, foreign, email, parse_id(WORKSPACE, rows.workspace.id))
    query = "SELECT password_hash FROM members WHERE lower(email) = $1 ORDER BY created_at"
    assert len({salt_of(row["password_hash"]) for row in server.rows(query, email)}) == 2
    assert can_sign_in(nobody, email, "a password of another team")
    assert len({salt_of(row["password_hash"]) for row in server.rows(query, email)}) == 1
    assert can_sign_in(nobody, email, "a password of another team")
    assert can_sign_in(nobody, email)


def test_password_is_stored_by_argon2_and_a_session_by_its_hash(rows: Rows) -> None:
    email, server = rows.create_member(MemberRole.AGENT), rows.workspace.server
    token = str(rows.key.sign_in(email).token)
    assert re.fullmatch(r"baton_ss_[\w-]{43}", token)
    (kept,) = server.rows("SELECT password_hash FROM members WHERE email = $1", email)
    assert kept["password_hash"].startswith("$argon2id$")
    everything = everything_kept(server) + written_log(server)
    assert kept["password_hash"] in everything, "or the scan finds nothing"
    for secret in (PASSWORD, token.removeprefix("baton_ss_")):
        assert secret not in everything
        assert secret.encode().hex() not in everything


def test_password_has_eight_to_two_hundred_characters(rows: Rows, nobody: Visitor) -> None:
    email = rows.create_member(MemberRole.AGENT)
    member, invitation = rows.key.sign_in(email), rows.invited["invitationToken"]
    before = team(rows)
    for password in ("", "seven 7", "x" * 201):
        given = {"email": new_email(), "name": "Nora New", "role": "AGENT", "password": password}
        refused = [
            rows.key.refusal(INVITE, input=given),
            member.refusal(CHANGE, current=PASSWORD, new=password),
            nobody.refusal(ACCEPT, token=invitation, password=password),
        ]
        assert [item.code for item in refused] == ["BAD_USER_INPUT"] * 3
        assert [item.field for item in refused] == ["input.password", "new", "password"]
    assert team(rows) == before
    assert can_sign_in(nobody, email)
    assert nobody.ask(ACCEPT, token=invitation, password="8 is ok!")


# ---- the dashboard's cookie


@pytest.fixture
def cookie(rows: Rows, nobody: Visitor) -> str:
    """The header by which a browser presents the admin's session."""
    response = nobody.send(SIGN_IN, {"e": rows.workspace.email, "p": PASSWORD})
    return f"baton_session={cookie_of(response)[0]}"


def test_signing_in_sets_a_cookie_that_scripts_cannot_read(rows: Rows, nobody: Visitor) -> None:
    response = nobody.send(SIGN_IN, {"e": rows.workspace.email, "p": PASSWORD})
    value, attributes = cookie_of(response)
    assert value == response.json()["data"]["signIn"]["token"]
    assert {"httponly", "samesite=lax", "path=/"} <= attributes
    assert "secure" not in attributes, "plain HTTP would not get it back"
    assert not [attribute for attribute in attributes if attribute.startswith("domain")]
    refused = nobody.send(SIGN_IN, {"e": rows.workspace.email, "p": "not the password"})
    assert "set-cookie" not in refused.headers


@contextmanager
def served_behind(server: Server, public_url: str) -> Iterator[Server]:
    """Another process on the same database, that a proxy stands before."""
    second = Server(server.data_dir, server.owner_url, server.service_url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        second.port = free.getsockname()[1]
    given = {
        "DATA_DIR": str(server.data_dir),
        "PORT": str(second.port),
        "PUBLIC_URL": public_url,
        "HOSTS": "127.0.0.1",
    }
    environment = {f"BATON_{name}": value for name, value in given.items()}
    with server.log.open("ab") as log:
        second.process = BatonProcess("serve", environment=environment, output=log)

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


def test_cookie_of_an_https_service_is_sent_over_https_only(server: Server, rows: Rows) -> None:
    with served_behind(server, "https://baton.example") as second:
        there = Visitor(second.url, client=rows.key.client)
        response = there.send(SIGN_IN, {"e": rows.workspace.email, "p": PASSWORD})
        value, attributes = cookie_of(response, "__Host-baton_session")
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes
        assert {"secure", "httponly"} <= cookie_of(response, "__Host-baton_device")[1]
        plain = there.send(WHO, cookie=f"baton_session={value}", origin="https://baton.example").json()
        assert plain["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        cookie = f"__Host-baton_session={value}"
        result = there.send(WHO, cookie=cookie, origin="https://baton.example").json()
        assert result["data"]["viewer"]["member"]["email"] == rows.workspace.email
        answer = there.send(WHO, cookie=cookie, origin="https://evil.example").json()
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_cookie_is_accepted_from_own_pages_only(rows: Rows, nobody: Visitor, cookie: str) -> None:
    act = "mutation($name: String!) { createAgent(name: $name) { name } }"
    assert "errors" not in nobody.send(act, {"name": "own page"}, origin=nobody.url, cookie=cookie).json()
    before = rows.key.ask("{ agents { name } }")
    assert "own page" in {agent["name"] for agent in before["agents"]}
    secure_page = nobody.url.replace("http", "https")
    for origin in ("https://evil.example", "http://127.0.0.1:1", "http://localhost", "null", secure_page):
        answer = nobody.send(act, {"name": "evil page"}, origin=origin, cookie=cookie).json()
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN", origin
    answer = nobody.send(act, {"name": "no page"}, cookie=cookie).json()
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert rows.key.ask("{ agents { name } }") == before


@pytest.mark.anyio
async def test_live_socket_accepts_the_cookie_from_own_pages_only(nobody: Visitor, cookie: str) -> None:
    for origin, codes in (
        (nobody.url, None),
        (None, "UNAUTHENTICATED"),
        ("https://evil.example", "UNAUTHENTICATED"),
    ):
        options = {"origin": origin and Origin(origin), "additional_headers": {"cookie": cookie}}
        async with nobody.socket(**options) as opened:
            id_ = await opened.subscribe(WHO)
            answer = await opened.receive()
            assert answer["id"] == id_
            errors = answer["payload"] if answer["type"] == "error" else answer["payload"].get("errors", [])
            assert [error["extensions"]["code"] for error in errors] == ([codes] if codes else []), origin


def test_signing_out_ends_the_session_and_deletes_the_cookie(
    rows: Rows, nobody: Visitor, cookie: str
) -> None:
    other = rows.key.sign_in(rows.workspace.email)
    response = nobody.send("mutation { signOut }", cookie=cookie, origin=nobody.url)
    assert response.json()["data"] == {"signOut": True}
    value, attributes = cookie_of(response)
    assert value == ""
    assert "max-age=0" in attributes
    who = nobody.send(WHO, cookie=cookie, origin=nobody.url).json()
    assert who["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert not is_signed_in(nobody.as_one(cookie.partition("=")[2]))
    assert is_signed_in(other)
    # A browser that still has it can sign in all the same.
    again = nobody.send(SIGN_IN, {"e": rows.workspace.email, "p": PASSWORD}, cookie=cookie, origin=nobody.url)
    assert "errors" not in again.json()


# ---- passwords


def test_new_password_ends_the_other_sessions(rows: Rows, nobody: Visitor) -> None:
    email = rows.create_member(MemberRole.AGENT)
    this, other = rows.key.sign_in(email), rows.key.sign_in(email)
    stranger = rows.key.sign_in(rows.workspace.email)
    refused = this.refusal(CHANGE, current="not the password", new=NEW_PASSWORD)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "current")
    assert is_signed_in(other)
    assert not can_sign_in(nobody, email, NEW_PASSWORD)
    assert this.ask(CHANGE, current=PASSWORD, new=NEW_PASSWORD) == {"changePassword": True}
    assert [is_signed_in(item) for item in (this, other, stranger)] == [True, False, True]
    assert [can_sign_in(nobody, email, item) for item in (PASSWORD, NEW_PASSWORD)] == [False, True]


def test_session_ends_after_thirty_days(rows: Rows) -> None:
    email, server = rows.create_member(MemberRole.AGENT), rows.workspace.server
    member, of = rows.key.sign_in(email), "member_id = (SELECT id FROM members WHERE email = $1)"
    kept = f"SELECT expires_at - created_at AS lasts FROM member_sessions WHERE {of}"
    assert server.rows(kept, email) == [{"lasts": timedelta(days=30)}]
    assert is_signed_in(member)
    server.execute(f"UPDATE member_sessions SET expires_at = now() WHERE {of}", email)
    assert not is_signed_in(member)
