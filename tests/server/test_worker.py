"""`baton worker` processes: several of them, killed, stopped, ended, and without their database."""

import asyncio
import fcntl
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from rules.typeid import WORKSPACE, parse_id
from server.embedded.location import cluster_location
from tests.support.baton_client import wait_for
from tests.support.locks import hold
from tests.support.sla_clocks import (
    AFTER_A_FAULT,
    IN_TIME,
    QUICK,
    Clock,
    Process,
    Stage,
    bring,
    cursor,
    heard,
    hearing,
    hide_from_sweep,
    in_time,
    logged_events,
)

pytestmark = pytest.mark.anyio

MANY = 30
END_SECONDS = 10


@pytest.fixture(scope="module")
def built() -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="baton-worker-") as folder:
        Path(folder).chmod(0o755)
        with Stage.built(Path(folder)) as stage:
            yield stage


@pytest.fixture
def stage(built: Stage) -> Stage:
    """A server that has no worker inside."""
    built.serve("--no-worker")
    return built


def create_clock(stage: Stage, **sla: int) -> Clock:
    """Create a clock in a new workspace, by default at risk in 0.6 s."""
    workspace = stage.new_workspace()
    workspace.key.settings(workspace.agent_id, sla=sla or QUICK)
    return Clock.begin(workspace)


async def announced(number: int, *clocks: Clock) -> None:
    """Wait until each clock has this number of announcements, without blocking the sockets."""

    def all_are() -> bool:
        return all(len(clock.passed) >= number for clock in clocks)

    await asyncio.to_thread(wait_for, all_are, f"announcement {number} of {len(clocks)} clocks")


async def test_server_without_a_worker_announces_nothing_until_one_starts(stage: Stage) -> None:
    stage.dismiss()
    clock = create_clock(stage)
    async with hearing(clock.workspace) as client:
        past = clock.row["sla_at_risk_at"] + 2 * IN_TIME
        wait_for(lambda: stage.now > past, "the clock to have been at risk for a while")
        assert clock.sla["status"] == "AT_RISK"
        assert (clock.kinds, clock.jobs) == (["created"], ["queued"])
        stage.crew(1)
        await announced(1, clock)
        assert heard(await client.rest()) == [(clock.id, "ON_TRACK", "AT_RISK")]
    clock.check("AT_RISK")


async def test_several_workers_announce_everything_once_and_in_time(stage: Stage) -> None:
    stage.crew(3)
    workspace = stage.new_workspace()
    workspace.key.settings(workspace.agent_id, sla=QUICK)
    async with hearing(workspace) as client:
        clocks = [Clock.begin(workspace) for _ in range(MANY)]
        await announced(1, *clocks)
        limit, late = in_time(), [clock.late("AT_RISK") for clock in clocks]
        for clock in clocks:
            bring([clock], "sla_due_at", 1.5)
        limit = max(limit, in_time())
        await announced(2, *clocks)
        everything = [item for item in logged_events(workspace) if item["status"]]
        events = await client.rest()
    ids = {str(clock.key): clock.id for clock in clocks}
    assert heard(events) == [
        (ids[item["escalation"]], item["previous"], item["status"]) for item in everything
    ]
    times = [datetime.fromisoformat(event["occurredAt"]) for event in events]
    assert times == [item["occurred_at"] for item in everything]
    for clock in clocks:
        clock.check("AT_RISK", "BREACHED")
    assert max(late + [clock.late("BREACHED") for clock in clocks]) < limit


async def test_announcement_in_the_hand_of_an_ended_worker_is_made_once(stage: Stage) -> None:
    killed, stopped, left = stage.crew(3)
    clocks = [create_clock(stage) for _ in range(5)]
    await announced(1, *clocks)
    async with AsyncExitStack() as clients, AsyncExitStack() as locks:
        following = [await clients.enter_async_context(hearing(clock.workspace)) for clock in clocks]
        faults = [await give(stage, stopped, clocks[0:2], locks)] * 2
        stopped.pause()
        faults += [await give(stage, killed, clocks[2:4], locks)] * 2
        killed.kill()
        stage.only(left)
        await locks.aclose()
        await announced(2, *clocks[:4])
        # It comes back to what is done by now, and does what is not.
        stage.only(stopped)
        bring(clocks[4:], "sla_due_at", 0)
        await announced(2, clocks[4])
        left.go_on()
        stopped.end(END_SECONDS)
        for clock, client in zip(clocks, following, strict=True):
            clock.check("AT_RISK", "BREACHED")
            assert heard(await client.rest()) == [(clock.id, "AT_RISK", "BREACHED")]
    for clock, fault in zip(clocks, faults, strict=False):
        assert fault < clock.crossings[1]["occurred_at"] < fault + AFTER_A_FAULT


async def give(stage: Stage, worker: Process, clocks: Sequence[Clock], locks: AsyncExitStack) -> datetime:
    """
    Let one worker claim two clocks that it cannot finish, and return the time after the claims.

    One waits for its conversation, and only the lease shows it. The other has its own locked, and
    waits for the log's head.
    """
    before, amid = clocks
    stage.only(worker)
    head = parse_id(WORKSPACE, amid.workspace.id)
    held = [hold(stage, "conversations", before.conversation_key), hold(stage, "streams", head)]
    queues = [await locks.enter_async_context(item) for item in held]
    bring(clocks, "sla_due_at", 0)
    hide_from_sweep(before)
    for queue in queues:
        await queue.queued(1)
    return stage.now


async def test_worker_told_to_end_finishes_or_gives_back_in_time(stage: Stage) -> None:
    stage.crew(1)
    finished, given_back = create_clock(stage), create_clock(stage)
    await announced(1, finished, given_back)
    stage.dismiss()
    stage.stop()
    async with AsyncExitStack() as locks, hold(stage, "conversations", given_back.conversation_key) as stuck:
        soon = await locks.enter_async_context(hold(stage, "conversations", finished.conversation_key))
        # So late that the first sweep finds it, as well as its timer.
        bring([given_back], "sla_due_at", -60)
        bring([finished], "sla_due_at", 0)
        stage.serve()
        (worker,) = stage.crew(1)
        await soon.queued(1)
        await asyncio.to_thread(wait_for, lambda: given_back.jobs == ["picked"], "its timer to be in hand")
        await stuck.queued(1)
        told_at = stage.now
        for process in (stage.serving, worker):
            process.ask_to_end()
        await locks.aclose()
        for process in (stage.serving, worker):
            assert process.popen.wait(END_SECONDS) == 0
        assert stage.now < told_at + timedelta(seconds=END_SECONDS)
        assert (len(finished.passed), finished.jobs) == (2, [])
        assert (len(given_back.passed), given_back.jobs) == (1, ["queued"])
    stage.serve("--no-worker")
    stage.crew(1)
    await announced(2, given_back)
    for clock in (finished, given_back):
        clock.check("AT_RISK", "BREACHED")


async def test_clock_that_ran_out_while_everything_was_down_is_announced_afterwards(stage: Stage) -> None:
    (worker,) = stage.crew(1)
    on_track, at_risk = create_clock(stage, targetResponseMinutes=60), create_clock(stage)
    await announced(1, at_risk)
    after = cursor(on_track.workspace)
    worker.kill()
    stage.stop(signal.SIGKILL)
    bring([on_track, at_risk], "sla_due_at", -60)
    begun = stage.now
    stage.serve()
    await announced(2, on_track, at_risk)
    async with hearing(on_track.workspace, after=after) as client:
        passed = [(on_track.id, "ON_TRACK", "AT_RISK"), (on_track.id, "AT_RISK", "BREACHED")]
        assert heard(await client.rest()) == passed
    for clock in (on_track, at_risk):
        clock.check("AT_RISK", "BREACHED")
        assert begun < clock.crossings[1]["occurred_at"] < begun + AFTER_A_FAULT


async def test_clock_that_ran_out_while_postgresql_was_down_is_announced_afterwards(stage: Stage) -> None:
    stage.serve()
    stage.crew(1)
    clocks = [create_clock(stage) for _ in range(3)]
    waiting, in_hand, later = clocks
    await announced(1, *clocks)
    async with AsyncExitStack() as clients:
        following = [await clients.enter_async_context(hearing(clock.workspace)) for clock in clocks]
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with hold(stage, "conversations", in_hand.conversation_key) as lock:
                bring([in_hand], "sla_due_at", 0)
                await lock.queued(1)
                bring([waiting], "sla_due_at", 0.5)
                due, fault = waiting.row["sla_due_at"], stage.now
                crash_over(stage, due)
        await announced(2, waiting, in_hand)
        # Timers run again too: nothing else would find this one.
        bring([later], "sla_due_at", 0)
        hide_from_sweep(later)
        await announced(2, later)
        for clock, client in zip(clocks, following, strict=True):
            clock.check("AT_RISK", "BREACHED")
            assert heard(await client.rest()) == [(clock.id, "AT_RISK", "BREACHED")]
    for clock in (waiting, in_hand):
        assert due < clock.crossings[1]["occurred_at"] < fault + AFTER_A_FAULT
    assert later.late("BREACHED") < AFTER_A_FAULT


def crash_over(stage: Stage, time: datetime) -> None:
    """Stop PostgreSQL like `pg_ctl stop -m immediate`, and start it again after `time`."""
    place = cluster_location(stage.data_dir)
    with (place.home / "postgres.start.lock").open("r+") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        os.kill(int((place.cluster / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        wait_for(lambda: datetime.now(UTC) > time, "the time to be over")
        assert not answers(stage)
    wait_for(lambda: answers(stage), "PostgreSQL to be started again")


def answers(stage: Stage) -> bool:
    try:
        return bool(stage.now)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


async def test_clock_that_always_fails_delays_no_other(stage: Stage) -> None:
    stage.dismiss()
    failing, lost = (
        create_clock(stage, targetResponseMinutes=60),
        create_clock(stage, targetResponseMinutes=60),
    )
    for clock in (failing, lost):
        stage.execute(
            "DELETE FROM pgqueuer WHERE entrypoint = 'sla_clock' AND payload = uuid_send($1)", clock.key
        )
    set_head, stream = "UPDATE streams SET head = $2 WHERE id = $1", parse_id(WORKSPACE, failing.workspace.id)
    head = stage.rows("SELECT head FROM streams WHERE id = $1", stream)[0]["head"]
    stage.execute(set_head, stream, 2**63 - 1)
    bring([failing], "sla_at_risk_at", -20)
    bring([lost], "sla_at_risk_at", -10)
    try:
        stage.crew(1)
        await announced(1, lost)
        assert failing.kinds == ["created"]
    finally:
        stage.execute(set_head, stream, head)
    await announced(1, failing)
