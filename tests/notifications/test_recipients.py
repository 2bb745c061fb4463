"""Recipients get no notifications before they have confirmed their address, and samples once a minute."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from models.ids import new_id
from models.sealing import Seal
from realtime.recipients import confirmation_token
from rules.typeid import WORKSPACE, parse_id
from tests.support.baton_client import wait_for
from tests.support.email_samples import page_of, read
from tests.support.mail_sink import Mail
from tests.support.member_cases import REMOVE
from tests.support.notification_sinks import SETTINGS, Team
from tests.support.webhook_helpers import SAMPLE, Endpoint, PostOffice, end_minute, mails_to
from tests.support.webhook_receivers import Receiver

pytestmark = pytest.mark.anyio

UNCONFIRMED = """query($id: ID!) { escalationSettings(agentId: $id) { notifications { email {
    unconfirmedRecipients } } } }"""
WORDS = "the order 4711 of Jane"
A_DAY_AGO = """UPDATE delivery_targets SET confirmation_sent_at = now() - interval '25 hours'
    WHERE workspace_id = $1"""
TARGETS = "SELECT * FROM delivery_targets WHERE workspace_id = $1"


def unconfirmed(team: Team) -> list[str]:
    settings = team.key.ask(UNCONFIRMED, id=team.agent_id)["escalationSettings"]
    recipients: list[str] = settings["notifications"]["email"]["unconfirmedRecipients"]
    return recipients


def confirmations(post: PostOffice, address: str, count: int) -> list[Mail]:
    wait_for(lambda: len(mails_to(post.sink, address)) >= count, f"{count} mails to {address}")
    return mails_to(post.sink, address)


def link_in(mail: Mail) -> str:
    (link,) = [link for link in page_of(read(mail.raw)).links if link and "/confirm-recipient" in link]
    return link


async def test_new_recipient_gets_only_the_confirmation_mail_until_its_button_is_pressed(
    post: PostOffice,
) -> None:
    team = Team.create(post, "ann")
    address = team.address("ann")
    (mail,) = confirmations(post, address, 1)
    assert unconfirmed(team) == [address]
    team.escalate(WORDS)
    confirmation, dropped = team.ended()
    assert [confirmation["eventType"], confirmation["status"]] == ["confirmation", "DELIVERED"]
    assert (dropped["status"], dropped["attempts"]) == ("DROPPED", [])
    assert dropped["note"].startswith("The address has not been confirmed")
    link = link_in(mail)
    # Mail scanners follow links.
    opened = httpx.get(link)
    assert opened.status_code == 200
    assert address in opened.text
    assert unconfirmed(team) == [address]
    pressed = httpx.post(link)
    assert (pressed.status_code, unconfirmed(team)) == (200, [])
    assert "is confirmed" in httpx.get(link).text
    team.escalate(WORDS)
    assert [item["status"] for item in team.ended()] == ["DELIVERED", "DROPPED", "DELIVERED"]
    assert len(mails_to(post.sink, address)) == 2
    assert WORDS not in mail.raw.decode()


async def test_confirmation_is_requested_once_a_day_however_often_it_is_needed(post: PostOffice) -> None:
    team = Team.create(post, "bob")
    address = team.address("bob")
    confirmations(post, address, 1)
    team.told_by(email={"recipients": []})
    team.told_by(email={"recipients": [address]})
    team.escalate()
    assert [item["eventType"] for item in team.sample("EMAIL")] == ["test"]
    assert [item["eventType"] for item in team.ended() if item["status"] == "DELIVERED"] == ["confirmation"]
    key = parse_id(WORKSPACE, team.workspace.id)
    post.execute(A_DAY_AGO, key)
    end_minute(team.workspace)
    (sample,) = team.sample("EMAIL")
    assert sample["status"] == "DROPPED"
    assert len(confirmations(post, address, 2)) == 2
    team.ended()
    assert len(mails_to(post.sink, address)) == 2


async def test_addresses_of_listed_domains_and_of_members_with_password_need_no_confirmation(
    post: PostOffice,
) -> None:
    workspace = post.new_workspace()
    listed, member = "team@LISTED.example.com", workspace.email.upper()
    other = "someone@sub.listed.example.com"
    team = Team(workspace, workspace.agent_id, 0)
    team.told_by(email={"recipients": [listed, member, other]})
    assert unconfirmed(team) == [other]
    team.escalate(WORDS)
    arrived = {
        item["target"]
        for item in team.ended()
        if item["eventType"] == "escalation.created" and item["status"] == "DELIVERED"
    }
    assert arrived == {listed, member}
    # The same address in another workspace is not a member's there.
    stranger = post.new_workspace()
    elsewhere = Team(stranger, stranger.agent_id, 0)
    elsewhere.told_by(email={"recipients": [member]})
    assert unconfirmed(elsewhere) == [member]


async def test_confirmation_holds_for_its_address_and_workspace_only(post: PostOffice) -> None:
    team, other = Team.create(post, "cid"), Team.create(post, "dot")
    address = team.address("cid")
    other.told_by(email={"recipients": [address]})
    link = link_in(confirmations(post, address, 1)[0])
    wait_for(lambda: len(mails_to(post.sink, address)) == 2, "both workspaces to ask")
    links = {link_in(mail) for mail in mails_to(post.sink, address)}
    assert len(links) == 2
    httpx.post(link)
    assert sorted([unconfirmed(team), unconfirmed(other)]) == [[], [address]]


async def test_link_that_is_damaged_or_too_old_confirms_nothing(post: PostOffice) -> None:
    team = Team.create(post, "eve")
    link = link_in(confirmations(post, team.address("eve"), 1)[0])
    token = urlsplit(link).query.removeprefix("token=")
    flipped = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    for bad in ("", "x", "%00", "é", flipped, token[:-4]):
        for method in ("GET", "POST"):
            answer = httpx.request(method, f"{post.url}/confirm-recipient", params={"token": bad})
            assert (answer.status_code, "test email" in answer.text) == (404, True)
    seal = Seal((post.data_dir / "secret_key").read_text().strip())
    (target,) = post.rows(TARGETS, parse_id(WORKSPACE, team.workspace.id))
    for age, status in ((timedelta(days=6), 200), (timedelta(days=7, minutes=1), 404)):
        old = confirmation_token(seal, target["id"], datetime.now(UTC) - age)
        assert httpx.get(f"{post.url}/confirm-recipient", params={"token": old}).status_code == status
    assert httpx.post(f"{post.url}/confirm-recipient", params={"token": old}).status_code == 404
    assert unconfirmed(team) == [team.address("eve")]


async def test_page_of_confirmation_runs_no_script_and_is_kept_by_no_cache(post: PostOffice) -> None:
    workspace = post.new_workspace()
    post.execute(
        "UPDATE workspaces SET name = '<script>alert(1)</script>' WHERE id = $1",
        parse_id(WORKSPACE, workspace.id),
    )
    team = Team(workspace, workspace.agent_id, 0)
    address = f"{new_id().hex}@people.example.com"
    team.told_by(email={"recipients": [address]})
    answer = httpx.get(link_in(confirmations(post, address, 1)[0]))
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    policy = answer.headers["content-security-policy"]
    assert re.match(r"default-src 'none'; img-src 'self'; style-src 'nonce-[\w-]+';", policy)
    assert "form-action 'self'" in policy


# ---- removed members


def remove(team: Team, email: str) -> None:
    members = team.key.ask("{ members { id email } }")["members"]
    (member,) = [item["id"] for item in members if item["email"] == email]
    team.key.ask(REMOVE, id=member)


def version(team: Team) -> int:
    return int(team.key.ask(SETTINGS, id=team.agent_id)["escalationSettings"]["version"])


async def test_removed_member_gets_no_notifications_at_any_form_of_the_address(post: PostOffice) -> None:
    workspace = post.new_workspace()
    first, tag = Team(workspace, workspace.agent_id, 0), new_id().hex
    second = first.colleague("ann")
    email, other = f"Zo\u00eb-{tag}@listed.example.com", f"other-{tag}@listed.example.com"
    workspace.member(email)
    first.told_by(email={"recipients": [f"zoe\u0308-{tag}@LISTED.example.com", other]})
    before = version(first), version(second)
    with first.unplanned():
        first.escalate(WORDS)
        remove(first, email)
    assert first.notifications["email"]["recipients"] == [other]
    assert second.notifications["email"]["recipients"] == [second.address("ann")]
    assert (version(first), version(second)) == (before[0] + 1, before[1])
    first.escalate(WORDS)
    assert [item["target"] for item in first.ended() if item["eventType"] != "confirmation"] == [other, other]
    recorded = first.key.ask("{ auditLog(first: 2) { nodes { action targetId details } } }")["auditLog"]
    assert [item["action"] for item in recorded["nodes"]] == ["REMOVE_MEMBER", "UPDATE_SETTINGS"]
    assert recorded["nodes"][1]["targetId"] == first.agent_id
    assert recorded["nodes"][1]["details"] == {"changed": ["notifications.email.recipients"]}


async def test_address_that_another_member_still_has_stays_a_recipient(post: PostOffice) -> None:
    workspace = post.new_workspace()
    team, tag = Team(workspace, workspace.agent_id, 0), new_id().hex
    # Two members for the database, and one address where addresses are compared.
    removed, staying = f"\u0130-{tag}@listed.example.com", f"i\u0307-{tag}@listed.example.com"
    for email in (removed, staying):
        workspace.member(email)
    team.told_by(email={"recipients": [staying]})
    before = version(team)
    remove(team, removed)
    assert (team.notifications["email"]["recipients"], version(team)) == ([staying], before)
    remove(team, staying)
    assert (team.notifications["email"]["recipients"], version(team)) == ([], before + 1)


# ---- samples


async def test_second_sample_within_a_minute_is_refused_and_sends_nothing(post: PostOffice) -> None:
    workspace = post.new_workspace()
    with Receiver() as receiver:
        endpoint = Endpoint.create(workspace, receiver.url, agent_id=workspace.agent_id)
        endpoint.sample()
        before = post.rows(TARGETS, parse_id(WORKSPACE, workspace.id)), endpoint.deliveries
        refusal = workspace.key.refusal(SAMPLE, id=workspace.agent_id, channel="WEBHOOK")
        answer = httpx.post(
            f"{post.url}/graphql",
            json={"query": SAMPLE, "variables": {"id": workspace.agent_id, "channel": "WEBHOOK"}},
            headers={"Authorization": f"Bearer {workspace.key.token}"},
        )
        assert refusal.code == "RATE_LIMITED"
        assert 0 < int(answer.headers["retry-after"]) <= 60
        assert (post.rows(TARGETS, parse_id(WORKSPACE, workspace.id)), endpoint.deliveries) == before
        # Other targets have their own minute.
        other = Endpoint.create(workspace, f"{receiver.url}/other")
        assert [item["status"] for item in other.sample()] == ["DELIVERED"]
        end_minute(workspace)
        endpoint.sample()
        assert len(receiver.received) == 3
