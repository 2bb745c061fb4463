"""Metrics of a process and of what waits in the database, and what the probes say about the database."""

import asyncio
import re
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import httpx
import pytest

from realtime.backlog import Backlog, read_backlog
from realtime.timers import TimerKind
from rules.sla_clock import SlaStatus
from rules.typeid import ESCALATION, WORKSPACE, parse_id
from server.database_probe import NO_DATABASE, NO_SPACE, READ_ONLY, DatabaseProbe
from server.http.application import App
from server.http.health import ROUTES
from server.http.state import HttpState
from server.settings import Settings
from server.version import VERSION
from tests.support.baton_client import Server, Workspace, wait_for
from tests.support.open_subscriptions import all_begun

pytestmark = pytest.mark.anyio

MESSAGES = "subscription($id: ID!) { messageAdded(conversationId: $id) { message { content } } }"
NAMED = {
    "baton_build_info",
    "baton_data_dir_free_bytes",
    "baton_database_writable",
    "baton_deliveries_pending",
    "baton_event_loop_lag_seconds_count",
    "baton_feed_lag_seconds_count",
    "baton_jobs_due",
    "baton_log_lines_dropped_total",
    "baton_open_connections",
    "baton_overdue_seconds",
    "baton_planner_lag_events",
    "baton_planner_lag_seconds",
    "baton_pool_in_use",
    "baton_pool_size",
    "baton_pool_waiting",
    "baton_sla_clocks",
    "process_open_fds",
}
# A scrape must stay readable by one who may see no workspace.
LABELS = {
    "by",
    "channel",
    "reason",
    "generation",
    "implementation",
    "kind",
    "le",
    "limit",
    "major",
    "minor",
    "operation",
    "outcome",
    "patchlevel",
    "pool",
    "python",
    "status",
    "subscription",
    "transport",
    "version",
}


def scraped(server: Server) -> str:
    return httpx.get(f"{server.url}/metrics").text


def value_of(server: Server, series: str) -> float:
    line = re.search(rf"^{re.escape(series)} (\S+)$", scraped(server), re.MULTILINE)
    return float(line[1]) if line else 0.0


def test_scrape_has_every_metric_of_the_manual(server: Server) -> None:
    text = scraped(server)
    assert set(re.findall(r"^(\w+)", text, re.MULTILINE)) >= NAMED
    assert 'baton_build_info{python="3.' in text
    assert f'version="{VERSION}"}} 1.0' in text
    assert value_of(server, "baton_database_writable") == 1
    assert value_of(server, "baton_data_dir_free_bytes") > 0
    assert {f'baton_overdue_seconds{{kind="{kind}"}}' in text for kind in TimerKind} == {True}


def test_scrape_names_nothing_of_a_workspace(workspace: Workspace) -> None:
    started = workspace.start()
    workspace.key.escalate(started["conversation"]["id"])
    text = scraped(workspace.server)
    labels = set(re.findall(r'[{,](\w+)="', text))
    assert labels <= LABELS
    assert not re.search(r"\b(ws|agent|conv|esc|mem|key)_[0-9a-z]{20}", text)


async def test_open_subscription_is_counted_until_it_ends(workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    series = 'baton_subscriptions{subscription="messageAdded"}'
    events = value_of(workspace.server, "baton_feed_lag_seconds_count")
    async with workspace.key.socket() as client:
        async with all_begun(workspace.server, 2):
            ids = [await client.subscribe(MESSAGES, id=conversation) for _ in range(2)]
        assert value_of(workspace.server, series) == 2
        await asyncio.to_thread(workspace.key.record, conversation, "USER", "hello")
        for id_ in ids:
            assert (await client.next(id_))["messageAdded"]["message"]["content"] == "hello"
        assert value_of(workspace.server, "baton_feed_lag_seconds_count") > events
        await client.send(id=ids[0], type="complete")
        await asyncio.to_thread(wait_for, lambda: value_of(workspace.server, series) == 1, "one subscription")
    await asyncio.to_thread(wait_for, lambda: value_of(workspace.server, series) == 0, "none")


def test_lag_of_the_event_loop_is_measured(server: Server) -> None:
    count = "baton_event_loop_lag_seconds_count"
    before = value_of(server, count)
    wait_for(lambda: value_of(server, count) > before, "another measurement")


async def test_backlog_has_what_is_due_and_what_waits(workspace: Workspace) -> None:
    escalated = workspace.key.escalate(workspace.start()["conversation"]["id"])
    escalation = parse_id(ESCALATION, escalated["escalation"]["id"])
    stream = parse_id(WORKSPACE, workspace.id)
    connection = await asyncpg.connect(workspace.server.owner_url)
    try:
        # Nothing of it is stored: the server's own worker would do what is due.
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE escalations SET sla_next_at = NULL WHERE id <> $1", escalation)
        await connection.execute("DELETE FROM pgqueuer")
        await connection.execute(
            "UPDATE planned_logs SET position = head FROM streams WHERE id = workspace_id"
        )
        before = await read_backlog(connection.fetch)
        await connection.execute(
            "UPDATE escalations SET sla_next_at = now() - interval '90 s', sla_due_at = now() WHERE id = $1",
            escalation,
        )
        await connection.execute(
            "INSERT INTO pgqueuer (priority, status, entrypoint, execute_after) "
            "VALUES (0, 'queued', 'sla_clock', now()), (0, 'queued', 'sla_clock', now() + interval '1 h')"
        )
        await connection.execute(
            "UPDATE planned_logs SET position = position - 1 WHERE workspace_id = $1", stream
        )
        after = await read_backlog(connection.fetch)
        await transaction.rollback()
    finally:
        await connection.close()
    assert (before.jobs_due[TimerKind.SLA_CLOCK], after.jobs_due[TimerKind.SLA_CLOCK]) == (0, 1)
    assert (before.overdue[TimerKind.SLA_CLOCK], after.overdue[TimerKind.SLA_CLOCK]) == (0, 90)
    assert (before.unplanned, before.unplanned_seconds, after.unplanned) == (0, 0, 1)
    assert after.unplanned_seconds > 0
    assert clocks_of(after) - clocks_of(before) == 1


def clocks_of(backlog: Backlog) -> int:
    return backlog.clocks[SlaStatus.BREACHED]


async def test_backlog_of_the_probe_is_kept_for_a_while(server: Server) -> None:
    probe = DatabaseProbe(server.service_url)
    try:
        assert await probe.backlog() is await probe.backlog() is not None
    finally:
        probe.close()


# In this schema the statement of the probe fails as on a full disk.
FULL_DISK = """
CREATE SCHEMA IF NOT EXISTS full_disk;
GRANT USAGE ON SCHEMA full_disk TO PUBLIC;
CREATE OR REPLACE FUNCTION full_disk.generate_series(integer, integer) RETURNS SETOF integer
LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full';
END $$;
"""


@pytest.mark.parametrize("state", ["writable", "read-only", "full", "gone"])
async def test_readiness_says_why_nothing_can_be_written(server: Server, state: str) -> None:
    owner = await asyncpg.connect(server.owner_url)
    await owner.execute(FULL_DISK)
    await owner.close()
    url, fault = {
        "writable": (server.service_url, None),
        "read-only": (f"{server.service_url}&default_transaction_read_only=on", READ_ONLY),
        "full": (f"{server.service_url}&search_path=full_disk,pg_catalog", NO_SPACE),
        "gone": ("postgresql://baton@127.0.0.1:9/baton", NO_DATABASE),
    }[state]
    probe = DatabaseProbe(url)
    services: Any = SimpleNamespace(pubsub=SimpleNamespace(stalled=False))
    app = App(None, HttpState(services, Settings(), probe), routes=ROUTES)
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
        ) as client:
            answer = await client.get("/readyz")
            alive = await client.get("/healthz")
    finally:
        probe.close()
    assert answer.status_code == (503 if fault else 200)
    assert answer.json() == {"status": fault or "ready", "pubsub": "ok"}
    assert alive.status_code == 200


async def test_readiness_writes_a_file(server: Server) -> None:
    def written() -> int:
        rows = server.rows("SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()")
        return cast(int, rows[0]["temp_bytes"])

    before = await asyncio.to_thread(written)
    probe = DatabaseProbe(server.service_url)
    try:
        assert await probe.fault() is None
    finally:
        probe.close()
    await asyncio.to_thread(wait_for, lambda: written() > before, "the file to be counted")
