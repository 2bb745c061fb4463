"""Root fields of the analytics."""

from datetime import datetime
from typing import Annotated

import strawberry

from resolvers.analytics.calibration import confidence_calibration
from resolvers.analytics.metrics import escalation_analytics
from resolvers.analytics.what_if import threshold_what_if
from rules.typeid import AGENT
from schema.analytics.types import CalibrationBin, EscalationAnalytics, ThresholdOutcome
from schema.context import Info, parse_global_id
from schema.selected_names import names_below

_From = Annotated[datetime, strawberry.argument(name="from")]


@strawberry.type
class AnalyticsQuery:
    """Analytics."""

    @strawberry.field
    async def escalation_analytics(
        self, info: Info, agent_id: strawberry.ID, from_: _From, to: datetime
    ) -> EscalationAnalytics:
        """Metrics of an AI agent over a period, with every change up to now included."""
        key = parse_global_id(info, AGENT, agent_id, "agent_id")
        with_cells = "series" in names_below(info)
        return EscalationAnalytics.of(
            await escalation_analytics(info.context, key, from_, to, with_cells=with_cells)
        )

    @strawberry.field
    async def threshold_what_if(
        self,
        info: Info,
        agent_id: strawberry.ID,
        from_: _From,
        to: datetime,
        thresholds: list[float],
        delay_seconds: int | None = None,
    ) -> list[ThresholdOutcome]:
        """Effect that confidence thresholds would have had on the conversations of a period."""
        key = parse_global_id(info, AGENT, agent_id, "agent_id")
        result = await threshold_what_if(info.context, key, from_, to, thresholds, delay_seconds)
        return [ThresholdOutcome.of(item) for item in result]

    @strawberry.field
    async def confidence_calibration(
        self,
        info: Info,
        agent_id: strawberry.ID,
        from_: _From,
        to: datetime,
        bins: int = 10,
    ) -> list[CalibrationBin]:
        """Recorded confidences of the conversations that started in a period, and what became of them."""
        key = parse_global_id(info, AGENT, agent_id, "agent_id")
        result = await confidence_calibration(info.context, key, from_, to, bins)
        return [CalibrationBin.of(item) for item in result]
