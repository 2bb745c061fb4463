"""Digests: once an hour one mail to each recipient, whichever worker dies, and nothing in vain."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.support.baton_client import wait_for
from tests.support.email_samples import page_of, read, text_of
from tests.support.locks import hold
from tests.support.mail_sink import Mail, MailSink
from tests.support.notification_sinks import Row, Team
from tests.support.sla_clocks import AFTER_A_FAULT, QUICK, Clock, Process, Stage, bring

pytestmark = pytest.mark.anyio

HOURLY = {"frequency": "HOURLY_DIGEST"}
AT_ONCE = {"frequency": "IMMEDIATE"}
HOUR = timedelta(hours=1)
DIGESTS = "SELECT * FROM digests WHERE agent_id = $1 ORDER BY due_at"
TIMER_NOW = "UPDATE pgqueuer SET execute_after = now() WHERE entrypoint = 'digest' AND payload = $1"
# What a worker has in hand that has died, as if its ten seconds were over.
LEASE_OVER = """UPDATE pgqueuer SET heartbeat = heartbeat - interval '1 minute'
    WHERE entrypoint = 'digest' AND payload = $1 AND status = 'picked'"""
JOBS = "SELECT * FROM pgqueuer WHERE entrypoint = 'digest' AND payload = $1"


@dataclass(frozen=True)
class NotificationServices:
    """A server without a worker inside, workers that send mails, and where these arrive."""

    stage: Stage
    sink: MailSink

    def crew(self, number: int) -> list[Process]:
        """So many workers that run."""
        self.stage.workers = [worker for worker in self.stage.workers if worker.runs]
        while len(self.stage.workers) < number:
            name = f"digests{len(list(self.stage.data_dir.glob('digests*.log')))}"
            given = {"BATON_SMTP_URL": self.sink.url, "BATON_PUBLIC_URL": self.stage.url}
            self.stage.workers.append(Process(self.stage.data_dir, name, "worker", **given))
        for worker in self.stage.workers:
            worker.go_on()
            worker.says('"event":"(worker.ready)')
        return list(self.stage.workers)

    def mails(self, team: Team, name: str = "ann") -> list[Mail]:
        """Return a recipient's mails."""
        return [mail for mail in list(self.sink.mails) if mail.recipients == [team.address(name)]]


@pytest.fixture(scope="module")
def office() -> Iterator[NotificationServices]:
    """Three workers next to a server."""
    with tempfile.TemporaryDirectory(prefix="baton-digests-") as folder, MailSink() as sink:
        Path(folder).chmod(0o755)
        with Stage.built(Path(folder)) as stage:
            stage.serve("--no-worker")
            yield NotificationServices(stage, sink)


@pytest.fixture
def stage(office: NotificationServices) -> Stage:
    office.crew(3)
    # Nothing begins in one hour and ends in the next.
    wait_for(lambda: datetime.now(UTC).minute < 59 or datetime.now(UTC).second < 30, "the turn", 60)
    return office.stage


def digests(team: Team) -> list[Row]:
    """Return the AI agent's digests by hour, after all events have been planned."""
    team.catch_up()
    return team.server.rows(DIGESTS, team.key_of_agent)


def come(team: Team, digest: UUID) -> None:
    """Make a digest and its timer due."""
    team.server.execute("UPDATE digests SET due_at = clock_timestamp() WHERE id = $1", digest)
    team.server.execute(TIMER_NOW, digest.bytes)


def sent(team: Team, digest: UUID) -> list[Row]:
    """Return the deliveries of a due digest, one for each recipient."""

    def is_planned() -> Any:
        return team.server.rows("SELECT planned_at FROM digests WHERE id = $1", digest)[0]["planned_at"]

    wait_for(is_planned, "the digest to be planned")
    return [item for item in team.ended() if team.row(item)["digest_id"] == digest]


def now_sent(team: Team) -> list[Row]:
    """Send the AI agent's only digest immediately and return its deliveries."""
    (digest,) = digests(team)
    come(team, digest["id"])
    return sent(team, digest["id"])


def words(mail: Mail) -> str:
    """Return a mail's text in one line."""
    message = read(mail.raw)
    page = page_of(message)
    assert page.links, "escalations to open"
    return " ".join(text_of(message).split())


# ---- what an hour's mail holds


async def test_events_of_an_hour_are_one_mail_to_each_recipient(
    office: NotificationServices, stage: Stage
) -> None:
    team = Team.create(stage, "ann", "bob", email=HOURLY)
    before = stage.now
    escalations = [team.escalate(name="Jane Doe"), team.escalate(name="John Roe")]
    team.reopen(team.key.resolve(escalations[1])["id"])
    (digest,) = digests(team)
    turn = before.replace(minute=0, second=0, microsecond=0) + HOUR
    assert (digest["due_at"], digest["planned_at"]) == (turn, None)
    (job,) = stage.rows(JOBS, digest["id"].bytes)
    assert abs(job["execute_after"] - turn) < timedelta(seconds=1)
    assert team.deliveries() == []
    assert office.mails(team) == [], "not before its hour ends"

    come(team, digest["id"])
    deliveries = sent(team, digest["id"])
    assert [
        (delivery["target"], delivery["eventType"], delivery["status"], delivery["escalation"])
        for delivery in deliveries
    ] == [(team.address(name), "digest", "DELIVERED", None) for name in ("ann", "bob")]
    for name in ("ann", "bob"):
        (mail,) = office.mails(team, name)
        message = read(mail.raw)
        assert "2 escalations of An AI agent" in str(message["Subject"])
        assert message["Auto-Submitted"] == "auto-generated"
        assert page_of(message).links == [
            f"{stage.url}/app/escalations/{escalation}" for escalation in escalations
        ]
        assert ["Jane Doe" in words(mail), "John Roe" in words(mail)] == [True, True]
        assert words(mail).count("raised") >= 2
        assert "reopened" in words(mail)
    ids = {str(mail.message["Message-ID"]) for name in ("ann", "bob") for mail in office.mails(team, name)}
    assert len(ids) == 2

    # Nothing new: there is no pending digest.
    assert [item["planned_at"] is None for item in digests(team)] == [False]
    assert stage.rows(JOBS, digest["id"].bytes) == []


async def test_address_stored_in_two_forms_of_unicode_gets_one_digest(
    office: NotificationServices, stage: Stage
) -> None:
    team = Team.create(stage, "ann", email=HOURLY)
    # As an older version accepted them.
    stage.execute(
        """UPDATE agents SET settings =
            jsonb_set(settings, '{notifications,email,recipients}', to_jsonb($2::text[])) WHERE id = $1""",
        team.key_of_agent,
        [team.address(name) for name in ("jose\u0301", "jos\u00e9")],
    )
    team.escalate()
    assert [item["status"] for item in now_sent(team)] == ["DELIVERED"]


async def test_digest_names_the_time_of_its_first_event_although_that_was_planned_in_a_later_hour(
    office: NotificationServices, stage: Stage
) -> None:
    team = Team.create(stage, "ann", email=HOURLY)
    team.escalate()
    (digest,) = digests(team)
    # As after hours without a worker.
    stage.execute(
        "UPDATE digest_entries SET occurred_at = $2 WHERE digest_id = $1",
        digest["id"],
        digest["since"] - timedelta(days=1, minutes=30),
    )
    now_sent(team)
    (mail,) = office.mails(team)
    begun = digest["since"] - timedelta(days=1, minutes=30)
    assert f"from {begun.day} {begun:%B %Y}, {begun:%H:%M} UTC to " in words(mail)


async def test_event_after_a_sent_digest_is_in_the_next(office: NotificationServices, stage: Stage) -> None:
    team = Team.create(stage, "ann", email=HOURLY)
    team.escalate(name="Jane Doe")
    (first,) = digests(team)
    come(team, first["id"])
    assert [item["status"] for item in sent(team, first["id"])] == ["DELIVERED"]
    # Workers' clocks and the planner's delay: an event of this hour after this hour's digest.
    stage.execute("UPDATE digests SET due_at = $2 WHERE id = $1", first["id"], first["due_at"])
    escalation = team.escalate(name="John Roe")
    old, new = digests(team)
    assert (old["id"], new["due_at"], new["planned_at"]) == (first["id"], first["due_at"] + HOUR, None)
    come(team, new["id"])
    assert [item["status"] for item in sent(team, new["id"])] == ["DELIVERED"]
    _, second = office.mails(team)
    assert "1 escalation of" in str(second.message["Subject"])
    assert page_of(read(second.raw)).links == [f"{stage.url}/app/escalations/{escalation}"]
    assert "Jane Doe" not in words(second)


async def test_fact_that_no_longer_holds_is_omitted(office: NotificationServices, stage: Stage) -> None:
    team = Team.create(stage, "ann", email=HOURLY, sla=QUICK)
    answered, waiting = Clock.begin(team.workspace), Clock.begin(team.workspace)
    entries = "SELECT event_type FROM digest_entries WHERE digest_id = $1"

    def noted() -> bool:
        return len(stage.rows(entries, digests(team)[0]["id"])) == 4

    wait_for(noted, "both clocks at risk")
    answered.reply()
    (delivery,) = now_sent(team)
    (mail,) = office.mails(team)
    assert delivery["status"] == "DELIVERED"
    assert "2 escalations" in str(mail.message["Subject"])
    events = dict(zip(sections(mail), words(mail).split("Happened: ")[1:], strict=True))
    assert ["at risk" in events[clock.id] for clock in (answered, waiting)] == [False, True]


def sections(mail: Mail) -> list[str]:
    """Return the ids of the escalations, in the mail's order."""
    return [str(link).rpartition("/")[2] for link in page_of(read(mail.raw)).links]


async def test_digest_without_a_current_fact_is_not_sent(office: NotificationServices, stage: Stage) -> None:
    team = Team.create(stage, "ann")
    clock = Clock.begin(team.workspace)
    team.ended()
    team.told_by(email=HOURLY)
    bring([clock], "sla_at_risk_at", 0)
    wait_for(lambda: digests(team), "the clock at risk, in the digest")
    clock.reply()
    (dropped,) = now_sent(team)
    assert (dropped["status"], dropped["attempts"], dropped["nextAttemptAt"]) == ("DROPPED", [], None)
    assert "true" in dropped["note"]
    assert [str(mail.message["Subject"])[:8] for mail in office.mails(team)] == ["[MEDIUM]"], (
        "the first, at once"
    )


async def test_each_ai_agent_has_a_frequency_of_its_own(office: NotificationServices, stage: Stage) -> None:
    hourly = Team.create(stage, "ann", email=HOURLY)
    at_once = hourly.colleague(email=AT_ONCE | {"recipients": [hourly.address("ann")]})
    later, soon = hourly.escalate(name="Jane Doe"), at_once.escalate(name="John Roe")
    (delivery,) = hourly.ended()
    assert (delivery["eventType"], delivery["escalation"]["id"]) == ("escalation.created", soon)
    assert digests(at_once) == []
    assert sections(office.mails(hourly)[0]) == [soon]
    assert [item["status"] for item in now_sent(hourly)] == ["DELIVERED"]
    assert sections(office.mails(hourly)[1]) == [later]


# ---- what is changed meanwhile


async def test_switch_to_immediate_mails_keeps_the_planned_digest(
    office: NotificationServices, stage: Stage
) -> None:
    team = Team.create(stage, "ann", email=HOURLY)
    gathered = team.escalate()
    digests(team)
    team.told_by(email=AT_ONCE)
    notified = team.escalate()
    assert [item["escalation"]["id"] for item in team.ended()] == [notified]
    assert [item["status"] for item in now_sent(team)] == ["DELIVERED"]
    assert [sections(mail) for mail in office.mails(team)] == [[notified], [gathered]]


@pytest.mark.parametrize("change", [{"recipients": []}, {"enabled": False}], ids=["nobody", "switched off"])
async def test_digest_without_recipients_at_its_time_is_not_sent(
    office: NotificationServices, stage: Stage, change: Row
) -> None:
    team = Team.create(stage, "ann", email=HOURLY)
    team.escalate()
    digests(team)
    team.told_by(email=change)
    assert now_sent(team) == []
    assert team.deliveries() == []
    # Without recipients there is no digest either.
    team.escalate()
    assert len(digests(team)) == 1
    assert office.mails(team) == []


async def test_recipient_added_before_the_hour_ends_gets_the_digest(
    office: NotificationServices, stage: Stage
) -> None:
    team = Team.create(stage, "ann", email=HOURLY)
    escalation = team.escalate()
    digests(team)
    team.told_by(email={"recipients": [team.address("bob")]})
    assert [item["target"] for item in now_sent(team)] == [team.address("bob")]
    assert [sections(mail) for mail in office.mails(team, "bob")] == [[escalation]]
    assert office.mails(team, "ann") == []


# ---- faults


async def test_early_timer_sends_nothing_and_the_digest_is_sent_in_time(
    office: NotificationServices, stage: Stage
) -> None:
    team = Team.create(stage, "ann", email=HOURLY)
    escalation = team.escalate()
    (digest,) = digests(team)
    stage.execute(TIMER_NOW, digest["id"].bytes)
    wait_for(lambda: stage.rows(JOBS, digest["id"].bytes) == [], "the timer to be lost")
    assert [item["planned_at"] for item in digests(team)] == [None]
    assert team.deliveries() == []
    come(team, digest["id"])
    due = stage.rows("SELECT due_at FROM digests WHERE id = $1", digest["id"])[0]["due_at"]
    assert [item["status"] for item in sent(team, digest["id"])] == ["DELIVERED"]
    (planned,) = digests(team)
    assert planned["planned_at"] < due + AFTER_A_FAULT
    assert [sections(mail) for mail in office.mails(team)] == [[escalation]]


async def test_workers_of_which_one_is_killed_send_one_mail_to_each(
    office: NotificationServices, stage: Stage
) -> None:
    team = Team.create(stage, "ann", "bob", email=HOURLY)
    escalation = team.escalate()
    (digest,) = digests(team)
    killed, *others = stage.workers
    stage.only(killed)
    # Timer and sweep: each of them is after it, by its own way.
    stage.execute("UPDATE digests SET due_at = clock_timestamp() WHERE id = $1", digest["id"])
    async with hold(stage, "digests", digest["id"]) as lock:
        stage.execute(TIMER_NOW, digest["id"].bytes)
        await lock.has_held_up(1)
        killed.kill()
        for worker in others:
            worker.go_on()
        stage.execute(LEASE_OVER, digest["id"].bytes)
        await lock.has_held_up(3)
    deliveries = sent(team, digest["id"])
    assert [
        (delivery["target"], delivery["status"], len(delivery["attempts"])) for delivery in deliveries
    ] == [(team.address(name), "DELIVERED", 1) for name in ("ann", "bob")]
    wait_for(lambda: stage.rows(JOBS, digest["id"].bytes) == [], "the timer to be done with")
    # One at a time to each: whatever came twice would have come before these.
    team.sample("EMAIL")
    for name in ("ann", "bob"):
        digest_mail, _ = office.mails(team, name)
        assert sections(digest_mail) == [escalation]
    assert len(team.deliveries()) == 4
    for log in stage.data_dir.glob("digests*.log"):
        assert "IntegrityError" not in log.read_text(), "whoever came later has seen that it is done"
