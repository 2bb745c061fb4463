"""Clocks: how late timers are with many pending, what a worker costs, lists of 100,000 open escalations."""

import asyncio
import time
from dataclasses import dataclass

import asyncpg

from bench.client import run
from bench.processes import only
from bench.server_under_test import Stage, Tenant, worker_beside
from bench.workloads import Tray
from rules.typeid import AGENT, parse_id

OPEN, PENDING, DUE, DUE_SECONDS = 100_000, 20_000, 1_000, 20
SETTLE_SECONDS, IDLE_SECONDS = 5, 20
LISTS = (
    ("{slaStatus: [BREACHED]}", "CREATED_DESC"),
    ("{slaStatus: [AT_RISK]}", "DUE_ASC"),
    ("{slaStatus: [ON_TRACK], status: [OPEN]}", "PRIORITY_DESC"),
    ("{status: [OPEN, IN_PROGRESS]}", "DUE_ASC"),
)

# Due times are spread over a week around now: a seventh has been announced as at risk, a seventh as breached.
_FILL = """
WITH made AS (
    SELECT gen_random_uuid() AS conversation, gen_random_uuid() AS escalation,
           now() + (n % 10080 - 1440) * interval '1 minute' AS due, n
    FROM generate_series(1, $2::int) AS n
), talks AS (
    INSERT INTO conversations (id, workspace_id, agent_id, ai_state, ai_epoch, ai_pause_cause, ai_paused_at,
                               messages, customer_messages, uncertain_replies, created_at)
    SELECT conversation, agents.workspace_id, agents.id, 'PAUSED', 2, 'ESCALATION', now(), 0, 0, 0, now()
    FROM made, agents WHERE agents.id = $1 RETURNING id
), heads AS (
    INSERT INTO streams (id, head, head_at) SELECT conversation, 0, now() FROM made
), raised AS (
    INSERT INTO escalations (id, workspace_id, agent_id, conversation_id, status, priority, trigger, reason,
        confirmation, sla_policy, sla_target_minutes, sla_started_at, sla_at_risk_at, sla_due_at, sla_status,
        sla_next_at, created_at, kept_ai_paused, timeline, version)
    SELECT escalation, agents.workspace_id, agents.id, conversation, 'OPEN',
           (ARRAY['LOW', 'MEDIUM', 'HIGH', 'URGENT'])[1 + n % 4], 'API', 'filled', 'filled',
           jsonb_build_object('business_hours', jsonb_build_object('timezone', 'UTC', 'week', '[]'::jsonb,
               'holidays', '[]'::jsonb, 'holiday_calendar', NULL)),
           10080, due - interval '7 days', due - interval '1 day', due,
           CASE WHEN due <= now() THEN 'BREACHED' WHEN due <= now() + interval '1 day' THEN 'AT_RISK'
                ELSE 'ON_TRACK' END,
           CASE WHEN due <= now() THEN NULL WHEN due <= now() + interval '1 day' THEN due
                ELSE due - interval '1 day' END,
           now() - n * interval '1 second', false, 0, 1
    FROM made, agents WHERE agents.id = $1 RETURNING id, sla_next_at
)
SELECT count(*) FROM raised
"""
_PEND = """
INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status, created, updated, heartbeat)
SELECT 0, 'sla_clock', uuid_send(id), sla_next_at, 'queued', now(), now(), now()
FROM (SELECT id, sla_next_at FROM escalations
      WHERE agent_id = $1 AND sla_next_at > now() + interval '1 hour' LIMIT $2) AS waiting
"""
# A thousand clocks are moved: they become at risk evenly within the next 20 s.
_SOON = """
WITH chosen AS (
    SELECT id, row_number() OVER () AS place FROM (
        SELECT id FROM escalations WHERE agent_id = $1 AND sla_status = 'ON_TRACK' LIMIT $2) AS few
), moved AS (
    UPDATE escalations SET sla_at_risk_at = now() + make_interval(secs => 2 + place * $3::float8 / $2),
                           sla_next_at = now() + make_interval(secs => 2 + place * $3::float8 / $2)
    FROM chosen WHERE chosen.id = escalations.id RETURNING escalations.id, sla_next_at
)
INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, status, created, updated, heartbeat)
SELECT 0, 'sla_clock', uuid_send(id), sla_next_at, 'queued', now(), now(), now() FROM moved
"""
_LATENESS = """
SELECT extract(epoch FROM occurred_at - sla_at_risk_at) FROM timeline_entries
JOIN escalations ON escalations.id = escalation_id WHERE agent_id = $1 AND kind = 'sla_at_risk'
"""


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds of lateness; CPU of an idle worker in percent of a core; lists: what was asked, latencies."""

    lateness: list[float]
    worker_percent: float
    worker_rss: int
    lists: list[tuple[str, list[float]]]


async def measure_clocks(stage: Stage, tenant: Tenant, seconds: float, share: float) -> Clocks:
    """Fill a workspace (`share` of everything) and measures; the timers are run by the serving process."""
    agent = parse_id(AGENT, tenant.agent_id)
    # Only a table's owner may have it analyzed; in time autovacuum does.
    connection = await asyncpg.connect(stage.database_url.replace("//baton@", "//baton_owner@"))
    try:
        await connection.execute(_FILL, agent, int(OPEN * share))
        await connection.execute(_PEND, agent, int(PENDING * share))
        await connection.execute("ANALYZE escalations")
        percent, rss = await _idle_worker(stage, share)
        lists = [await _list(stage, tenant, *item, seconds) for item in LISTS]
        due = int(DUE * share)
        await connection.execute(_SOON, agent, due, float(DUE_SECONDS * share))
        lateness: list[float] = []
        end = time.monotonic() + DUE_SECONDS + 60
        while len(lateness) < due and time.monotonic() < end:
            await asyncio.sleep(0.5)
            lateness = [float(row[0]) for row in await connection.fetch(_LATENESS, agent)]
    finally:
        await connection.close()
    return Clocks(lateness, percent, rss, lists)


async def _idle_worker(stage: Stage, share: float) -> tuple[float, int]:
    with worker_beside(stage) as process:
        worker = only(process.pid)
        await asyncio.sleep(SETTLE_SECONDS)
        cpu, began = worker.cpu_seconds(), time.perf_counter()
        await asyncio.sleep(IDLE_SECONDS * share)
        percent = 100 * (worker.cpu_seconds() - cpu) / (time.perf_counter() - began)
        return percent, worker.memory().rss


async def _list(
    stage: Stage, tenant: Tenant, chosen: str, order: str, seconds: float
) -> tuple[str, list[float]]:
    asked = Tray(stage.target, tenant.api_key).lists_of(chosen, order)
    sample = await run(stage.target, asked, 1, seconds)
    return f"{chosen} {order}", list(sample.latencies)
