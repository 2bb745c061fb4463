"""Checks of the workers: clocks announced once each, and a webhook delivery for every escalation."""

from collections.abc import Iterable, Mapping

import asyncpg

from rules.typeid import AGENT, ESCALATION, format_id, parse_id

# `passed` had 15 s: within that a worker takes over what was another's.
_CLOCKS = """
SELECT id,
       (sla_at_risk_at < now())::int + (sla_due_at < now())::int AS passed,
       (sla_at_risk_at < now() - slack)::int + (sla_due_at < now() - slack)::int AS overdue,
       ARRAY(SELECT kind FROM timeline_entries
             WHERE escalation_id = escalations.id AND kind LIKE 'sla%' ORDER BY position) AS noted,
       ARRAY(SELECT replace(type, 'escalation.', '') FROM log
             WHERE stream = workspace_id AND data ->> 'escalation' = escalations.id::text
               AND type LIKE 'escalation.sla%' ORDER BY position) AS logged
FROM escalations, (VALUES (interval '15 seconds')) AS given (slack) WHERE id = ANY($1)
"""
_LATE = """
SELECT max(extract(epoch FROM occurred_at
                   - CASE kind WHEN 'sla_breached' THEN sla_due_at ELSE sla_at_risk_at END))::float8
FROM timeline_entries JOIN escalations ON escalations.id = escalation_id
WHERE kind LIKE 'sla%' AND escalations.id = ANY($1)
"""
# A delivery that failed twice waits for minutes: that is its schedule, and no fault.
_CREATED = """
SELECT escalations.id, deliveries.status,
       coalesce(deliveries.status = 'PENDING' AND next_attempt_at > now() + interval '20 seconds', false)
       AS later
FROM escalations LEFT JOIN deliveries
  ON escalation_id = escalations.id AND event_type = 'escalation.created'
WHERE escalations.agent_id = $1
"""
_CROSSINGS = ["sla_at_risk", "sla_breached"]


async def announced_wrongly(connection: asyncpg.Connection, clocks: Iterable[str]) -> list[str]:
    """Return clocks not announced exactly once per crossing, in timeline and log."""
    rows = await connection.fetch(_CLOCKS, [parse_id(ESCALATION, item) for item in clocks])
    return [
        f"the clock of {format_id(ESCALATION, row['id'])} was announced {row['noted']}, "
        f"logged {row['logged']}, when {_CROSSINGS[: row['passed']]} had passed"
        for row in rows
        if row["noted"] != row["logged"]
        or row["noted"] not in [_CROSSINGS[:count] for count in range(row["overdue"], row["passed"] + 1)]
    ]


async def announcements(connection: asyncpg.Connection, clocks: Iterable[str]) -> tuple[int, float]:
    """Return the number of announcements and the largest lateness in seconds."""
    keys = [parse_id(ESCALATION, item) for item in clocks]
    rows = await connection.fetch(_CLOCKS, keys)
    late = await connection.fetchval(_LATE, keys)
    return sum(len(row["noted"]) for row in rows), float(late or 0)


async def untold(connection: asyncpg.Connection, agent_id: str, received: Mapping[str, int]) -> list[str]:
    """Return escalations of an AI agent without a due webhook delivery."""
    rows = await connection.fetch(_CREATED, parse_id(AGENT, agent_id))
    return [
        f"the webhook was not told of {format_id(ESCALATION, row['id'])}: its delivery is {row['status']}"
        for row in rows
        if format_id(ESCALATION, row["id"]) not in received and not row["later"]
    ]
