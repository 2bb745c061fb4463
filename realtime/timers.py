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


async def install_timers(url: str) -> None:
    """Upgrade pgqueuer's tables as their owner at `url`; safe from several processes concurrently."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await Queries.from_asyncpg_connection(connection).upgrade()
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
