"""Counts of active escalations."""

import strawberry

from resolvers import escalation_queries
from rules.typeid import AGENT
from schema.context import Info, parse_global_id


@strawberry.type
class EscalationCounts:
    """Counts of active escalations, for the tabs of a dashboard."""

    open: int
    """Escalations in status OPEN."""
    in_progress: int
    """Escalations in status IN_PROGRESS."""
    unassigned: int
    """Active escalations without an assignee."""
    mine: int
    """Active escalations of the team member who asks; 0 for API keys."""
    at_risk: int
    """Active escalations with a clock at risk."""
    breached: int
    """Active escalations with a breached clock."""


@strawberry.type
class EscalationCountsQuery:
    """The query of the counts."""

    @strawberry.field
    async def escalation_counts(self, info: Info, agent_id: strawberry.ID | None = None) -> EscalationCounts:
        """Counts of active escalations, of one AI agent or of the whole workspace."""
        info.context.require_signed_in()
        key = None if agent_id is None else parse_global_id(info, AGENT, agent_id, "agent_id")
        counts = await escalation_queries.escalation_counts(info.context, key)
        return EscalationCounts(
            open=counts.open,
            in_progress=counts.in_progress,
            unassigned=counts.unassigned,
            mine=counts.mine,
            at_risk=counts.at_risk,
            breached=counts.breached,
        )
