"""Metrics of an AI agent over a period: `escalationAnalytics`."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np

from resolvers.actor import Actor, ActorKind
from resolvers.analytics.blocks import (
    OUTCOMES,
    OWN_REASON,
    PRIORITIES,
    REASON_TRIGGER,
    REVIEWS,
    SLOT,
    TRIGGERS,
    Block,
    Count,
    Duration,
    Ints,
)
from resolvers.analytics.facts import Fetch, instant, reason_hash
from resolvers.analytics.periods import Period, check_period
from resolvers.analytics.reading import (
    Reading,
    block_of_months,
    first_counts,
    open_reading,
    select_parts,
)
from resolvers.analytics.series import SERIES_COUNTS, SERIES_PARTS
from resolvers.analytics.totals import Totals, add_totals, totals_of, totals_of_months
from resolvers.context import Context, Services
from resolvers.errors import NotFoundError
from resolvers.permissions import permitted
from resolvers.validation import check_range
from resolvers.visibility import AGENT
from rules.analytics import (
    BUCKETS,
    SECOND,
    Review,
    percentile_seconds,
    ratio,
)
from rules.escalation import EscalationTrigger, Priority
from rules.roles import Scope
from rules.sla_clock import SlaOutcome
from rules.triggers import REASONS

MOST_REASONS = 100
_MET, _MISSED = OUTCOMES.index(SlaOutcome.MET), OUTCOMES.index(SlaOutcome.MISSED)
_NEEDED, _NOT_NEEDED = REVIEWS.index(Review.NEEDED), REVIEWS.index(Review.NOT_NEEDED)
_MONTH_COLUMNS = "totals, assignees, assignee_counts, reasons"
_DAY_COLUMNS = ("sums", "resolutions", "details")
_SAMPLES = """
SELECT DISTINCT e.trigger, e.reason
FROM unnest($3::timestamptz[], $4::timestamptz[]) AS range (start, stop)
CROSS JOIN LATERAL (
    SELECT trigger, reason FROM escalations
    WHERE workspace_id = $1 AND agent_id = $2 AND created_at >= range.start AND created_at < range.stop
    OFFSET 0
) e
"""


@dataclass(frozen=True, slots=True)
class DurationStats:
    """Durations in seconds, elapsed and within business hours; None when there are none."""

    count: int
    average: float | None
    median: float | None
    p90: float | None
    p95: float | None
    average_business: float | None
    median_business: float | None
    p90_business: float | None


@dataclass(frozen=True, slots=True)
class TriggerCount:
    """Escalations of one trigger."""

    trigger: EscalationTrigger
    count: int
    share: float
    dispositions: int
    false_positive_rate: float | None


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """Escalations of one reason."""

    reason: str
    trigger: EscalationTrigger
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class AssigneeCount:
    """Escalations of one assignee; None for those without."""

    assignee_id: UUID | None
    count: int
    median_first_response: float | None
    sla_compliance: float | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of a period, computed from its totals; `cells` are what a series is made of, if read."""

    agent_id: UUID
    period: Period
    totals: Totals
    cells: Block | None = None

    def count(self, count: Count) -> int:
        """Return one of the counts."""
        return int(self.totals.counts[count])

    @property
    def escalation_rate(self) -> float | None:
        """Share of the counted conversations that were escalated."""
        return ratio(self.count(Count.ESCALATED), self.count(Count.CONVERSATIONS))

    @property
    def averted_rate(self) -> float | None:
        """Share of the uncertain replies that waited whose delay ended without an escalation."""
        return ratio(self.count(Count.AVERTED), self.count(Count.WAITED))

    @property
    def sla(self) -> dict[SlaOutcome, int]:
        """Escalations by the outcome of their clock."""
        counts = self.totals.by_kind().sum(axis=(0, 1, 3, 4))
        return dict(zip(OUTCOMES, map(int, counts), strict=True))

    @property
    def sla_compliance(self) -> float | None:
        """Share of the clocks that were met or missed which were met."""
        sla = self.sla
        return ratio(sla[SlaOutcome.MET], sla[SlaOutcome.MET] + sla[SlaOutcome.MISSED])

    @property
    def false_positive_rate(self) -> float | None:
        """Share of the reviewed escalations that were not needed."""
        return _false_positives(self.totals.by_kind().sum(axis=(0, 1, 2, 4)))

    @property
    def disposition_coverage(self) -> float | None:
        """Share of the resolved escalations that were reviewed."""
        resolved = self.totals.by_kind()[..., 1].sum(axis=(0, 1, 2))
        return ratio(int(resolved[[_NEEDED, _NOT_NEEDED]].sum()), int(resolved.sum()))

    def durations(self, elapsed: Duration, business: Duration) -> DurationStats:
        """Return the statistics of a duration."""
        totals = self.totals
        ends, business_ends = _ends(totals.histograms[elapsed]), _ends(totals.histograms[business])
        return DurationStats(
            count=ends[-1],
            average=ratio(int(totals.sums[elapsed]), ends[-1] * SECOND),
            median=percentile_seconds(ends, 50),
            p90=percentile_seconds(ends, 90),
            p95=percentile_seconds(ends, 95),
            average_business=ratio(int(totals.sums[business]), business_ends[-1] * SECOND),
            median_business=percentile_seconds(business_ends, 50),
            p90_business=percentile_seconds(business_ends, 90),
        )

    @property
    def by_trigger(self) -> list[TriggerCount]:
        """Triggers that raised an escalation, the most frequent first."""
        kinds, total = self.totals.by_kind(), self.count(Count.ESCALATIONS)
        result = []
        for place, trigger in enumerate(TRIGGERS):
            count = int(kinds[place].sum())
            reviews = kinds[place].sum(axis=(0, 1, 3))
            dispositions = int(reviews[[_NEEDED, _NOT_NEEDED]].sum())
            if count:
                rate = _false_positives(reviews)
                result.append(TriggerCount(trigger, count, count / total, dispositions, rate))
        return sorted(result, key=lambda item: -item.count)

    @property
    def by_priority(self) -> list[tuple[Priority, int]]:
        """Priorities that an escalation has, the highest first."""
        counts = self.totals.by_kind().sum(axis=(0, 2, 3, 4)).tolist()
        return [(priority, count) for priority, count in zip(PRIORITIES, counts, strict=True) if count][::-1]

    @property
    def by_assignee(self) -> list[AssigneeCount]:
        """Assignees that an escalation has, the busiest first."""
        result = []
        for member, row in zip(self.totals.assignees, self.totals.responses, strict=True):
            met, missed = (int(row[BUCKETS + place]) for place in (_MET, _MISSED))
            median = percentile_seconds(_ends(row[:BUCKETS]), 50)
            if count := int(row[:BUCKETS].sum()):
                result.append(AssigneeCount(member, count, median, ratio(met, met + missed)))
        return sorted(result, key=lambda item: (-item.count, str(item.assignee_id)))


def _ends(buckets: Ints) -> list[int]:
    """Return the running totals of the buckets that hold durations."""
    ends: list[int] = np.cumsum(buckets[1:]).tolist()
    return ends


def _false_positives(reviews: Ints) -> float | None:
    return ratio(int(reviews[_NOT_NEEDED]), int(reviews[[_NEEDED, _NOT_NEEDED]].sum()))


@permitted("escalationAnalytics", AGENT)
async def escalation_analytics(
    context: Context, agent_id: UUID, start: datetime, end: datetime, *, with_cells: bool = False
) -> Metrics:
    """Return the metrics of an AI agent over a period; raises BadInputError.

    `with_cells` reads what a series needs in the same snapshot.
    """
    period = check_period(start, end)
    async with open_reading(context, agent_id, period) as reading:
        return await _metrics(reading, with_cells)


async def _metrics(reading: Reading, with_cells: bool = False) -> Metrics:
    columns = (
        f"{_MONTH_COLUMNS}, {first_counts(SERIES_COUNTS)}, resolutions" if with_cells else _MONTH_COLUMNS
    )
    months = await reading.months(columns)
    block = await reading.block(_DAY_COLUMNS, without=months)

    def compute() -> Metrics:
        totals = add_totals(totals_of(block), totals_of_months(list(months.values())))
        cells = None
        if with_cells:
            of_days = select_parts(block, SERIES_PARTS, SERIES_COUNTS)
            cells = block_of_months(months, SERIES_PARTS, SERIES_COUNTS).merge(of_days)
        return Metrics(reading.agent_id, reading.period, totals, cells)

    return await asyncio.to_thread(compute)


@permitted("escalationAnalytics", AGENT)
async def top_reasons(context: Context, agent_id: UUID, metrics: Metrics, limit: int) -> list[ReasonCount]:
    """Return the most frequent reasons of the period; raises BadInputError for a limit over 100."""
    check_range("limit", limit, 1, MOST_REASONS)
    scope = context.actor.workspace_id, agent_id
    result = await _reasons(context.services.database.fetch, scope, metrics.totals, limit)
    if result is None:
        # A reason has changed since the metrics were read: read both in one snapshot.
        async with open_reading(context, agent_id, metrics.period) as reading:
            totals = (await _metrics(reading)).totals
            result = await _reasons(reading.fetch, scope, totals, limit)
    return result or []


async def _reasons(
    fetch: Fetch, scope: tuple[UUID, UUID], totals: Totals, limit: int
) -> list[ReasonCount] | None:
    """Return the most frequent reasons, or None when the text of one is not found."""
    usual = totals.by_kind().sum(axis=(1, 2, 3, 4))
    places = (totals.reasons["hash"] & REASON_TRIGGER).astype(np.int64) - OWN_REASON
    usual = usual - np.bincount(places, totals.reasons["count"], minlength=len(TRIGGERS)).astype(np.int64)
    counts = {
        (TRIGGERS[place], REASONS[TRIGGERS[place]]): int(usual[place]) for place in np.flatnonzero(usual)
    }
    own = totals.reasons[np.argsort(-totals.reasons["count"], kind="stable")][:limit]
    texts = await _texts(fetch, scope, own["sample"].tolist())
    for key, count in zip(own["hash"].tolist(), own["count"].tolist(), strict=True):
        if key not in texts:
            return None
        counts[texts[key]] = count
    total = int(totals.counts[Count.ESCALATIONS])
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0][1], TRIGGERS.index(item[0][0])))
    ranked = ranked[:limit]
    return [ReasonCount(reason, trigger, count, count / total) for (trigger, reason), count in ranked]


async def _texts(
    fetch: Fetch, scope: tuple[UUID, UUID], samples: list[int]
) -> dict[int, tuple[EscalationTrigger, str]]:
    """Return trigger and reason by their hash, of the escalations near some instants."""
    if not samples:
        return {}
    ranges = [instant(at) for at in samples], [instant(at + SLOT) for at in samples]
    rows = await fetch(_SAMPLES, *scope, *ranges)
    return {
        reason_hash(row["trigger"], row["reason"]): (EscalationTrigger(row["trigger"]), row["reason"])
        for row in rows
    }


async def operator_context(services: Services, agent_id: UUID) -> Context:
    """Return the context of the server's operator for an AI agent; raises NotFoundError."""
    result = await services.database.fetch("SELECT workspace_id FROM agents WHERE id = $1", agent_id)
    if not result:
        raise NotFoundError("AI agent")
    scopes = frozenset({Scope.ANALYTICS_READ})
    return Context(services, Actor(ActorKind.API_KEY, result[0]["workspace_id"], scopes))
