"""Deliveries when receivers, workers, the planner or the database fail: each arrives, and disturbs no one."""

import os
import secrets
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta

import asyncpg
import httpx
import pytest

from notifications.attempts import CONCURRENT
from realtime.delivery_queue import LOST_AFTER
from rules.typeid import WORKSPACE, parse_id
from server.embedded.location import cluster_location
from tests.support.baton_client import Refused, Server, Workspace, wait_for
from tests.support.sla_clocks import IN_TIME, QUICK, Clock
from tests.support.webhook_helpers import (
    Endpoint,
    Gate,
    PostOffice,
    begun,
    is_wanted,
    planned,
    row_of,
    statuses,
)
from tests.support.webhook_receivers import Answer, Hostile, Receiver, drip, hang

CREATED = "escalation.created"
# Seconds: much less than what a receiver that hangs may take, and more than a busy machine needs.
SOON = 8


@pytest.fixture
def team(office: PostOffice) -> Workspace:
    return office.new_workspace()


# ---- slow stories start first, and run during the other tests


def cut_off(office: PostOffice, endpoint: Endpoint, receiver: Receiver, gate: Gate) -> None:
    """Kill a worker after the receiver has the request and before the outcome is recorded."""
    worker = office.hire()
    others = [item for item in office.workers if item is not worker]
    for other in others:
        other.pause()
    escalation = endpoint.escalate()
    receiver.wait_for(1)
    worker.kill()
    for other in others:
        other.go_on()
    gate.open.set()
    # The conversation goes on meanwhile: what is sent again is what was sent.
    endpoint.workspace.key.reply(escalation, authorEmail=endpoint.workspace.email)


def while_nothing_runs() -> None:
    """First without a worker, then with one that has another key."""
    with PostOffice.opened() as office, Receiver() as receiver:
        office.serve("--no-worker")
        team = office.new_workspace()
        endpoint = Endpoint.create(team, receiver.url, CREATED)
        endpoint.escalate()
        office.stop(signal.SIGKILL)
        assert office.rows("SELECT id FROM deliveries") == []
        stranger = office.hire(BATON_SECRET_KEY=secrets.token_hex(32))
        attempts = "SELECT succeeded, response FROM delivery_attempts"
        wait_for(lambda: [row for row in office.rows(attempts) if row["response"]], "an attempt")
        assert (stranger.runs, receiver.received) == (True, [])
        office.dismiss()
        office.serve()
        endpoint.escalate()
        planned(team)
        endpoint.hurry()
        ended = endpoint.ended()
        assert statuses(ended) == ["DELIVERED"] * 2
        assert sorted(item.id for item in receiver.received) == sorted(item["id"] for item in ended)
        without_key, *_ = ended[0]["attempts"]
        assert without_key["succeeded"] is False
        assert "sealed with another BATON_SECRET_KEY" in without_key["response"]


def while_postgresql_crashes() -> None:
    """One in hand, others on their way, and acts that go on; what was committed arrives."""
    gate = Gate()
    with PostOffice.opened() as office, Receiver() as receiver, Receiver(gate) as slow:
        office.serve()
        office.hire()
        team = office.new_workspace()
        quick = Endpoint.create(team, receiver.url, CREATED, agent_id=team.agent_id)
        in_hand = Endpoint.create(team, slow.url, CREATED, agent_id=team.agent_id)
        with ThreadPoolExecutor(1) as pool:
            going_on = pool.submit(escalate_often, quick, 30)
            slow.wait_for(1)
            receiver.wait_for(5)
            crash(office)
            gate.open.set()
            going_on.result()
        wait_for(lambda: answers(office), "PostgreSQL to be back")
        planned(team)
        committed = office.rows(
            "SELECT position FROM log WHERE stream = $1 AND type = $2 ORDER BY position",
            parse_id(WORKSPACE, team.id),
            CREATED,
        )
        assert len(committed) >= 5
        for endpoint, came in ((quick, receiver), (in_hand, slow)):
            ended = endpoint.ended(60)
            assert statuses(ended) == ["DELIVERED"] * len(committed)
            assert {item.id for item in came.received} == {item["id"] for item in ended}
            assert [row_of(office, item)["position"] for item in ended] == [
                item["position"] for item in committed
            ]


def escalate_often(endpoint: Endpoint, number: int) -> None:
    """Escalate `number` times, and wait for the database after a refusal."""
    for _ in range(number):
        try:
            endpoint.escalate()
        except (Refused, httpx.HTTPError, KeyError):
            wait_for(lambda: answers(endpoint.server), "PostgreSQL to be back")


def crash(office: PostOffice) -> None:
    """Stop PostgreSQL like `pg_ctl stop -m immediate`; its users start it again."""
    place = cluster_location(office.data_dir)
    os.kill(int((place.cluster / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)


def answers(server: Server) -> bool:
    try:
        return bool(server.rows("SELECT true"))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


@pytest.fixture(scope="module", autouse=True)
def stories(request: pytest.FixtureRequest) -> Iterator[dict[str, "Future[None]"]]:
    with begun(
        request,
        {
            test_event_without_a_running_worker_is_delivered_later.__name__: while_nothing_runs,
            test_event_during_a_postgresql_crash_is_delivered_after_recovery.__name__: (
                while_postgresql_crashes
            ),
        },
    ) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def killed(request: pytest.FixtureRequest, office: PostOffice) -> Iterator[tuple[Endpoint, Receiver]]:
    gate = Gate()
    with Receiver(gate) as receiver:
        endpoint = Endpoint.create(office.new_workspace(), receiver.url, CREATED)
        if is_wanted(request, test_delivery_of_a_killed_worker_is_sent_again_unchanged.__name__):
            cut_off(office, endpoint, receiver, gate)
        yield endpoint, receiver


# ---- one does not disturb another


def test_target_is_attempted_by_one_worker_while_others_are_served(
    team: Workspace,
) -> None:
    gate = Gate(pause=0.05)
    with Receiver(*[gate] * 30) as receiver, Receiver() as beside:
        slow = Endpoint.create(team, receiver.url, CREATED, agent_id=team.agent_id)
        quick = Endpoint.create(team, beside.url, CREATED, agent_id=team.agent_id)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: slow.escalate(), range(30)))
        beside.wait_for(30)
        assert statuses(quick.ended()) == ["DELIVERED"] * 30
        assert len(receiver.received) <= CONCURRENT
        gate.open.set()
        assert statuses(slow.ended()) == ["DELIVERED"] * 30
        assert gate.most <= CONCURRENT
        assert len(receiver.received) == 30


def test_failing_target_has_one_job_for_any_number_of_events(team: Workspace) -> None:
    gate = Gate(Answer(500))
    with Receiver(gate) as receiver:
        endpoint = Endpoint.create(team, receiver.url, CREATED)
        endpoint.escalate()
        receiver.wait_for(1)
        for _ in range(6):
            endpoint.escalate()
            planned(team)
        gate.open.set()
        endpoint.when(lambda all_: all_[0]["attempts"], "the attempt to fail")
        endpoint.left()
        for _ in range(6):
            endpoint.escalate()
            planned(team)
        # The next attempt's, and one at most that was written while the target was in hand.
        assert len(endpoint.jobs) <= 2


def test_late_job_gets_no_other_before_it_counts_as_lost(team: Workspace) -> None:
    late = """UPDATE delivery_targets SET next_job_at = now() - $2::interval
        WHERE endpoint_id = $1"""
    with Receiver() as receiver, Receiver() as beside:
        endpoint = Endpoint.create(team, receiver.url, CREATED)
        other = Endpoint.create(team, beside.url, CREATED)
        endpoint.escalate()
        endpoint.ended()
        endpoint.left()
        team.server.execute(late, endpoint.key, timedelta(seconds=1))
        endpoint.escalate()
        planned(team)
        # A job for it would be done before one that is written later.
        other.escalate()
        other.ended()
        assert statuses(endpoint.deliveries) == ["DELIVERED", "PENDING"]
        team.server.execute(late, endpoint.key, LOST_AFTER + timedelta(seconds=1))
        endpoint.escalate()
        assert statuses(endpoint.ended()) == ["DELIVERED"] * 3


def test_hanging_dripping_and_dead_receivers_delay_nobody_else(office: PostOffice, team: Workspace) -> None:
    other = office.new_workspace()
    with ExitStack() as stack:
        bad = [stack.enter_context(Hostile(hang)) for _ in range(7)]
        bad.append(stack.enter_context(Hostile(drip(b"HTTP/1.1 200 OK\r\nx: "))))
        refuser = stack.enter_context(Receiver(*[Answer(500)] * 1_000))
        dead = Endpoint.create(team, refuser.url, CREATED, agent_id=team.agent_id)
        for item in bad:
            Endpoint.create(team, item.url, CREATED, agent_id=team.agent_id)
        dead.escalate()
        dead.when(lambda all_: all_ and all_[0]["attempts"], "the first attempt")
        wait_for(lambda: all(item.connections for item in bad), "the others to be in hand")
        dead.pile_up(10_000)
        dead.hurry()
        receiver = stack.enter_context(Receiver())
        endpoint = Endpoint.create(other, receiver.url, CREATED, agent_id=other.agent_id)
        other.key.settings(other.agent_id, sla=QUICK)
        clock = Clock.begin(other)
        receiver.wait_for(1, SOON)
        for number in range(2, 41):
            endpoint.escalate()
            receiver.wait_for(number, SOON)
        wait_for(lambda: clock.passed, "the clock to be at risk")
        assert clock.late("AT_RISK") < IN_TIME
        assert len(refuser.received) < 20
        waiting = "SELECT count(*) AS n FROM deliveries WHERE status = 'PENDING' AND target_id = $1"
        assert office.rows(waiting, dead.target["id"])[0]["n"] == 10_001


def test_workspace_that_cannot_be_planned_delays_no_other(office: PostOffice, team: Workspace) -> None:
    spoiled, later = office.new_workspace(), office.new_workspace()
    stream = parse_id(WORKSPACE, spoiled.id)
    with Receiver() as receiver:
        endpoints = [Endpoint.create(item, receiver.url, CREATED) for item in (team, later)]
        office.execute(
            """WITH bumped AS (UPDATE streams SET head = head + 1 WHERE id = $1 RETURNING head)
            INSERT INTO log (stream, position, type, data, occurred_at)
            SELECT $1, head, 'escalation.created', '{}', now() FROM bumped""",
            stream,
        )
        try:
            for number in range(3):
                for place, endpoint in enumerate(endpoints, 1):
                    endpoint.escalate()
                    receiver.wait_for(2 * number + place, SOON)
        finally:
            office.execute("UPDATE planned_logs SET position = position + 1 WHERE workspace_id = $1", stream)


# ---- what was begun first of all


def test_event_without_a_running_worker_is_delivered_later(stories: dict[str, "Future[None]"]) -> None:
    stories["test_event_without_a_running_worker_is_delivered_later"].result()


def test_event_during_a_postgresql_crash_is_delivered_after_recovery(
    stories: dict[str, "Future[None]"],
) -> None:
    stories["test_event_during_a_postgresql_crash_is_delivered_after_recovery"].result()


def test_delivery_of_a_killed_worker_is_sent_again_unchanged(killed: tuple[Endpoint, Receiver]) -> None:
    endpoint, receiver = killed
    (delivery,) = endpoint.ended(60)
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body) == (delivery["id"], first.body)
    for item in (first, second):
        item.verified(endpoint.secret)
    lost, made = delivery["attempts"]
    assert (lost["succeeded"], lost["response"]) == (
        False,
        "not known: the worker ended during the attempt",
    )
    assert (delivery["status"], made["succeeded"], made["response"]) == ("DELIVERED", True, "204")
    again = datetime.fromisoformat(made["attemptedAt"]) - datetime.fromisoformat(lost["attemptedAt"])
    assert again < timedelta(seconds=45)
