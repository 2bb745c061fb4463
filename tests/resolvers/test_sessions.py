"""Sessions of members: listing them, ending them, and their end when they are not used."""

from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from rules.roles import MemberRole
from tests.support.baton_client import PASSWORD
from tests.support.callers import Rows, Visitor
from tests.support.member_cases import SIGN_IN, WHO, is_signed_in, me

SESSIONS = """query($memberId: ID) { sessions(memberId: $memberId) {
    id createdAt lastUsedAt expiresAt address userAgent current } }"""
END = "mutation($id: ID!) { endSession(id: $id) }"
END_OTHERS = "mutation { endOtherSessions }"


def sessions(caller: Visitor, member: str | None = None) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = caller.ask(SESSIONS, memberId=member)["sessions"]
    return listed


def test_sessions_of_a_member_are_listed_with_their_use(rows: Rows, nobody: Visitor) -> None:
    email = rows.create_member(MemberRole.AGENT)
    headers = {"x-forwarded-for": "198.51.100.7", "user-agent": "Browser/1.0 (Test)"}
    response = nobody.send(SIGN_IN, {"e": email, "p": PASSWORD}, **headers)
    token = response.json()["data"]["signIn"]["token"]
    member, stranger = rows.key.sign_in(email), rows.key.sign_in(rows.workspace.email)
    first, second = sorted(sessions(member), key=lambda session: str(session["createdAt"]))
    assert (first["address"], first["userAgent"]) == ("198.51.100.7", "Browser/1.0 (Test)")
    assert [first["current"], second["current"]] == [False, True]
    assert first["id"].startswith("ses_")
    assert token not in str(first)
    assert {first["id"], second["id"]}.isdisjoint(session["id"] for session in sessions(stranger))


def test_ended_session_is_refused_and_its_sockets_end(rows: Rows) -> None:
    email = rows.create_member(MemberRole.AGENT)
    this, other = rows.key.sign_in(email), rows.key.sign_in(email)
    (ended,) = (session["id"] for session in sessions(other) if session["current"])
    assert this.ask(END, id=ended) == {"endSession": True}
    assert [is_signed_in(caller) for caller in (this, other)] == [True, False]
    assert this.ask(END, id=ended) == {"endSession": False}


@pytest.mark.anyio
async def test_socket_of_an_ended_session_closes_within_5_seconds(rows: Rows) -> None:
    email = rows.create_member(MemberRole.AGENT)
    this, other = rows.key.sign_in(email), rows.key.sign_in(email)
    async with other.socket() as socket:
        await socket.subscribe("subscription { escalationCreated { cursor } }")
        assert this.ask(END_OTHERS) == {"endOtherSessions": 1}
        with pytest.raises(ConnectionClosed):
            await socket.receive(10)
    assert is_signed_in(this)


def test_ending_the_current_session_deletes_the_cookie(rows: Rows, nobody: Visitor) -> None:
    member = rows.key.sign_in(rows.create_member(MemberRole.AGENT))
    (current,) = sessions(member)
    response = member.send(END, {"id": current["id"]})
    assert "max-age=0" in response.headers["set-cookie"].lower()
    assert not is_signed_in(member)


def test_session_of_another_member_is_for_admins_of_the_team(rows: Rows) -> None:
    email = rows.create_member(MemberRole.AGENT)
    member, colleague = rows.key.sign_in(email), rows.key.sign_in(rows.create_member(MemberRole.AGENT))
    admin = rows.key.sign_in(rows.workspace.email)
    foreign_workspace = rows.workspace.server.new_workspace()
    foreign = rows.key.sign_in(foreign_workspace.email)
    member_id, (session,) = me(member)["id"], sessions(member)
    assert colleague.refusal(SESSIONS, memberId=member_id).code == "NOT_FOUND"
    assert sessions(foreign, member_id) == []
    for stranger in (colleague, foreign):
        assert stranger.ask(END, id=session["id"]) == {"endSession": False}
    assert is_signed_in(member)
    assert [item["id"] for item in sessions(admin, member_id)] == [session["id"]]
    assert admin.ask(END, id=session["id"]) == {"endSession": True}
    assert not is_signed_in(member)


def test_session_that_is_not_used_ends_after_twelve_hours(rows: Rows) -> None:
    email, server = rows.create_member(MemberRole.AGENT), rows.workspace.server
    member, of = rows.key.sign_in(email), "member_id = (SELECT id FROM members WHERE email = $1)"
    idle = "extract(epoch FROM idle_ends_at - last_used_at) / 3600"
    read = f"SELECT {idle} AS hours FROM member_sessions WHERE {of}"
    assert [round(row["hours"]) for row in server.rows(read, email)] == [12]
    earlier = f"""UPDATE member_sessions SET last_used_at = last_used_at - interval '11 hours',
        idle_ends_at = idle_ends_at - interval '11 hours' WHERE {of}"""
    for _ in range(2):
        server.execute(earlier, email)
        assert is_signed_in(member), "the use before has moved the end"
    server.execute(f"UPDATE member_sessions SET idle_ends_at = now() WHERE {of}", email)
    assert not is_signed_in(member)
    assert member.post(WHO)["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
