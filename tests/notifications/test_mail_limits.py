"""Mails are bounded: a storm and what exceeds a limit become digests, and nothing is lost."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from rules.typeid import AGENT, WORKSPACE, parse_id
from tests.support.baton_client import wait_for
from tests.support.mail_sink import Mail
from tests.support.notification_sinks import Row, Team
from tests.support.webhook_helpers import Endpoint, PostOffice, mails_to
from tests.support.webhook_receivers import Receiver

pytestmark = pytest.mark.anyio

CREATED = "escalation.created"
SINGLE, NOTICES = 10, 14
CONFIRM = "UPDATE delivery_targets SET confirmed_at = now() WHERE workspace_id = $1"
DIGESTS = "SELECT * FROM digests WHERE agent_id = $1 ORDER BY due_at"
DUE = """WITH due AS (UPDATE digests SET due_at = clock_timestamp() WHERE id = $1)
    UPDATE pgqueuer SET execute_after = now() WHERE entrypoint = 'digest' AND payload = $2"""
# A second more than the interval: no digest gets the due time that another one still has.
INTERVAL_ENDS = """WITH counted AS (
        UPDATE mailed_notices SET since = since - interval '301 seconds' WHERE agent_id = $1)
    UPDATE digests SET since = since - interval '301 seconds', due_at = due_at - interval '301 seconds'
    WHERE agent_id = $1"""
MAILS_BEFORE = (
    "UPDATE {} SET mails = $2, mails_since = date_trunc('hour', now(), 'UTC') WHERE workspace_id = $1"
)


@pytest.fixture
def hour(post: PostOffice) -> None:
    # Nothing begins in one hour and ends in the next.
    wait_for(lambda: datetime.now(UTC).minute < 58, "the turn of the hour", 150)


def confirmed_team(post: PostOffice, *names: str, **settings: Any) -> Team:
    """Return a team whose recipients have confirmed their addresses."""
    team = Team.create(post, *names, **settings)
    team.ended()
    post.execute(CONFIRM, parse_id(WORKSPACE, team.workspace.id))
    return team


def digests(team: Team) -> list[Row]:
    team.catch_up()
    return team.server.rows(DIGESTS, parse_id(AGENT, team.agent_id))


def send(team: Team, digest: Row) -> None:
    team.server.execute(DUE, digest["id"], digest["id"].bytes)
    planned = "SELECT planned_at FROM digests WHERE id = $1"
    wait_for(lambda: team.server.rows(planned, digest["id"])[0]["planned_at"], "the digest to be planned")


def notices(post: PostOffice, team: Team, name: str = "ann") -> list[Mail]:
    """Return the mails to a recipient, without the request to confirm the address."""
    mails = mails_to(post.sink, team.address(name))
    return [mail for mail in mails if "Confirm your address" not in str(mail.message["subject"])]


def single_mails(team: Team) -> int:
    """Return the number of deliveries of one event each."""
    return [item["eventType"] for item in team.ended(channel="EMAIL")].count(CREATED)


def escalations_in(mails: list[Mail]) -> list[str]:
    return [id_ for mail in mails for id_ in dict.fromkeys(re.findall(r"esc_\w+", mail.text()))]


async def test_storm_is_ten_mails_and_one_digest_of_the_rest_with_links(post: PostOffice) -> None:
    team = confirmed_team(post, "ann")
    with Receiver() as receiver:
        endpoint = Endpoint.create(team.workspace, receiver.url, CREATED, agent_id=team.agent_id)
        ids = [team.escalate() for _ in range(NOTICES)]
        team.ended()
        assert escalations_in(notices(post, team)) == ids[:SINGLE]
        (digest,) = digests(team)
        send(team, digest)
        wait_for(lambda: len(notices(post, team)) > SINGLE, "the digest")
        mails = notices(post, team)
        assert len(mails) == SINGLE + 1
        assert sorted(escalations_in(mails[SINGLE:])) == sorted(ids[SINGLE:])
        assert "4 MEDIUM" in " ".join(mails[SINGLE].text().split())
        (shown,) = [item for item in team.deliveries(channel="EMAIL") if "digest" in item["eventType"]]
        assert (shown["eventType"], shown["target"]) == ("storm_digest", team.address("ann"))
        # Machines get each event.
        assert [item["eventType"] for item in endpoint.ended()] == [CREATED] * NOTICES
        receiver.wait_for(NOTICES)


async def test_storm_goes_on_as_one_digest_for_each_interval_until_one_is_calm(post: PostOffice) -> None:
    team = confirmed_team(post, "ann")
    agent = parse_id(AGENT, team.agent_id)
    for _ in range(SINGLE + 1):
        team.escalate()
    team.catch_up()
    post.execute(INTERVAL_ENDS, agent)
    later = [team.escalate() for _ in range(2)]
    first, second = digests(team)
    assert first["due_at"] == second["since"]
    entries = "SELECT count(*) AS number FROM digest_entries WHERE digest_id = $1"
    assert [post.rows(entries, item["id"])[0]["number"] for item in (first, second)] == [1, len(later)]
    assert single_mails(team) == SINGLE
    # That interval had two: the storm is over.
    post.execute(INTERVAL_ENDS, agent)
    team.escalate()
    assert len(digests(team)) == 2
    assert single_mails(team) == SINGLE + 1


async def test_urgent_escalation_is_mailed_singly_in_a_storm(post: PostOffice) -> None:
    team = confirmed_team(post, "ann")
    for _ in range(SINGLE + 1):
        team.escalate()
    team.catch_up()
    conversation = team.key.start(team.agent_id)["conversation"]["id"]
    urgent = team.key.escalate(conversation, "fire", priority="URGENT")["escalation"]["id"]
    team.ended()
    assert escalations_in(notices(post, team)[SINGLE:]) == [urgent]


async def test_storm_of_one_agent_leaves_mails_of_another_single(post: PostOffice) -> None:
    team = confirmed_team(post, "ann")
    other = team.colleague("bob")
    post.execute(CONFIRM, parse_id(WORKSPACE, team.workspace.id))
    for _ in range(SINGLE + 1):
        team.escalate()
    single = other.escalate()
    team.ended()
    assert escalations_in(notices(post, other, "bob")) == [single]


async def test_mails_above_the_limit_of_a_recipient_go_into_a_digest_of_that_recipient(
    post: PostOffice, hour: None
) -> None:
    team = confirmed_team(post, "ann", "bob")
    key = parse_id(WORKSPACE, team.workspace.id)
    post.execute(MAILS_BEFORE.format("delivery_targets") + " AND key LIKE 'ann@%'", key, 59)
    ids = [team.escalate() for _ in range(3)]
    team.ended()
    assert escalations_in(notices(post, team, "ann")) == ids[:1]
    assert escalations_in(notices(post, team, "bob")) == ids
    (digest,) = digests(team)
    send(team, digest)
    wait_for(lambda: len(notices(post, team, "ann")) == 2, "the digest")
    assert sorted(escalations_in(notices(post, team, "ann")[1:])) == sorted(ids[1:])
    team.ended()
    assert len(notices(post, team, "bob")) == 3
    assert [item["eventType"] for item in team.deliveries() if "digest" in item["eventType"]] == [
        "limit_digest"
    ]


async def test_mails_above_the_limit_of_a_workspace_go_into_digests(post: PostOffice, hour: None) -> None:
    team = confirmed_team(post, "ann", "bob")
    post.execute(MAILS_BEFORE.format("planned_logs"), parse_id(WORKSPACE, team.workspace.id), 999)
    escalation = team.escalate()
    team.ended()
    assert escalations_in(notices(post, team, "ann") + notices(post, team, "bob")) == [escalation]
    (digest,) = digests(team)
    send(team, digest)
    team.ended()
    assert escalations_in(notices(post, team, "ann") + notices(post, team, "bob")) == [escalation] * 2
    # The next hour has its own mails.
    post.execute(
        "UPDATE planned_logs SET mails_since = mails_since - interval '1 hour' WHERE workspace_id = $1",
        parse_id(WORKSPACE, team.workspace.id),
    )
    team.escalate()
    team.ended()
    assert len(notices(post, team, "ann")) + len(notices(post, team, "bob")) == 4
    assert len(digests(team)) == 1


async def test_storm_digest_holds_nothing_of_an_erased_customer(post: PostOffice) -> None:
    team = confirmed_team(post, "ann")
    for _ in range(SINGLE):
        team.escalate()
    marker = "Erased Customer"
    team.escalate(name=marker, externalId="erased-1", email="erased@example.com")
    other = team.escalate(name="Kept Customer")
    (digest,) = digests(team)
    team.key.ask('mutation { eraseCustomer(externalId: "erased-1") { conversations } }')
    send(team, digest)
    wait_for(lambda: len(notices(post, team)) > SINGLE, "the digest")
    mail = notices(post, team)[SINGLE]
    assert marker not in mail.text()
    assert other in mail.text()
