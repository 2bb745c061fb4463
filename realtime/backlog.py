"""The work that waits in the database: due timers and jobs, deliveries, unplanned events, running clocks.

Every statement reads an index of what waits, and none counts more than COUNTED rows. So a reading costs
little, however large the tables are.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from realtime.timers import TimerKind
from rules.sla_clock import SlaStatus

COUNTED = 50_000
_KINDS = [kind.value for kind in TimerKind]

Fetch = Callable[..., Awaitable[list[Any]]]

_JOBS = """
SELECT kind, (
    SELECT count(*) FROM (
        SELECT FROM pgqueuer WHERE status = 'queued' AND entrypoint = kind AND execute_after <= now()
        LIMIT $2
    ) due
) AS due
FROM unnest($1::text[]) AS kind
"""

# The rows decide, not the jobs: a timer whose job was lost is overdue, too.
_OVERDUE = """
SELECT kind, greatest(extract(epoch FROM now() - due_at), 0)::float8 AS seconds FROM (VALUES
    ('sla_clock', (SELECT min(sla_next_at) FROM escalations)),
    ('pending_escalation', (
        SELECT fires_at FROM pending_escalations JOIN workspaces ON workspaces.id = workspace_id
        WHERE outcome = 'WAITING' AND NOT scratch ORDER BY fires_at LIMIT 1)),
    ('digest', (SELECT min(due_at) FROM digests WHERE planned_at IS NULL)),
    ('erasure', (SELECT min(erased_at) FROM conversations WHERE erasure_due)),
    ('deliveries', (SELECT min(next_attempt_at) FROM deliveries WHERE status = 'PENDING'))
) AS timers (kind, due_at)
"""

_PENDING = """
SELECT count(*) AS pending FROM (SELECT FROM deliveries WHERE status = 'PENDING' LIMIT $1) pending
"""

_UNPLANNED = """
SELECT coalesce(sum(head - position), 0)::int8 AS entries,
    coalesce(greatest(extract(epoch FROM now() - min(occurred_at)), 0), 0)::float8 AS seconds
FROM (
    SELECT streams.id, head, planned_logs.position, log.occurred_at
    FROM planned_logs JOIN streams ON streams.id = workspace_id
    LEFT JOIN log ON log.stream = streams.id AND log.position = planned_logs.position + 1
    WHERE head > planned_logs.position LIMIT $1
) behind
"""

# An announced status is late by a moment; the due time decides on BREACHED.
_CLOCKS = """
SELECT count(*) FILTER (WHERE sla_status = 'ON_TRACK' AND sla_due_at > now()) AS on_track,
    count(*) FILTER (WHERE sla_status = 'AT_RISK' AND sla_due_at > now()) AS at_risk,
    count(*) FILTER (WHERE sla_status = 'BREACHED' OR sla_due_at <= now()) AS breached
FROM (
    SELECT sla_status, sla_due_at FROM escalations
    WHERE sla_stopped_at IS NULL AND workspace_id NOT IN (SELECT id FROM workspaces WHERE scratch) LIMIT $1
) running
"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The work that waits, in all workspaces. Counts end at COUNTED.

    `overdue` is for how many seconds the oldest timer or delivery of each kind has been due.
    `unplanned_seconds` is the age of the oldest event that the planner has not read.
    """

    jobs_due: Mapping[TimerKind, int]
    overdue: Mapping[TimerKind, float]
    deliveries_pending: int
    unplanned: int
    unplanned_seconds: float
    clocks: Mapping[SlaStatus, int]


async def read_backlog(fetch: Fetch) -> Backlog:
    """Read the backlog through `fetch`, which runs one statement in PostgreSQL's own SQL."""
    jobs = await fetch(_JOBS, _KINDS, COUNTED)
    overdue = await fetch(_OVERDUE)
    (deliveries,) = await fetch(_PENDING, COUNTED)
    (unplanned,) = await fetch(_UNPLANNED, COUNTED)
    (clocks,) = await fetch(_CLOCKS, COUNTED)
    return Backlog(
        jobs_due={TimerKind(row["kind"]): row["due"] for row in jobs},
        overdue={TimerKind(row["kind"]): row["seconds"] or 0.0 for row in overdue},
        deliveries_pending=deliveries["pending"],
        unplanned=unplanned["entries"],
        unplanned_seconds=unplanned["seconds"],
        clocks={status: clocks[status.lower()] for status in SlaStatus},
    )
