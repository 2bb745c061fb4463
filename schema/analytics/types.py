"""Types of the analytics."""

from datetime import datetime
from typing import cast
from uuid import UUID

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.utils.await_maybe import AwaitableOrValue

from resolvers.analytics import calibration, metrics, what_if
from resolvers.analytics.blocks import Count, Duration
from resolvers.analytics.facts import instant
from resolvers.analytics.series import analytics_series
from resolvers.pagination import LISTED
from rules.analytics import AnalyticsInterval
from rules.escalation import EscalationTrigger, Priority
from rules.sla_clock import SlaOutcome
from rules.typeid import MEMBER
from schema.context import Info, sync_or_async_field
from schema.nodes import load_optional_node
from schema.team.member import TeamMember

_INTERVALS = {
    AnalyticsInterval.HOUR: "Hours of local time.",
    AnalyticsInterval.DAY: "Days of local time, from midnight.",
    AnalyticsInterval.WEEK: "Weeks of local time, from Monday.",
    AnalyticsInterval.MONTH: "Months of local time, from their first day.",
}
_WITHIN = "Within 1 %: it comes from a logarithmic histogram."


def _described_enum() -> None:
    strawberry.enum(AnalyticsInterval)
    definition: StrawberryEnumDefinition = AnalyticsInterval.__strawberry_definition__  # type: ignore[attr-defined] # strawberry.enum adds it
    for value in definition.values:
        value.description = _INTERVALS[AnalyticsInterval(value.name)]


_described_enum()


@strawberry.type
class DurationStats:
    """Durations of the escalations that have the end point, in elapsed and in business seconds.

    Business seconds count by the calendar that is kept with each escalation. Averages are exact. Percentiles
    are within 1 %, because they come from logarithmic histograms that can be added up; between two ranks they
    are interpolated.
    """

    count: int = strawberry.field(description="Number of escalations that have the end point.")
    average_seconds: float | None = strawberry.field(description="Exact average of the elapsed time.")
    median_seconds: float | None = strawberry.field(description=f"Median elapsed time. {_WITHIN}")
    p90_seconds: float | None = strawberry.field(description=f"90th percentile, elapsed. {_WITHIN}")
    p95_seconds: float | None = strawberry.field(description=f"95th percentile, elapsed. {_WITHIN}")
    average_business_seconds: float | None = strawberry.field(
        description="Exact average within business hours."
    )
    median_business_seconds: float | None = strawberry.field(
        description=f"Median within business hours. {_WITHIN}"
    )
    p90_business_seconds: float | None = strawberry.field(
        description=f"90th percentile within business hours. {_WITHIN}"
    )

    @classmethod
    def of(cls, stats: metrics.DurationStats) -> "DurationStats":
        """Return the type for computed statistics."""
        return cls(
            count=stats.count,
            average_seconds=stats.average,
            median_seconds=stats.median,
            p90_seconds=stats.p90,
            p95_seconds=stats.p95,
            average_business_seconds=stats.average_business,
            median_business_seconds=stats.median_business,
            p90_business_seconds=stats.p90_business,
        )


@strawberry.type
class OutcomeCounts:
    """Outcomes of the counted conversations; every conversation has exactly one."""

    resolved_by_ai: int = strawberry.field(description="Never escalated.")
    escalated_resolved: int = strawberry.field(description="Escalated, and no escalation is active now.")
    escalated_open: int = strawberry.field(description="An escalation is active now.")


@strawberry.type
class SlaCounts:
    """Escalations by the outcome of their first-response clock, as of now."""

    met: int = strawberry.field(description="Answered before the due time.")
    missed: int = strawberry.field(description="Past the due time without an answer.")
    cancelled: int = strawberry.field(description="Resolved without an answer before the due time.")
    running: int = strawberry.field(description="Unanswered, and not due yet.")


@strawberry.type
class ReasonCount:
    """Escalations of one reason."""

    reason: str = strawberry.field(description="The caller's words for API, otherwise the trigger's name.")
    trigger: EscalationTrigger = strawberry.field(description="The trigger that raised them.")
    count: int = strawberry.field(description="Number of escalations.")
    share: float = strawberry.field(description="Their share of all escalations of the period, 0 to 1.")


@strawberry.type
class TriggerCount:
    """Escalations of one trigger."""

    trigger: EscalationTrigger = strawberry.field(description="The trigger that raised them.")
    count: int = strawberry.field(description="Number of escalations.")
    share: float = strawberry.field(description="Their share of all escalations of the period, 0 to 1.")
    dispositions: int = strawberry.field(
        description="Number of them with a disposition: what the rate rests on."
    )
    false_positive_rate: float | None = strawberry.field(
        description="Of those with a disposition, the share that was not needed."
    )


@strawberry.type
class PriorityCount:
    """Escalations of one priority."""

    priority: Priority = strawberry.field(description="The priority that they have now.")
    count: int = strawberry.field(description="Number of escalations.")


@strawberry.type
class AssigneeCount:
    """Escalations of one assignee."""

    assignee_key: strawberry.Private[UUID | None]
    count: int = strawberry.field(description="Number of escalations.")
    median_first_response_seconds: float | None = strawberry.field(
        description=f"Median elapsed time until the first human reply. {_WITHIN}"
    )
    sla_compliance: float | None = strawberry.field(description="MET over MET + MISSED, 0 to 1.")

    @sync_or_async_field(TeamMember | None)
    def assignee(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """Team member to whom they are assigned now; null for those without an assignee."""
        return load_optional_node(info, MEMBER, self.assignee_key)


@strawberry.type
class AnalyticsPoint:
    """One step of a series. Conversations count by their start, escalations by their creation."""

    start: datetime = strawberry.field(
        description="Start of the step in local time; that of the first step may be before the period."
    )
    conversations: int = strawberry.field(description="Counted conversations.")
    escalations: int = strawberry.field(description="Escalations.")
    escalation_rate: float | None = strawberry.field(description="Escalated over counted conversations.")
    sla_compliance: float | None = strawberry.field(description="MET over MET + MISSED, 0 to 1.")
    median_resolution_seconds: float | None = strawberry.field(
        description=f"Median elapsed time to the resolution. {_WITHIN}"
    )


@strawberry.type
class EscalationAnalytics:
    """Metrics of one AI agent over [from, to).

    Conversations count by their start, escalations by their creation. A ratio over nothing is null, not zero.
    """

    result: strawberry.Private[metrics.Metrics]
    from_: datetime = strawberry.field(name="from", description="Start of the period.")
    to: datetime = strawberry.field(description="End of the period, exclusive.")
    conversations: int = strawberry.field(
        description="Conversations with at least one AI reply or an AI-raised escalation."
    )
    escalated_conversations: int = strawberry.field(
        description="Those of them that have been escalated, whenever that was."
    )
    escalations: int = strawberry.field(description="Escalations created in the period.")
    escalation_rate: float | None = strawberry.field(
        description="escalatedConversations over conversations, 0 to 1."
    )
    sla_compliance: float | None = strawberry.field(
        description="MET over MET + MISSED, 0 to 1; CANCELLED and RUNNING clocks are left out."
    )
    false_positive_rate: float | None = strawberry.field(
        description="Of the escalations with a disposition, the share that was not needed."
    )
    disposition_coverage: float | None = strawberry.field(
        description="Share of resolved escalations that carry a disposition."
    )
    averted_rate: float | None = strawberry.field(
        description="Uncertain replies whose delay ended without an escalation, over all that waited."
    )

    @classmethod
    def of(cls, result: metrics.Metrics) -> "EscalationAnalytics":
        """Return the type for computed metrics."""
        return cls(
            result=result,
            from_=instant(result.period.start),
            to=instant(result.period.end),
            conversations=result.count(Count.CONVERSATIONS),
            escalated_conversations=result.count(Count.ESCALATED),
            escalations=result.count(Count.ESCALATIONS),
            escalation_rate=result.escalation_rate,
            sla_compliance=result.sla_compliance,
            false_positive_rate=result.false_positive_rate,
            disposition_coverage=result.disposition_coverage,
            averted_rate=result.averted_rate,
        )

    @strawberry.field
    def resolution_time(self) -> DurationStats:
        """The time from the creation to the resolution."""
        durations = self.result.durations(Duration.RESOLUTION, Duration.RESOLUTION_BUSINESS)
        return DurationStats.of(durations)

    @strawberry.field
    def first_response_time(self) -> DurationStats:
        """The time from the creation to the first reply by a person."""
        return DurationStats.of(self.result.durations(Duration.RESPONSE, Duration.RESPONSE_BUSINESS))

    @strawberry.field
    def sla(self) -> SlaCounts:
        """The outcomes of the first-response clocks."""
        return SlaCounts(**{outcome.lower(): self.result.sla[outcome] for outcome in SlaOutcome})

    @strawberry.field
    def outcomes(self) -> OutcomeCounts:
        """The outcomes of conversations: every counted conversation is in exactly one of these."""
        escalated, active = self.result.count(Count.ESCALATED), self.result.count(Count.ACTIVE)
        return OutcomeCounts(
            resolved_by_ai=self.conversations - escalated,
            escalated_resolved=escalated - active,
            escalated_open=active,
        )

    @strawberry.field
    async def top_reasons(
        self,
        info: Info,
        limit: int | None = 10,
    ) -> list[ReasonCount]:
        """The most frequent reasons."""
        wanted = 10 if limit is None else limit
        result = await metrics.top_reasons(info.context, self.result.agent_id, self.result, wanted)
        return [
            ReasonCount(reason=item.reason, trigger=item.trigger, count=item.count, share=item.share)
            for item in result
        ]

    @strawberry.field
    def by_trigger(self) -> list[TriggerCount]:
        """Escalations by the trigger that raised them, the most frequent first."""
        return [
            TriggerCount(
                trigger=item.trigger,
                count=item.count,
                share=item.share,
                dispositions=item.dispositions,
                false_positive_rate=item.false_positive_rate,
            )
            for item in self.result.by_trigger
        ]

    @strawberry.field
    def by_priority(self) -> list[PriorityCount]:
        """Escalations by priority, the highest first."""
        return [PriorityCount(priority=priority, count=count) for priority, count in self.result.by_priority]

    @strawberry.field
    def by_assignee(self) -> list[AssigneeCount]:
        """Escalations by assignee, the 100 busiest first."""
        return [
            AssigneeCount(
                assignee_key=item.assignee_id,
                count=item.count,
                median_first_response_seconds=item.median_first_response,
                sla_compliance=item.sla_compliance,
            )
            for item in self.result.by_assignee[:LISTED]
        ]

    @strawberry.field
    async def series(
        self,
        info: Info,
        interval: AnalyticsInterval = AnalyticsInterval.DAY,
        timezone: str = "UTC",
    ) -> list[AnalyticsPoint]:
        """The metrics step by step, at most 2,000 steps; steps without data are included."""
        result = self.result
        points = await analytics_series(
            info.context, result.agent_id, result.period, interval, timezone, result.cells
        )
        # They have the same attributes; there may be two thousand of them.
        return cast("list[AnalyticsPoint]", points)


@strawberry.type
class ThresholdOutcome:
    """Effect that a confidence threshold would have had on the conversations of a period.

    It is computed from recorded confidences by the rule of the live service.
    """

    threshold: float = strawberry.field(description="The threshold in percent.")
    escalated_conversations: int = strawberry.field(
        description="Conversations that low confidence would have escalated, by delivered replies."
    )
    escalation_rate: float | None = strawberry.field(
        description="escalatedConversations over the counted conversations, 0 to 1."
    )
    precision: float | None = strawberry.field(
        description="Of the escalations with a disposition that this threshold would have raised, the share "
        "that was needed."
    )
    recall: float | None = strawberry.field(
        description="Of the escalations known to be needed, the share that this threshold would have raised."
    )
    dispositions: int = strawberry.field(
        description="Number of escalations with a disposition that precision and recall rest on."
    )

    @classmethod
    def of(cls, result: what_if.ThresholdOutcome) -> "ThresholdOutcome":
        """Return the type for a computed outcome."""
        return cls(
            threshold=result.threshold,
            escalated_conversations=result.escalated_conversations,
            escalation_rate=result.escalation_rate,
            precision=result.precision,
            recall=result.recall,
            dispositions=result.dispositions,
        )


@strawberry.type
class CalibrationBin:
    """Recorded confidences of one range [from, to), and what became of those conversations.

    The last range includes 100.
    """

    from_: float = strawberry.field(name="from", description="The lowest confidence, in percent.")
    to: float = strawberry.field(description="The end of the range, in percent.")
    replies: int = strawberry.field(description="Delivered AI replies with a confidence in the range.")
    conversations: int = strawberry.field(description="Conversations that have such a reply.")
    escalated_conversations: int = strawberry.field(description="Those of them that were escalated.")
    needed: int = strawberry.field(description="Those with an escalation that the team found needed.")
    not_needed: int = strawberry.field(
        description="Those whose reviewed escalations were all found not needed."
    )

    @classmethod
    def of(cls, result: calibration.CalibrationBin) -> "CalibrationBin":
        """Return the type for a computed bin."""
        return cls(
            from_=result.low,
            to=result.high,
            replies=result.replies,
            conversations=result.conversations,
            escalated_conversations=result.escalated_conversations,
            needed=result.needed,
            not_needed=result.not_needed,
        )
