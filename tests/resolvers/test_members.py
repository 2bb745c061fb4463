"""Team members: invitations, roles, and leaving."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from rules.roles import MemberRole
from tests.support.baton_client import PASSWORD, Caller
from tests.support.callers import Rows, Visitor, everything_kept, new_email
from tests.support.member_cases import (
    ACCEPT,
    INVITE,
    NEW_PASSWORD,
    REMOVE,
    UPDATE,
    can_sign_in,
    cookie_of,
    is_signed_in,
    me,
    team,
)

# ---- invitations


def test_invitation_is_accepted_once(rows: Rows, nobody: Visitor) -> None:
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
    assert [can_sign_in(nobody, email, item) for item in (PASSWORD, NEW_PASSWORD)] == [True, False]
    with_password = {"email": new_email(), "name": "Paul", "role": "VIEWER", "password": PASSWORD}
    assert rows.key.ask(INVITE, input=with_password)["createMember"]["invitationToken"] is None


def test_invitation_is_valid_for_seven_days(rows: Rows, nobody: Visitor) -> None:
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


# ---- who may change whom


@pytest.mark.parametrize("role", [MemberRole.AGENT, MemberRole.VIEWER])
def test_members_change_their_own_name_and_availability_alone(rows: Rows, role: MemberRole) -> None:
    member = rows.key.sign_in(rows.create_member(role))
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


def test_change_by_an_admin_takes_effect_immediately(rows: Rows) -> None:
    admin, member = (
        rows.key.sign_in(rows.workspace.email),
        rows.key.sign_in(rows.create_member(MemberRole.VIEWER)),
    )
    own = me(member)["id"]
    invite = {"email": new_email(), "name": "Nora", "role": "VIEWER"}
    assert member.refusal(INVITE, input=invite).code == "FORBIDDEN"
    changed = admin.ask(UPDATE, id=own, name="Mo", role="ADMIN", available=True)["updateMember"]["member"]
    assert changed == {"id": own, "name": "Mo", "role": "ADMIN", "available": True}
    assert member.ask(INVITE, input=invite)
    admin.ask(UPDATE, id=own, role="VIEWER")
    assert member.refusal(INVITE, input=invite | {"email": new_email()}).code == "FORBIDDEN"


def test_address_is_on_a_team_once_in_any_case(rows: Rows) -> None:
    before = team(rows)
    given = {"email": rows.workspace.email.upper(), "name": "Nora", "role": "AGENT"}
    assert rows.key.refusal(INVITE, input=given).code == "CONFLICT"
    assert team(rows) == before


# ---- the last admin


def test_last_admin_stays(rows: Rows) -> None:
    admin = rows.key.sign_in(rows.workspace.email)
    own, before = me(admin)["id"], team(rows)
    for caller in (admin, rows.key):
        assert caller.refusal(REMOVE, id=own).code == "CONFLICT"
        assert caller.refusal(UPDATE, id=own, role="AGENT", name="Max").code == "CONFLICT"
    assert team(rows) == before
    assert is_signed_in(admin)
    second = rows.key.sign_in(rows.create_member(MemberRole.ADMIN))
    assert admin.ask(UPDATE, id=own, role="AGENT")["updateMember"]["member"]["role"] == "AGENT"
    assert second.refusal(REMOVE, id=me(second)["id"]).code == "CONFLICT", "now that one is the last"


def the_only_admins(rows: Rows) -> list[tuple[Caller, str]]:
    """Two admins, each on a connection of their own, and their ids."""
    pair = [rows.key.sign_in(rows.create_member(MemberRole.ADMIN)) for _ in range(2)]
    ids = [me(item)["id"] for item in pair]
    for item in team(rows):
        if item["role"] == "ADMIN" and item["id"] not in ids:
            rows.key.ask(REMOVE, id=item["id"])
    return [(Caller(caller.url, caller.token), id_) for caller, id_ in zip(pair, ids, strict=True)]


def turn_on_each_other(pair: list[tuple[Caller, str]], query: str, **more: str) -> list[list[str]]:
    """Run a mutation of two callers on each other concurrently, and return the error codes."""

    def turn_on(place: int) -> list[str]:
        answer = pair[place][0].post(query, {"id": pair[1 - place][1], **more})
        return [error["extensions"]["code"] for error in answer.get("errors", ())]

    with ThreadPoolExecutor(2) as pool:
        return sorted(pool.map(turn_on, range(2)))


def admins(rows: Rows) -> list[str]:
    return [item["id"] for item in team(rows) if item["role"] == "ADMIN"]


def test_admins_who_demote_each_other_concurrently_leave_one(rows: Rows) -> None:
    pair = the_only_admins(rows)
    for _ in range(5):
        # The loser was still an admin when it called, or no longer.
        assert turn_on_each_other(pair, UPDATE, role="AGENT") in ([[], ["CONFLICT"]], [[], ["FORBIDDEN"]])
        assert len(admins(rows)) == 1
        for _, id_ in pair:
            rows.key.ask(UPDATE, id=id_, role="ADMIN")


def test_admins_who_remove_each_other_concurrently_leave_one(rows: Rows) -> None:
    for _ in range(3):
        won, lost = turn_on_each_other(the_only_admins(rows), REMOVE)
        assert won == []
        assert lost in (["CONFLICT"], ["UNAUTHENTICATED"])
        assert len(admins(rows)) == 1


# ---- leaving


def test_removed_member_is_out_immediately_and_stays_the_author(rows: Rows, nobody: Visitor) -> None:
    email = rows.create_member(MemberRole.AGENT)
    member = rows.key.sign_in(email)
    own = me(member)
    member.reply(rows.escalation, "I am leaving soon.")
    assert rows.key.ask(REMOVE, id=own["id"]) == {"removeMember": True}
    assert not is_signed_in(member)
    assert not can_sign_in(nobody, email)
    assert own["id"] not in [item["id"] for item in team(rows)]
    assert rows.key.refusal(REMOVE, id=own["id"]).code == "NOT_FOUND"
    assert rows.key.refusal(UPDATE, id=own["id"], name="Max").code == "NOT_FOUND"
    said = "query($id: ID!) { conversation(id: $id) { messages(last: 1) { nodes { author { id name } } } } }"
    for caller in (rows.key, rows.key.as_one(rows.widget)):
        (message,) = caller.ask(said, id=rows.conversation)["conversation"]["messages"]["nodes"]
        assert message["author"] == {"id": own["id"], "name": own["name"]}
    given = {"email": email, "name": "Nora", "role": "VIEWER", "password": NEW_PASSWORD}
    again = rows.key.ask(INVITE, input=given)["createMember"]["member"]
    assert (again["email"], again["id"] != own["id"]) == (email, True)
    assert [can_sign_in(nobody, email, item) for item in (PASSWORD, NEW_PASSWORD)] == [False, True]
    assert not is_signed_in(member)


def test_invitation_of_a_removed_member_is_void(rows: Rows, nobody: Visitor) -> None:
    rows.key.ask(REMOVE, id=rows.member)
    refused = nobody.refusal(ACCEPT, token=rows.invited["invitationToken"], password=PASSWORD)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "token")
