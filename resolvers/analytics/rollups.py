"""Upkeep of the roll-ups: changed quarters of an hour are packed into days, days are summed into months.

A change is noted by triggers of the database in the transaction that makes it. One process at a time takes
notes and rows from one snapshot: a change that it does not see has a note that it does not delete. So a
packed quarter without a note is exact.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np

from models.database import Database
from realtime.transaction import Transactions
from resolvers.analytics.blocks import (
    DAY,
    SLOT,
    Block,
    blank_day,
    join_blocks,
    pack_counts,
    pack_day,
    unpack_rows,
)
from resolvers.analytics.calibration import calibrate_all
from resolvers.analytics.facts import Fetch, instant, load_facts, micros
from resolvers.analytics.reading import next_month
from resolvers.analytics.totals import pack_totals, totals_of

SLOTS_AT_ONCE = 960
_COLUMNS = (
    "counts",
    "sums",
    "last_replies",
    "resolutions",
    "details",
    "assignees",
    "replies",
    "risks",
    "reviews",
)
_MONTH_COLUMNS = (
    "totals",
    "assignees",
    "assignee_counts",
    "reasons",
    "calibration",
    "counts",
    "last_replies",
    "resolutions",
    "risks",
    "reviews",
)
WAIT_SECONDS = 0.2

_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('baton analytics')) AS locked, clock_timestamp() AS now"
_TAKE = """
WITH taken AS (
    SELECT agent_id, slot FROM analytics_changes GROUP BY agent_id, slot ORDER BY agent_id, slot LIMIT $1
), deleted AS (
    DELETE FROM analytics_changes change USING taken
    WHERE change.agent_id = taken.agent_id AND change.slot = taken.slot
)
SELECT agents.workspace_id, taken.agent_id, taken.slot
FROM taken JOIN agents ON agents.id = taken.agent_id
JOIN workspaces ON workspaces.id = agents.workspace_id
WHERE NOT workspaces.scratch
"""
_DAYS = """
SELECT day, counts, sums, last_replies, resolutions, details, assignees, replies, risks, reviews
FROM analytics_days WHERE agent_id = $1 AND day = ANY($2)
"""
_STORE_DAY = """
INSERT INTO analytics_days (
    agent_id, day, counts, sums, last_replies, resolutions, details, assignees, replies, risks, reviews
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (agent_id, day) DO UPDATE SET counts = excluded.counts, sums = excluded.sums,
    last_replies = excluded.last_replies, resolutions = excluded.resolutions, details = excluded.details,
    assignees = excluded.assignees, replies = excluded.replies, risks = excluded.risks,
    reviews = excluded.reviews
"""
_OUTDATE = """
INSERT INTO analytics_months (
    agent_id, month, stale, totals, assignees, assignee_counts, reasons, calibration,
    counts, last_replies, resolutions, risks, reviews
)
SELECT $1, month, true, '', '{}', '', '', '', '', '', '', '', '' FROM unnest($2::date[]) AS month
ON CONFLICT (agent_id, month) DO UPDATE SET stale = true WHERE NOT analytics_months.stale
"""
_FORGET = "DELETE FROM analytics_changes WHERE agent_id = $1 AND slot >= $2 AND slot < $3"
_EVERY_DAY = """
SELECT days.workspace_id, days.agent_id, days.day FROM (
    SELECT workspace_id, agent_id, (created_at AT TIME ZONE 'UTC')::date AS day FROM conversations
    UNION SELECT workspace_id, agent_id, (created_at AT TIME ZONE 'UTC')::date FROM escalations
    UNION SELECT workspace_id, agent_id, (requested_at AT TIME ZONE 'UTC')::date FROM pending_escalations
    UNION SELECT workspace_id, agent_id, day FROM analytics_days JOIN agents ON agents.id = agent_id
) days JOIN workspaces ON workspaces.id = days.workspace_id
WHERE NOT workspaces.scratch ORDER BY days.agent_id, days.day
"""
_STALE_MONTHS = """
SELECT agent_id, month FROM analytics_months
WHERE stale AND (month + interval '1 month') AT TIME ZONE 'UTC' <= now() ORDER BY agent_id, month
"""
_MONTH = """
SELECT day, counts, sums, last_replies, resolutions, details, assignees, replies, risks, reviews
FROM analytics_days WHERE agent_id = $1 AND day >= $2 AND day < $3 ORDER BY day
"""
_STORE_MONTH = """
UPDATE analytics_months SET stale = false, totals = $3, assignees = $4, assignee_counts = $5, reasons = $6,
    calibration = $7, counts = $8, last_replies = $9, resolutions = $10, risks = $11, reviews = $12
WHERE agent_id = $1 AND month = $2
"""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """A transaction with one snapshot in which roll-ups are brought up to date."""

    fetch: Fetch
    now: int


@asynccontextmanager
async def _upkeep(transactions: Transactions) -> AsyncIterator[Upkeep | None]:
    """Begin a transaction for one process at a time; None while another has its turn.

    Raises SerializationError when another process has changed the same since: try again later.
    """
    async with transactions.begin() as tx:
        connection = await tx.session.connection()
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        (row,) = await driver.fetch(_LOCK)
        yield Upkeep(driver.fetch, micros(row["now"])) if row["locked"] else None


async def count_changes(database: Database, limit: int) -> int:
    """Return the number of notes, up to a limit."""
    statement = "SELECT count(*) AS notes FROM (SELECT FROM analytics_changes LIMIT $1) counted"
    (row,) = await database.fetch(statement, limit)
    return int(row["notes"])


async def refresh_rollups(transactions: Transactions) -> bool:
    """Pack quarters of an hour that have changed, some hundred at most; return whether there may be more."""
    taken: list[Any] = []
    with suppress(asyncpg.SerializationError):
        async with _upkeep(transactions) as upkeep:
            if upkeep is None:
                return False
            taken = await upkeep.fetch(_TAKE, SLOTS_AT_ONCE)
            slots: dict[tuple[UUID, UUID], list[int]] = defaultdict(list)
            for row in taken:
                slots[row["workspace_id"], row["agent_id"]].append(micros(row["slot"]))
            for (workspace_id, agent_id), changed in slots.items():
                await _pack_slots(upkeep, workspace_id, agent_id, changed)
    return len(taken) == SLOTS_AT_ONCE


async def _pack_slots(upkeep: Upkeep, workspace_id: UUID, agent_id: UUID, slots: Iterable[int]) -> None:
    pieces = [(slot, slot + SLOT) for slot in sorted(slots)]
    fresh = await load_facts(upkeep.fetch, workspace_id, agent_id, pieces, upkeep.now)
    starts = sorted({start - start % DAY for start, _ in pieces})
    existing = await upkeep.fetch(_DAYS, agent_id, [instant(start).date() for start in starts])
    packed = {_start_of(row["day"]): row for row in existing}
    for start in starts:
        in_day = (fresh.starts >= start) & (fresh.starts < start + DAY)
        part = fresh.keep(in_day)
        columns = await asyncio.to_thread(_repack, start, packed.get(start), part)
        values = [columns[name] for name in _COLUMNS]
        await upkeep.fetch(_STORE_DAY, agent_id, instant(start).date(), *values)
    months = {instant(start).date().replace(day=1) for start in starts}
    await upkeep.fetch(_OUTDATE, agent_id, sorted(months))


def _repack(start: int, packed: Any, fresh: Block) -> dict[str, Any]:
    """Return a day's columns with the cells of `fresh` in the place of its own."""
    day = _unpack_day(start, packed)
    kept = day.keep(~np.isin(day.starts, fresh.starts))
    return pack_day(kept.merge(fresh))


async def refresh_months(transactions: Transactions) -> int:
    """Sum the months that are over and have changed; return how many."""
    summed = 0
    for agent_id, month in await stale_months(transactions):
        summed += await sum_month(transactions, agent_id, month)
    return summed


async def stale_months(transactions: Transactions) -> list[tuple[UUID, date]]:
    """Return the months that are over and have changed since they were summed, by AI agent."""
    async with transactions.begin() as tx:
        connection = await tx.session.connection()
        result = await connection.exec_driver_sql(_STALE_MONTHS)
        return [(row.agent_id, row.month) for row in result]


async def sum_month(transactions: Transactions, agent_id: UUID, month: date) -> bool:
    """Sum the days of a month; return False while another process has its turn."""
    summed = False
    with suppress(asyncpg.SerializationError):
        async with _upkeep(transactions) as upkeep:
            if upkeep is None:
                return False
            rows = await upkeep.fetch(_MONTH, agent_id, month, next_month(month))
            columns = await asyncio.to_thread(_sum_days, month, rows)
            await upkeep.fetch(_STORE_MONTH, agent_id, month, *(columns[name] for name in _MONTH_COLUMNS))
        summed = True
    return summed


def _sum_days(month: date, rows: list[Any]) -> dict[str, Any]:
    """Return the columns of a month: its totals, and the arrays of its days one after the other."""
    first, end = _start_of(month), _start_of(next_month(month))
    existing = {_start_of(row["day"]): row for row in rows}
    block = join_blocks([_unpack_day(start, existing.get(start)) for start in range(first, end, DAY)])
    assert block.last_replies is not None
    assert block.resolutions is not None
    assert block.risks is not None
    assert block.reviews is not None
    return {
        **pack_totals(totals_of(block)),
        "calibration": calibrate_all(block),
        "counts": pack_counts(block),
        "last_replies": block.last_replies.tobytes(),
        "resolutions": block.resolutions.tobytes(),
        "risks": block.risks.tobytes(),
        "reviews": block.reviews.tobytes(),
    }


def _unpack_day(start: int, row: Any) -> Block:
    if row is None:
        return blank_day(start)
    return unpack_rows([(start, 1)], {name: [row[name]] for name in _COLUMNS})


def _start_of(day: date) -> int:
    return micros(datetime.fromisoformat(f"{day.isoformat()}T00:00:00+00:00"))


async def days_to_rebuild(transactions: Transactions) -> list[tuple[UUID, UUID, date]]:
    """Return workspace, AI agent and day, for every day that has rows or a roll-up."""
    async with transactions.begin() as tx:
        connection = await tx.session.connection()
        result = await connection.exec_driver_sql(_EVERY_DAY)
        return [(row.workspace_id, row.agent_id, row.day) for row in result]


async def rebuild_day(transactions: Transactions, workspace_id: UUID, agent_id: UUID, day: date) -> None:
    """Pack a day from its rows, whatever was packed; wait while another process has its turn."""
    start = _start_of(day)
    while True:
        with suppress(asyncpg.SerializationError):
            async with _upkeep(transactions) as upkeep:
                if upkeep is not None:
                    await upkeep.fetch(_FORGET, agent_id, instant(start), instant(start + DAY))
                    await _pack_slots(upkeep, workspace_id, agent_id, range(start, start + DAY, SLOT))
            if upkeep is not None:
                return
        await asyncio.sleep(WAIT_SECONDS)
