"""Announcements of clocks: each crossing once, by the first process that notices it."""

import secrets
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pytest

from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import Caller, Refused, Server, Workspace, wait_for
from tests.support.seeded_workspace import fingerprint
from tests.support.sla_clocks import (
    AFTER_A_FAULT,
    CHANGES,
    PASSED,
    QUICK,
    Clock,
    age,
    bring,
    cursor,
    heard,
    hearing,
    in_time,
)

pytestmark = pytest.mark.anyio

HOUR = 60
STATUSES = ("ON_TRACK", "AT_RISK", "BREACHED")
ORPHANS = """SELECT * FROM pgqueuer AS job WHERE entrypoint = 'sla_clock'
    AND NOT EXISTS (SELECT FROM escalations AS one WHERE uuid_send(one.id) = job.payload)"""
LIST = """query($filter: EscalationFilter!) { escalations(filter: $filter, first: 100) {
    totalCount nodes { id } } }"""


@pytest.fixture(scope="module", autouse=True)
def lost(server: Server) -> Clock:
    """A clock without its timer. Only the sweep finds it, so it starts first."""
    clock = create_clock(server.new_workspace())
    server.execute("DELETE FROM pgqueuer WHERE payload = $1", clock.key.bytes)
    bring([clock], "sla_at_risk_at", 0)
    assert (clock.jobs, clock.passed) == ([], [])
    return clock


def create_agent(workspace: Workspace, **sla: Any) -> str:
    """Create an AI agent whose clocks are due after an hour and at risk after 48 minutes."""
    made = workspace.key.ask('mutation { createAgent(name: "Robot") { id } }')["createAgent"]
    workspace.key.settings(made["id"], sla={"targetResponseMinutes": HOUR, **sla})
    return str(made["id"])


def create_clock(workspace: Workspace, **sla: Any) -> Clock:
    """Create a clock of a new AI agent."""
    return Clock.begin(workspace, create_agent(workspace, **sla))


def by_priority(**minutes: int) -> list[dict[str, Any]]:
    """Return the targets of priorities."""
    return [{"priority": priority, "targetResponseMinutes": number} for priority, number in minutes.items()]


def await_announced(number: int, *clocks: Clock) -> None:
    """Wait until each clock has this number of announcements."""
    wait_for(lambda: all(len(clock.passed) >= number for clock in clocks), f"announcement {number}")


def await_timers(*clocks: Clock) -> None:
    """Wait until the clocks' timers have run."""
    wait_for(lambda: not any(clock.jobs for clock in clocks), "timers to run")


# ---- announced


async def test_at_risk_and_due_are_announced_in_time_to_those_who_follow(team: Workspace) -> None:
    agent = create_agent(team, **QUICK)
    async with hearing(team, agent) as client:
        clock = Clock.begin(team, agent)
        before = team.key.escalation(clock.id)["version"]
        first = await client.next()
        assert (first["previous"], first["status"]) == ("ON_TRACK", "AT_RISK")
        assert first["escalation"]["id"] == clock.id
        shown = first["escalation"]["sla"]
        assert (shown["status"], shown["breachedAt"]) == ("AT_RISK", None)
        assert clock.late("AT_RISK") < in_time()

        bring([clock], "sla_due_at", 1.5)
        second = await client.next()
        shown = second["escalation"]["sla"]
        assert (second["previous"], second["status"]) == ("AT_RISK", "BREACHED")
        assert (shown["status"], shown["breachedAt"]) == ("BREACHED", shown["dueAt"])
        assert clock.late("BREACHED") < in_time()
        assert await client.rest() == []
    times = [datetime.fromisoformat(item["occurredAt"]) for item in (first, second)]
    assert times == [crossing["occurred_at"] for crossing in clock.crossings]
    clock.check("AT_RISK", "BREACHED")
    # No caller has changed the escalation: an earlier edit is still valid.
    assert team.key.escalation(clock.id)["version"] == before
    await_timers(clock)


def test_at_risk_at_a_hundred_percent_is_due(team: Workspace) -> None:
    clock = create_clock(team, atRiskPercent=100)
    bring([clock], "sla_due_at", 0)
    await_announced(1, clock)
    await_timers(clock)
    assert clock.passed == [("ON_TRACK", "BREACHED")]
    assert clock.sla["status"] == "BREACHED"


def test_late_clock_is_announced_at_risk_first(team: Workspace) -> None:
    clock = create_clock(team)
    bring([clock], "sla_due_at", -600)
    await_announced(2, clock)
    clock.check("AT_RISK", "BREACHED")
    first, second = clock.crossings
    assert first["occurred_at"] == second["occurred_at"]


# ---- answered


def test_timers_of_a_clock_answered_in_time_do_nothing(workspace: Workspace) -> None:
    clock = create_clock(workspace)
    replied = clock.reply()
    assert (replied["sla"]["outcome"], clock.jobs) == ("MET", ["queued"])
    bring([clock], "sla_at_risk_at", 0.5)
    events, before = clock.published, fingerprint(workspace)
    await_timers(clock)
    assert (clock.published, fingerprint(workspace)) == (events, before)
    assert workspace.key.escalation(clock.id)["version"] == replied["version"]
    clock.check()


def test_reply_announces_a_change_before_its_timer(team: Workspace) -> None:
    risky, late = (
        create_clock(team),
        create_clock(team),
    )
    age([risky], minutes=50)
    age([late], minutes=90)
    assert (risky.kinds, late.kinds) == (["created"], ["created"])
    assert risky.reply()["sla"]["outcome"] == "MET"
    assert risky.kinds == ["created", "sla_at_risk", "replied", "status_changed"]
    risky.check("AT_RISK")

    assert late.reply()["sla"] == {"outcome": "MISSED", "metAt": None}
    assert late.kinds == ["created", "sla_at_risk", "sla_breached", "replied", "status_changed"]
    late.check("AT_RISK", "BREACHED")
    assert len({item["occurred_at"] for item in late.published[1:]}) == 1


# ---- a new priority


async def test_new_priority_returns_to_on_track_and_at_risk_is_announced_again(team: Workspace) -> None:
    targets = by_priority(LOW=2 * HOUR, URGENT=1)
    agent = create_agent(team, targetsByPriority=targets)
    async with hearing(team, agent) as client:
        clock = Clock.begin(team, agent)
        bring([clock], "sla_at_risk_at", 0)
        assert heard([await client.next()]) == [(clock.id, "ON_TRACK", "AT_RISK")]

        before, after = clock.sla, clock.prioritise("LOW")
        assert (after["status"], after["targetMinutes"]) == ("ON_TRACK", 120)
        assert (after["startedAt"], after["breachedAt"]) == (before["startedAt"], None)
        back = await client.next()
        assert heard([back]) == [(clock.id, "AT_RISK", "ON_TRACK")]
        assert back["escalation"]["sla"]["dueAt"] == after["dueAt"]

        bring([clock], "sla_at_risk_at", 1.5)
        assert heard([await client.next()]) == [(clock.id, "ON_TRACK", "AT_RISK")]
        assert clock.crossings[2]["occurred_at"] - clock.row["sla_at_risk_at"] < in_time()
        assert clock.kinds == ["created", "sla_at_risk", "priority_changed", "sla_on_track", "sla_at_risk"]

        # From there a minute's target is long over, and a longer one leads back from beyond due.
        assert clock.prioritise("URGENT")["status"] == "BREACHED"
        assert clock.prioritise("LOW")["status"] == "AT_RISK"
        passed = [(clock.id, "AT_RISK", "BREACHED"), (clock.id, "BREACHED", "AT_RISK")]
        assert heard(await client.rest()) == passed
        bring([clock], "sla_due_at", 0)
        again = await client.next()
        assert heard([again]) == [(clock.id, "AT_RISK", "BREACHED")]
        assert again["escalation"]["sla"]["breachedAt"] == clock.sla["dueAt"]
        await_timers(clock)
        assert await client.rest() == []


def test_new_priority_can_lead_directly_past_due(team: Workspace) -> None:
    clock = create_clock(team, targetResponseMinutes=3 * HOUR, targetsByPriority=by_priority(HIGH=30))
    age([clock], minutes=HOUR)
    after = clock.prioritise("HIGH")
    assert (after["status"], after["breachedAt"]) == ("BREACHED", after["dueAt"])
    assert datetime.fromisoformat(after["dueAt"]) < clock.crossings[0]["occurred_at"] - timedelta(minutes=29)
    assert clock.kinds == ["created", "priority_changed", "sla_at_risk", "sla_breached"]
    clock.check("AT_RISK", "BREACHED")


def test_timer_of_a_former_time_is_stale(team: Workspace) -> None:
    clock = create_clock(team, targetsByPriority=by_priority(LOW=2 * HOUR))
    former = team.server.rows("SELECT id FROM pgqueuer WHERE payload = $1", clock.key.bytes)[0]["id"]
    clock.prioritise("LOW")
    assert clock.jobs == ["queued", "queued"]
    team.server.execute("UPDATE pgqueuer SET execute_after = now() WHERE id = $1", former)
    wait_for(lambda: clock.jobs == ["queued"], "the first timer to run")
    clock.check()
    assert clock.row["sla_next_at"] == clock.row["sla_at_risk_at"]


# ---- resolved and reopened


def test_resolved_clock_is_silent_and_a_reopened_one_restarts(team: Workspace) -> None:
    clock = create_clock(team)
    assert team.key.resolve(clock.id)["sla"] == {"outcome": "CANCELLED", "status": "ON_TRACK"}
    bring([clock], "sla_at_risk_at", 0)
    await_timers(clock)
    assert clock.kinds == ["created", "resolved"]
    clock.check()

    again = clock.reopen()
    assert (again["outcome"], again["status"]) == ("RUNNING", "ON_TRACK")
    assert datetime.fromisoformat(again["startedAt"]) == clock.published[-1]["occurred_at"]
    bring([clock], "sla_at_risk_at", 1.5)
    await_announced(1, clock)
    assert clock.late("AT_RISK") < in_time()
    assert clock.kinds == ["created", "resolved", "reopened", "sla_at_risk"]
    clock.check("AT_RISK")


def test_subscriber_is_notified_when_a_clock_at_risk_restarts(team: Workspace) -> None:
    clock = create_clock(team)
    age([clock], minutes=50)
    assert team.key.resolve(clock.id)["sla"] == {"outcome": "CANCELLED", "status": "AT_RISK"}
    assert clock.reopen()["status"] == "ON_TRACK"
    assert clock.kinds == ["created", "sla_at_risk", "resolved", "reopened", "sla_on_track"]
    assert clock.passed == [("ON_TRACK", "AT_RISK"), ("AT_RISK", "ON_TRACK")]


def test_reopened_missed_clock_is_not_announced_again(team: Workspace) -> None:
    clock = create_clock(team)
    age([clock], minutes=90)
    assert team.key.resolve(clock.id)["sla"] == {"outcome": "MISSED", "status": "BREACHED"}
    assert clock.reopen()["status"] == "BREACHED"
    clock.reply()
    assert [kind for kind in clock.kinds if kind.startswith("sla")] == ["sla_at_risk", "sla_breached"]
    clock.check("AT_RISK", "BREACHED")


# ---- how clocks stand is never read from what was announced


def test_list_by_status_is_exact_whatever_was_announced(team: Workspace) -> None:
    agent = create_agent(team, targetsByPriority=by_priority(LOW=4 * HOUR))
    clocks = [Clock.begin(team, agent) for _ in range(15)]
    running, stopped = clocks[:7], clocks[7:]
    _, risky, late, risk_said, late_unsaid, late_said, back = running

    bring([risk_said, late_unsaid, back], "sla_at_risk_at", -60)
    bring([late_said], "sla_due_at", -60)
    await_announced(1, risk_said, late_unsaid, back)
    await_announced(2, late_said)
    age([risky, *stopped[2:5]], minutes=50)
    age([late, late_unsaid, *stopped[5:7]], minutes=90)
    back.prioritise("LOW")
    for place, clock in enumerate(stopped):
        clock.reply() if place % 2 else team.key.resolve(clock.id)
    # These have stopped, and nothing that comes later is passed.
    age([stopped[1], stopped[4], stopped[7]], minutes=90)

    own = {clock.id: clock.sla["status"] for clock in clocks}
    now, risk, over = STATUSES
    assert [own[clock.id] for clock in running] == [now, risk, over, risk, over, over, now]
    assert [own[clock.id] for clock in stopped] == [now, now, risk, risk, risk, over, over, now]
    for number in range(4):
        for chosen in combinations(STATUSES, number):
            escalations = team.key.ask(LIST, filter={"agentId": agent, "slaStatus": list(chosen)})[
                "escalations"
            ]
            expected = {id_ for id_, status in own.items() if status in chosen}
            assert {node["id"] for node in escalations["nodes"]} == expected, chosen
            assert escalations["totalCount"] == len(expected) == len(escalations["nodes"])
    said = [clock.row["sla_status"] for clock in running]
    assert said == [now, now, now, risk, risk, over, now], "else nothing was left to the clock"


# ---- timers and jobs


def test_timer_of_a_rolled_back_call_does_not_exist(workspace: Workspace) -> None:
    server, conversation = workspace.server, workspace.start()["conversation"]["id"]
    written = "SELECT last_value AS id FROM pgqueuer_id_seq"
    # The log is written last in a transaction: here it refuses another entry.
    full = "UPDATE streams SET head = 9223372036854775807 WHERE id = $1"
    server.execute(full, parse_id(CONVERSATION, conversation))
    begun, before = server.rows(written)[0]["id"], fingerprint(workspace)
    with pytest.raises(Refused) as refused:
        workspace.key.escalate(conversation)
    assert refused.value.code == "INTERNAL"
    assert server.rows(written)[0]["id"] > begun, "else no timer was written at all"
    assert server.rows(ORPHANS) == []
    assert fingerprint(workspace) == before
    assert not workspace.key.conversation(conversation)["escalations"]["nodes"]


def test_unknown_jobs_stop_nothing(team: Workspace) -> None:
    server, unknown = team.server, secrets.token_bytes(16)
    put = "INSERT INTO pgqueuer (priority, status, entrypoint, payload) VALUES (9, 'queued', $1, $2)"
    strange = [
        ("sla_clock", None),
        ("sla_clock", b"abc"),
        ("sla_clock", b"x" * 17),
        ("no_such_thing", unknown),
    ]
    for entrypoint, payload in [*strange, ("sla_clock", unknown)]:
        server.execute(put, entrypoint, payload)
    clock = create_clock(team, **QUICK)
    await_announced(1, clock)
    assert clock.late("AT_RISK") < in_time()
    clock.check("AT_RISK")

    query = "SELECT entrypoint, payload, status::text FROM pgqueuer WHERE priority = 9 ORDER BY id"
    held = [{"entrypoint": name, "payload": key, "status": "failed"} for name, key in strange[:3]]
    untouched = {"entrypoint": "no_such_thing", "payload": unknown, "status": "queued"}
    wait_for(lambda: server.rows(query) == [*held, untouched], "what is of no use to be held")
    server.execute("DELETE FROM pgqueuer WHERE priority = 9")


# ---- followed


async def test_subscriber_is_notified_of_its_own_workspace_only(team: Workspace, other: Workspace) -> None:
    agent, neighbour = create_agent(team), create_agent(team)
    after = cursor(team)
    async with hearing(team, agent) as of_agent, hearing(team) as of_all, hearing(other) as of_other:
        clocks = [Clock.begin(team, item) for item in (agent, neighbour, agent)]
        age(clocks, minutes=90)
        for clock in clocks:
            clock.reply()
        first, strange, last = ([(clock.id, *item) for item in PASSED.values()] for clock in clocks)
        events = await of_agent.rest()
        assert heard(events) == [*first, *last]
        mine = [item for item in heard(await of_all.rest()) if item[0] in {clock.id for clock in clocks}]
        assert mine == [*first, *strange, *last]
        assert await of_other.rest() == []
    for place, seen in enumerate([after, *(event["cursor"] for event in events[:-1])]):
        async with hearing(team, agent, after=seen) as resumed:
            assert [await resumed.next() for _ in events[place:]] == events[place:]


async def test_subscriber_without_the_scope_is_refused(team: Workspace, other: Workspace) -> None:
    customer = team.widget(team.start())
    scopes = ("CONVERSATIONS_READ", "CONVERSATIONS_WRITE", "ESCALATIONS_WRITE", "ANALYTICS_READ")
    for caller in (customer, team.key_with(*scopes)):
        assert await refusal(caller) == "FORBIDDEN"
    assert await refusal(team.nobody) == "UNAUTHENTICATED"
    assert await refusal(team.key, agent=other.agent_id) == "NOT_FOUND"
    assert await refusal(team.key, after=cursor(other)) == "RESYNC_REQUIRED"
    async with team.key_with("ESCALATIONS_READ").socket() as socket:
        operation = await socket.subscribe(CHANGES, after=cursor(team))
        clock = create_clock(team, **QUICK)
        assert (await socket.next(operation))["slaStatusChanged"]["escalation"]["id"] == clock.id


async def refusal(caller: Caller, **given: str) -> str:
    """Return the error code of a subscription."""
    async with caller.socket() as socket:
        with pytest.raises(Refused) as refused:
            await socket.next(await socket.subscribe(CHANGES, **given))
        return refused.value.code


def test_clock_with_a_lost_timer_is_found(lost: Clock) -> None:
    await_announced(1, lost)
    assert timedelta(seconds=1) < lost.late("AT_RISK") < AFTER_A_FAULT
    lost.check("AT_RISK")
