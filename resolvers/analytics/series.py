"""Series of an AI agent's metrics: one point for each hour, day, week or month of a period."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from itertools import pairwise
from uuid import UUID

import numpy as np

from resolvers.analytics.blocks import SLOT, Block, Count, Ints, Items
from resolvers.analytics.facts import instant
from resolvers.analytics.periods import Period, check_timezone, series_borders
from resolvers.analytics.reading import open_reading
from resolvers.audit import record_export
from resolvers.context import Context
from resolvers.permissions import permitted
from resolvers.visibility import AGENT
from rules.analytics import BUCKETS, AnalyticsInterval, bucket_seconds, ratio
from rules.audit import AuditAction

# What a series is made of: the first counts of each cell, and some of its parts.
SERIES_COUNTS = Count.MISSED + 1
SERIES_PARTS = ("resolutions",)


@dataclass(frozen=True, slots=True)
class AnalyticsPoint:
    """One step of a series."""

    start: datetime
    conversations: int
    escalations: int
    escalation_rate: float | None
    sla_compliance: float | None
    median_resolution_seconds: float | None


@permitted("escalationAnalytics", AGENT)
async def analytics_series(
    context: Context,
    agent_id: UUID,
    period: Period,
    interval: AnalyticsInterval,
    timezone: str,
    cells: Block | None = None,
) -> list[AnalyticsPoint]:
    """Return the metrics of each step of a period; raises BadInputError.

    `cells` are those of the metrics. They are read again if a step begins within one.
    """
    borders = series_borders(period, interval, check_timezone(timezone))
    if cells is None or any(border % SLOT for border in borders[1:]):
        async with open_reading(context, agent_id, period) as reading:
            cells = await reading.block(SERIES_PARTS, cuts=borders, counted=SERIES_COUNTS)
    return await asyncio.to_thread(_points, cells, borders)


@permitted("GET /exports/analytics.csv", AGENT)
async def export_series(
    context: Context, agent_id: UUID, period: Period, interval: AnalyticsInterval, timezone: str
) -> list[AnalyticsPoint]:
    """Return the series for an export; raises BadInputError."""
    series = await analytics_series(context, agent_id, period, interval, timezone)
    await record_export(context, AuditAction.EXPORT_ANALYTICS)
    return series


def _points(block: Block, borders: list[int]) -> list[AnalyticsPoint]:
    # Cells are in order, so each step has a range of them, and of their items.
    begins = np.searchsorted(block.starts, np.array(borders[1:], np.int64))
    begins = np.concatenate([[0], begins, [len(block.starts)]])
    columns = [np.diff(block.total_before(Count(column))[begins]).tolist() for column in range(SERIES_COUNTS)]
    medians = _medians(block, begins)
    return [
        AnalyticsPoint(
            start=_start_of_step(start),
            conversations=row[Count.CONVERSATIONS],
            escalations=row[Count.ESCALATIONS],
            escalation_rate=ratio(row[Count.ESCALATED], row[Count.CONVERSATIONS]),
            sla_compliance=ratio(row[Count.MET], row[Count.MET] + row[Count.MISSED]),
            median_resolution_seconds=median,
        )
        for start, row, median in zip(borders, zip(*columns, strict=True), medians, strict=True)
    ]


# The steps of most series begin at the same midnights.
_start_of_step = lru_cache(maxsize=8_192)(instant)


def _medians(block: Block, begins: Ints) -> list[float | None]:
    """Return the median of each step; 0 is no duration."""
    assert block.resolutions is not None
    ends = block.total_before(Count.ESCALATIONS)[begins]
    # Short ranges of 16 bits are sorted ten times faster than all together: the sort is a radix sort.
    buckets = block.resolutions.astype(np.int16)
    firsts = ends[:-1].copy()
    for step, (begin, end) in enumerate(pairwise(ends.tolist())):
        durations = buckets[begin:end]
        durations.sort(kind="stable")
        firsts[step] += durations.searchsorted(1)
    counts = ends[1:] - firsts
    # A step without durations takes any place: it is left out below.
    places = np.stack([firsts + (counts - 1) // 2, firsts + counts // 2]).clip(0, max(len(buckets) - 1, 0))
    medians = _seconds_of_buckets()[buckets[places] if len(buckets) else places].mean(axis=0)
    return [
        median if count else None for median, count in zip(medians.tolist(), counts.tolist(), strict=True)
    ]


@cache
def _seconds_of_buckets() -> Items:
    return np.array([bucket_seconds(bucket) for bucket in range(BUCKETS)])
