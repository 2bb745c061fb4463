"""When deliveries are attempted, when they have failed and who hears of it; endpoints that are given up."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import pytest

from rules.typeid import DELIVERY, parse_id
from tests.support.baton_client import Workspace, wait_for
from tests.support.locks import hold
from tests.support.webhook_helpers import (
    LATER,
    UPDATE,
    Endpoint,
    Gate,
    PostOffice,
    Row,
    begun,
    deliveries,
    hurry,
    mails_to,
    planned,
    refusing,
    retry,
    row_of,
    statuses,
)
from tests.support.webhook_receivers import Answer, Receiver

pytestmark = pytest.mark.anyio

CREATED = "escalation.created"
# Before the third and later attempts. The first is immediate, the second 5 s later.
PAUSES = [
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
]
DAY = timedelta(days=1)
TEN_ATTEMPTS = "test_delivery_fails_after_ten_attempts_and_admins_are_notified"


@pytest.fixture
def team(office: PostOffice) -> Workspace:
    return office.new_workspace()


def at(time: str) -> datetime:
    return datetime.fromisoformat(time)


def ended_at(attempt: Row) -> datetime:
    return at(attempt["attemptedAt"]) + timedelta(milliseconds=attempt["durationMs"])


def alerts(workspace: Workspace) -> list[Row]:
    """Return the alerts to admins about failing deliveries."""
    return [
        delivery for delivery in deliveries(workspace, channel="EMAIL") if delivery["eventType"] == "alert"
    ]


def last_attempt(endpoint: Endpoint, made: int = 9) -> None:
    """Set the number of attempts so far, and make the next attempt due."""
    planned(endpoint.workspace)
    endpoint.hurry(made)


# ---- the schedule


def ten_attempts(office: PostOffice) -> None:
    """Make ten failing attempts, then repair the receiver."""
    team = office.new_workspace()
    team.member("second@example.com", "ADMIN")
    team.member("agent@example.com", "AGENT")
    admins = sorted([team.email, "second@example.com"])
    # Who asks for less than the schedule gives is given what the schedule gives.
    with Receiver(Answer(503, {"retry-after": "1"}), *[Answer(500)] * 10) as receiver:
        endpoint = Endpoint.create(team, receiver.url, CREATED)
        endpoint.escalate()
        first, second = endpoint.tried(2)["attempts"]
        assert timedelta(seconds=4.5) <= at(second["attemptedAt"]) - ended_at(first) < timedelta(seconds=60)
        for made, pause in enumerate(PAUSES, 2):
            delivery = endpoint.tried(made)
            wait = at(delivery["nextAttemptAt"]) - ended_at(delivery["attempts"][-1])
            assert 0.9 * pause <= wait <= 1.1 * pause + timedelta(seconds=5)
            assert delivery["status"] == "PENDING"
            endpoint.hurry()
        (failed,) = endpoint.ended()
        assert (failed["status"], failed["nextAttemptAt"]) == ("FAILED", None)
        assert failed["note"] == "The last attempt: 500"
        assert [attempt["response"] for attempt in failed["attempts"]] == ["503"] + ["500"] * 9
        assert {item.id for item in receiver.received} == {failed["id"]}
        assert sorted(alert["target"] for alert in alerts(team)) == admins
        # Another failure on the same day sends no alert.
        endpoint.escalate()
        last_attempt(endpoint)
        assert statuses(endpoint.ended()) == ["FAILED"] * 2
        assert sorted(alert["target"] for alert in alerts(team)) == admins
        wait_for(lambda: all(mails_to(office.sink, to) for to in admins), "the admins' mails")
        for address in admins:
            (mail,) = mails_to(office.sink, address)
            assert receiver.url in mail.text()
        # A retry after the repair is sent immediately, with a new schedule.
        again = retry(team, failed)
        assert (again["status"], again["note"]) == ("PENDING", None)
        arrived, _ = endpoint.ended()
        assert (arrived["status"], arrived["attempts"][:10]) == ("DELIVERED", failed["attempts"])
        assert [item["response"] for item in arrived["attempts"][10:]] == ["204"]
        assert row_of(office, arrived)["attempts_made"] == 1


@pytest.fixture(scope="module", autouse=True)
def in_the_background(
    request: pytest.FixtureRequest, office: PostOffice
) -> Iterator[dict[str, "Future[None]"]]:
    """Ten attempts take their time: they are made while the other tests run."""
    with begun(request, {TEN_ATTEMPTS: partial(ten_attempts, office)}) as stories:
        yield stories


def test_admins_are_alerted_once_per_target_and_day_and_never_about_an_alert(
    office: PostOffice, team: Workspace
) -> None:
    team.member("third@example.com", "ADMIN")
    with refusing() as receiver, refusing() as beside:
        endpoints = [Endpoint.create(team, item.url, CREATED) for item in (receiver, beside)]
        for count, endpoint in enumerate(endpoints, 1):
            endpoint.escalate()
            endpoint.tried()
            last_attempt(endpoint)
            endpoint.ended()
            assert len(alerts(team)) == 2 * count
        wait_for(lambda: statuses(alerts(team)) == ["DELIVERED"] * 4, "the alerts to arrive")
        office.execute(
            "UPDATE delivery_targets SET alerted_on = alerted_on - 1 WHERE id = $1",
            endpoints[0].target["id"],
        )
        # The mail server takes nothing now: the next alerts fail themselves.
        office.sink.faults["MAIL"] = "451 4.3.0 later"
        try:
            endpoints[0].escalate()
            last_attempt(endpoints[0])
            endpoints[0].ended()
            wait_for(lambda: all(alert["attempts"] for alert in alerts(team)), "attempts to tell of it")
            assert statuses(alerts(team)) == ["DELIVERED"] * 4 + ["PENDING"] * 2
            hurry(office, row_of(office, alerts(team)[-1])["target_id"], 9)
            wait_for(lambda: "FAILED" in statuses(alerts(team)), "an alert to fail")
            assert len(alerts(team)) == 6
        finally:
            del office.sink.faults["MAIL"]


def test_alert_to_a_removed_admin_is_dropped(office: PostOffice, team: Workspace) -> None:
    former = "former@example.com"
    team.member(former, "ADMIN")
    with refusing() as receiver:
        endpoint = Endpoint.create(team, receiver.url, CREATED)
        # The alerts wait for the mail server.
        office.sink.faults["MAIL"] = "451 4.3.0 later"
        try:
            endpoint.escalate()
            endpoint.tried()
            last_attempt(endpoint)
            endpoint.ended()
            wait_for(lambda: all(alert["attempts"] for alert in alerts(team)), "attempts to tell of it")
        finally:
            del office.sink.faults["MAIL"]
    members = team.key.ask("{ members { id email } }")["members"]
    (member_id,) = [member["id"] for member in members if member["email"] == former]
    team.key.ask("mutation($id: ID!) { removeMember(id: $id) }", id=member_id)
    for alert in alerts(team):
        hurry(office, row_of(office, alert)["target_id"])
    wait_for(lambda: "PENDING" not in statuses(alerts(team)), "the alerts to end")
    ended = {alert["target"]: (alert["status"], alert["note"]) for alert in alerts(team)}
    assert ended == {
        team.email: ("DELIVERED", None),
        former: ("DROPPED", "The address is not that of a team member any more."),
    }
    assert mails_to(office.sink, former) == []


def test_delivery_whose_last_attempt_was_cut_off_has_failed(team: Workspace) -> None:
    with refusing() as receiver:
        endpoint = Endpoint.create(team, receiver.url, CREATED)
        endpoint.escalate()
        endpoint.tried()
        last_attempt(endpoint, 10)
        (failed,) = endpoint.ended()
    assert (failed["status"], failed["note"]) == ("FAILED", "Every attempt was used up.")
    assert len(receiver.received) == 1
    assert [alert["target"] for alert in alerts(team)] == [team.email]


WAITS = [
    # Status, what is asked for, and how long nothing is tried then: at least and at most.
    (429, "60", timedelta(minutes=1), timedelta(minutes=1)),
    (503, "in an hour", timedelta(minutes=59), timedelta(hours=1)),
    (500, "7200", timedelta(hours=2), timedelta(hours=2)),
    (429, "100000000", DAY, DAY),
]


def test_receiver_that_asks_to_wait_gets_no_attempt_until_then(team: Workspace) -> None:
    hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with ExitStack() as stack:
        endpoints = []
        for status, text, *_ in WAITS:
            answer = Answer(status, {"retry-after": hour if text == "in an hour" else text})
            receiver = stack.enter_context(Receiver(answer))
            endpoints.append(Endpoint.create(team, receiver.url, agent_id=team.agent_id))
        endpoints[0].escalate()
        for (status, _, least, most), endpoint in zip(WAITS, endpoints, strict=True):
            endpoint.when(lambda all_: len(all_) == 2 and all_[0]["attempts"], "the first attempt")
            endpoint.left()
            asks, waits = endpoint.deliveries
            (attempt,) = asks["attempts"]
            assert attempt["response"] == str(status)
            for instant in (at(asks["nextAttemptAt"]), endpoint.target["paused_until"]):
                assert least <= instant - ended_at(attempt) <= most + timedelta(seconds=5)
            # Other pending deliveries do not change either.
            assert waits["attempts"] == []
            assert min(job["execute_after"] for job in endpoint.jobs) >= endpoint.target["paused_until"]
            endpoint.hurry()
        for endpoint in endpoints:
            assert statuses(endpoint.ended()) == ["DELIVERED"] * 2


# ---- endpoints that are given up


def test_endpoint_that_answers_gone_is_switched_off(office: PostOffice, team: Workspace) -> None:
    with Receiver(Answer(410)) as receiver:
        endpoint = Endpoint.create(team, receiver.url)
        endpoint.escalate()
        endpoint.when(lambda all_: "FAILED" in statuses(all_), "the first to fail")
        planned(team)
        endpoint.hurry()
        failed, dropped = endpoint.ended()
        assert (failed["status"], failed["note"]) == ("FAILED", "The endpoint answered 410: it is gone.")
        assert [attempt["response"] for attempt in failed["attempts"]] == ["410"]
        assert (dropped["status"], dropped["attempts"]) == ("DROPPED", [])
        assert dropped["note"] == "The endpoint is switched off. Switch it on, then retry."
        assert endpoint.shown is not None
        assert endpoint.shown["enabled"] is False
        assert endpoint.shown["disabledReason"] == "It answered 410 Gone."
        wait_for(lambda: mails_to(office.sink, team.email), "the admin's mail")
        (mail,) = mails_to(office.sink, team.email)
        assert receiver.url in mail.text()
        assert "410" in mail.text()
        # What happens meanwhile is not for it. Once it is back, it is sent what was meant for it.
        endpoint.escalate()
        planned(team)
        endpoint.update(enabled=True)
        for item in (failed, dropped):
            assert retry(team, item)["status"] == "PENDING"
        assert statuses(endpoint.ended()) == ["DELIVERED"] * 2
        endpoint.escalate()
        assert statuses(endpoint.ended()) == ["DELIVERED"] * 4


def test_endpoint_that_failed_for_five_days_is_switched_off(office: PostOffice, team: Workspace) -> None:
    with Receiver(Answer(500, LATER), Answer(), *[Answer(500, LATER)] * 3) as receiver:
        endpoint = Endpoint.create(team, receiver.url, CREATED)
        endpoint.escalate()
        endpoint.tried()
        failing_for(endpoint, days=6)
        endpoint.hurry()
        # A success ends it: the five days start again.
        assert statuses(endpoint.ended()) == ["DELIVERED"]
        assert endpoint.target["failing_since"] is None
        endpoint.escalate()
        attempted(endpoint, 1)
        failing_for(endpoint, days=4, hours=23, minutes=59)
        endpoint.hurry()
        attempted(endpoint, 2)
        assert endpoint.row["enabled"]
        failing_for(endpoint, days=5)
        endpoint.hurry()
        attempted(endpoint, 3)
        assert endpoint.shown is not None
        assert endpoint.shown["enabled"] is False
        assert endpoint.shown["disabledReason"] == "Every attempt of five days failed."
        assert [alert["target"] for alert in alerts(team)] == [team.email]
        endpoint.hurry()
        assert statuses(endpoint.ended()) == ["DELIVERED", "DROPPED"]
        endpoint.update(enabled=True)
        assert (endpoint.target["failures"], endpoint.target["failing_since"]) == (0, None)
        endpoint.escalate()
        assert statuses(endpoint.ended())[2:] == ["DELIVERED"]


def failing_for(endpoint: Endpoint, **time: float) -> None:
    endpoint.server.execute(
        "UPDATE delivery_targets SET failing_since = now() - $2::interval WHERE endpoint_id = $1",
        endpoint.key,
        timedelta(**time),
    )


def attempted(endpoint: Endpoint, number: int) -> None:
    """Wait until the newest delivery has this number of recorded attempts."""
    endpoint.when(lambda all_: len(all_[-1]["attempts"]) == number, f"{number} attempts")
    endpoint.left()


def test_waiting_delivery_is_sent_after_its_endpoint_is_switched_on(team: Workspace) -> None:
    with Receiver(Answer(503, LATER)) as receiver:
        endpoint = Endpoint.create(team, receiver.url)
        endpoint.escalate()
        endpoint.when(lambda all_: len(all_) == 2 and all_[0]["attempts"], "the first attempt")
        endpoint.update(enabled=True)
        endpoint.when(lambda all_: all_[1]["status"] == "DELIVERED", "the one that waits for nothing else", 8)
        assert len(receiver.received) == 2


async def test_endpoint_switched_on_during_an_attempt_that_answers_gone_stays_on(
    office: PostOffice, team: Workspace
) -> None:
    gate = Gate(Answer(410))
    with Receiver(gate) as receiver:
        endpoint = Endpoint.create(team, receiver.url, CREATED)
        endpoint.escalate()
        receiver.wait_for(1)
        (delivery,) = endpoint.deliveries
        async with hold(office, "deliveries", parse_id(DELIVERY, delivery["id"])) as lock:
            gate.open.set()
            await lock.queued(1)
            changes = {"id": endpoint.id, "enabled": True}
            (changed,) = await lock.in_order(lambda: team.key.post(UPDATE, changes))
        assert "errors" not in await changed
        (failed,) = endpoint.ended()
        assert failed["status"] == "FAILED"
        assert endpoint.shown is not None
        assert endpoint.shown["enabled"] is (endpoint.shown["disabledReason"] is None)


# ---- what was begun first of all


def test_delivery_fails_after_ten_attempts_and_admins_are_notified(
    in_the_background: dict[str, "Future[None]"],
) -> None:
    in_the_background[TEN_ATTEMPTS].result()
