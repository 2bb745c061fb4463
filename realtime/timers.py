"""
Timers: what is to happen later, as jobs of pgqueuer that are written in the act that asks for them.

A timer carries the key of what it is about. Who runs it reads the truth anew, so a timer that has become
stale does nothing, and one that runs twice does what it does once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import cast
from uuid import UUID

import asyncpg
from pgqueuer.ports.driver import Driver
from pgqueuer.queries import Queries
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession


class TimerKind(StrEnum):
    """What is to be done; the words are the names of the jobs."""

    SLA_CLOCK = "sla_clock"
    PENDING_ESCALATION = "pending_escalation"
    DELIVERIES = "deliveries"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Timer:
    """At the instant `at`, what `kind` says is due for the row `key`."""

    kind: TimerKind
    key: UUID
    at: datetime


async def install_timers(url: str) -> None:
    """Brings pgqueuer's tables up to its version, as the owner of the tables at `url`; safe to do at once."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await Queries.from_asyncpg_connection(connection).upgrade()
    finally:
        await connection.close()


async def set_timers(session: AsyncSession, timers: Sequence[Timer]) -> None:
    """Writes the timers in the session's transaction: they exist when it commits, and not otherwise."""
    # A job's delay counts from the transaction's start, however long ago that is.
    begun: datetime = (await session.execute(select(func.now()))).scalar_one()
    await Queries(cast(Driver, _SessionDriver(session))).enqueue(
        [timer.kind.value for timer in timers],
        [timer.key.bytes for timer in timers],
        [0] * len(timers),
        [timer.at - begun for timer in timers],
    )


class _SessionDriver:
    """What pgqueuer writes by, on a session: what it writes is part of the session's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """The rows of a query with $1, $2 …"""
        connection = await self._session.connection()
        found = await connection.exec_driver_sql(query, args)
        return [{str(name): value for name, value in row.items()} for row in found.mappings()]
