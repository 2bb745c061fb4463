"""Reading the analytics of a period: whole months, days, and the rows themselves, all in one snapshot.

Each level is exact or is not used. A month that is stale is read by its days. A quarter of an hour that has
changed since it was packed, and a piece at the end of a period, are read from the rows. So a write is seen
immediately.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np

from resolvers.analytics.blocks import (
    SLOT,
    Block,
    Count,
    Ints,
    empty_block,
    unpack_rows,
)
from resolvers.analytics.facts import EPOCH, Fetch, Piece, instant, load_facts, micros
from resolvers.analytics.periods import Period
from resolvers.context import Context
from resolvers.errors import NotFoundError
from resolvers.visibility import AGENT
from rules.analytics import SECOND

# A clock that ran out and has not been announced yet counts as missed, so its quarter is read from the rows.
_STATE = """
SELECT now() AS now, workspace_id,
    ARRAY(
        SELECT slot FROM analytics_changes
        WHERE agent_id = $2 AND slot > $3::timestamptz - interval '15 minutes' AND slot < $4
        UNION
        SELECT date_bin('15 minutes', created_at, timestamptz 'epoch') FROM escalations
        WHERE workspace_id = $1 AND agent_id = $2 AND created_at >= $3 AND created_at < $4
            AND sla_stopped_at IS NULL AND sla_status IN ('ON_TRACK', 'AT_RISK') AND sla_due_at <= now()
    ) AS changed
FROM agents WHERE id = $2 AND workspace_id = $1
"""

# Parts for which the messages are read.
_OF_REPLIES = frozenset({"last_replies", "replies", "risks", "reviews"})
# Parts that months have, too.
_OF_MONTHS = frozenset({"last_replies", "resolutions", "risks", "reviews"})


@dataclass(frozen=True, slots=True)
class Reading:
    """One snapshot of an AI agent's analytics over a period."""

    fetch: Fetch
    workspace_id: UUID
    agent_id: UUID
    period: Period
    now: int
    changed: frozenset[int]

    async def months(self, columns: str) -> dict[date, Any]:
        """Return `columns` of the whole months in the period whose totals are current, by their first day."""
        first, last = _date(self.period.start), _date(self.period.end)
        result = await self.fetch(
            f"SELECT month, {columns} FROM analytics_months "  # noqa: S608 - names of columns, from the code
            "WHERE agent_id = $1 AND month >= $2 AND month < $3 AND NOT stale",
            self.agent_id,
            first,
            last,
        )
        changed = {_date(slot).replace(day=1) for slot in self.changed}
        return {
            row["month"]: row
            for row in result
            if row["month"] not in changed
            and _start(row["month"]) >= self.period.start
            and _start(next_month(row["month"])) <= self.period.end
        }

    async def block(
        self,
        names: Sequence[str],
        *,
        cuts: Iterable[int] = (),
        without: Iterable[date] = (),
        delay_seconds: int | None = None,
        counted: int = len(Count),
    ) -> Block:
        """Return the block of the period with the parts in `names`, without some whole months.

        No cell reaches over one of `cuts`. With `delay_seconds`, cells whose replies are younger than that
        are read from the rows and judged by the time now. `counted` limits the counts to the first ones.
        """
        months = sorted(without)
        packed = await self._packed(names, months, counted)
        raw = self._raw_slots(cuts)
        if delay_seconds is not None and packed.last_replies is not None:
            recent = packed.last_replies > self.now - delay_seconds * SECOND
            raw |= set(packed.starts[recent].tolist())
        covered = [(_start(month), _start(next_month(month))) for month in months]
        raw = {slot for slot in raw if not any(begin <= slot < end for begin, end in covered)}
        inside = (packed.starts >= self.period.start) & (packed.starts + SLOT <= self.period.end)
        inside[_places(packed.starts, raw)] = False
        kept = packed.keep(inside)
        pieces = self._pieces(sorted(raw), sorted(cuts))
        if not pieces:
            return kept
        rows = await load_facts(
            self.fetch,
            self.workspace_id,
            self.agent_id,
            pieces,
            self.now,
            with_replies=not _OF_REPLIES.isdisjoint(names),
            judge_by_now=delay_seconds is not None,
        )
        return kept.merge(select_parts(rows, names, counted))

    async def _packed(self, names: Sequence[str], without: list[date], counted: int) -> Block:
        """Return what is packed of all days of the period, from months where they have it."""
        selected = ["counts", *names, *(["assignees"] if "details" in names else [])]
        texts = [first_counts(counted) if name == "counts" else name for name in selected]
        given = self.agent_id, _date(self.period.start), _date(self.period.end)
        months: list[Any] = []
        if _OF_MONTHS.issuperset(names):
            months = await self.fetch(
                f"SELECT month AS first, {', '.join(texts)} FROM analytics_months "  # noqa: S608 - names of columns, from the code
                "WHERE agent_id = $1 AND month >= date_trunc('month', $2::date) AND month <= $3 "
                "AND NOT stale",
                *given,
            )
        days = await self.fetch(
            f"SELECT day AS first, {', '.join(texts)} FROM analytics_days "  # noqa: S608 - names of columns, from the code
            "WHERE agent_id = $1 AND day >= $2 AND day <= $3 "
            "AND NOT date_trunc('month', day)::date = ANY($4)",
            *given,
            [*without, *(row["first"] for row in months)],
        )
        if not months and not days:
            return empty_block(names, counted)
        spans = [(row["first"], (next_month(row["first"]) - row["first"]).days) for row in months]
        spans += [(row["first"], 1) for row in days]
        rows = sorted(zip(spans, [*months, *days], strict=True), key=lambda pair: pair[0])
        return unpack_rows(
            [(_start(first), length) for (first, length), _ in rows],
            {column: [row[column] for _, row in rows] for column in selected},
            counted,
        )

    def _raw_slots(self, cuts: Iterable[int]) -> set[int]:
        edges = [self.period.start, self.period.end, *cuts]
        slots = {edge - edge % SLOT for edge in edges if edge % SLOT}
        return {
            slot
            for slot in slots | self.changed
            if slot + SLOT > self.period.start and slot < self.period.end
        }

    def _pieces(self, slots: Sequence[int], cuts: Sequence[int]) -> list[Piece]:
        inner = np.array(cuts, np.int64)
        pieces: list[Piece] = []
        for slot in slots:
            begin, end = max(slot, self.period.start), min(slot + SLOT, self.period.end)
            within = inner[np.searchsorted(inner, begin, "right") : np.searchsorted(inner, end, "left")]
            borders = [begin, *map(int, within), end]
            pieces += pairwise(borders)
        return pieces


@asynccontextmanager
async def open_reading(context: Context, agent_id: UUID, period: Period) -> AsyncIterator[Reading]:
    """Open a snapshot; raises NotFoundError for an AI agent that the caller may not see.

    Raises QueryTooSlowError if a query takes too long.
    """
    workspace_id = context.actor.workspace_id
    with context.list_database("Choose a shorter period.") as database:
        async with database.snapshot() as fetch:
            result = await fetch(_STATE, workspace_id, agent_id, instant(period.start), instant(period.end))
            if not result:
                raise NotFoundError(AGENT.name)
            (row,) = result
            changed = frozenset(map(micros, row["changed"]))
            yield Reading(fetch, workspace_id, agent_id, period, micros(row["now"]), changed)


def next_month(month: date) -> date:
    """Return the first day of the month after one."""
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def first_counts(counted: int) -> str:
    """Return the column of the first counts, in SQL."""
    return f"substr(counts, 1, length(counts) / {len(Count)} * {counted}) AS counts"


def _places(starts: Ints, slots: Iterable[int]) -> Ints:
    """Return where slots are among starts, in rising order; those that are not there are left out."""
    wanted = _ints(slots)
    places = np.searchsorted(starts, wanted)
    there = places < len(starts)
    places, wanted = places[there], wanted[there]
    result: Ints = places[starts[places] == wanted]
    return result


def select_parts(block: Block, names: Sequence[str], counted: int) -> Block:
    """Return the parts of a block in `names`, and its first counts."""
    members = block.assignees if "details" in names else ()
    kept = {name: getattr(block, name) for name in names}
    return Block(block.starts, block.counts[:, :counted], assignees=members, **kept)


def block_of_months(months: Mapping[date, Any], names: Sequence[str], counted: int) -> Block:
    """Return the block of months, given by their rows."""
    if not months:
        return empty_block(names, counted)
    first = sorted(months)
    return unpack_rows(
        [(_start(month), (next_month(month) - month).days) for month in first],
        {column: [months[month][column] for month in first] for column in ("counts", *names)},
        counted,
    )


def _date(at: int) -> date:
    return instant(at).date()


def _start(day: date) -> int:
    return micros(datetime(day.year, day.month, day.day, tzinfo=EPOCH.tzinfo))


def _ints(values: Iterable[int]) -> Ints:
    return np.array(sorted(values), np.int64)
