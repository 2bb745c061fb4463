"""Timers: jobs of pgqueuer that are written in the transaction that sets them.

A timer carries the id of its row. Its handler reads the current state, so a stale timer does nothing and a
timer that runs twice has the effect of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg
from pgqueuer.queries import Queries

from models.row_scope import connect_across

_BATCH = 1_000  # timers that one statement sets


class TimerKind(StrEnum):
    """The kinds of timers; the values are the names of the stored jobs."""

    SLA_CLOCK = "sla_clock"
    PENDING_ESCALATION = "pending_escalation"
    DELIVERIES = "deliveries"
    DIGEST = "digest"
    ERASURE = "erasure"


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer of `kind` for the row `key`, due at the instant `at`."""

    kind: TimerKind
    key: UUID
    at: datetime


# Rows that wait for an instant without a job: of versions before timers, or of a backup without jobs. A job
# commits together with its row, so no running process can have one on its way.
_MISSING = """
SELECT kind, id, at - now() AS delay FROM (
    SELECT $1 AS kind, id, sla_next_at AS at FROM escalations WHERE sla_next_at IS NOT NULL
    UNION ALL
    SELECT $2, pending_escalations.id, fires_at FROM pending_escalations
    JOIN workspaces ON workspaces.id = workspace_id
    WHERE outcome = 'WAITING' AND NOT scratch
) AS due
WHERE NOT EXISTS (SELECT FROM pgqueuer WHERE entrypoint = kind AND payload = uuid_send(due.id))
"""


async def install_timers(url: str) -> None:
    """Upgrade pgqueuer's tables as their owner at `url`, and set the timers that are missing.

    It is safe from several processes concurrently: a second timer of a row does nothing.
    """
    connection = await connect_across(url, timeout=10)
    try:
        queries = Queries.from_asyncpg_connection(connection)
        await queries.upgrade()
        async with connection.transaction():
            missing = await connection.fetch(_MISSING, TimerKind.SLA_CLOCK, TimerKind.PENDING_ESCALATION)
            for start in range(0, len(missing), _BATCH):
                batch = missing[start : start + _BATCH]
                await queries.enqueue(
                    [row["kind"] for row in batch],
                    [row["id"].bytes for row in batch],
                    [0] * len(batch),
                    [row["delay"] for row in batch],
                )
    finally:
        await connection.close()


async def set_timers(connection: asyncpg.Connection, timers: Sequence[Timer]) -> None:
    """Write the timers in the connection's transaction."""
    # pgqueuer counts a job's delay from the start of the transaction.
    begun: datetime = await connection.fetchval("SELECT now()")
    await Queries.from_asyncpg_connection(connection).enqueue(
        [timer.kind.value for timer in timers],
        [timer.key.bytes for timer in timers],
        [0] * len(timers),
        [timer.at - begun for timer in timers],
    )
