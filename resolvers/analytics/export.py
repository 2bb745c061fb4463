"""Escalations of a period for an export, page by page, in constant memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from resolvers.analytics.facts import instant
from resolvers.analytics.periods import Period
from resolvers.audit import record_export
from resolvers.context import Context
from resolvers.permissions import permitted
from resolvers.visibility import AGENT
from rules.audit import AuditAction
from rules.escalation import Disposition, EscalationStatus, EscalationTrigger, Priority
from rules.sla_clock import Clock, SlaOutcome, SlaStatus

PAGE = 500

_ROWS = """
SELECT e.id, e.conversation_id, e.agent_id, e.status, e.priority, e.trigger, e.reason, e.detail, e.confidence,
    e.created_at, e.first_responded_at, e.first_response_business_us, e.resolved_at, e.resolution_business_us,
    e.disposition, e.sla_target_minutes, e.sla_started_at, e.sla_at_risk_at, e.sla_due_at, e.sla_stopped_at,
    assignee.email AS assignee, resolver.email AS resolver, clock_timestamp() AS now
FROM escalations e
LEFT JOIN members assignee ON assignee.id = e.assignee_id
LEFT JOIN members resolver ON resolver.id = e.resolved_by_id
WHERE e.workspace_id = $1 AND ($2::uuid IS NULL OR e.agent_id = $2)
    AND e.created_at >= $3 AND e.created_at < $4 AND (e.created_at, e.id) > ($5, $6)
ORDER BY e.created_at, e.id LIMIT $7
"""


@dataclass(frozen=True, slots=True)
class ExportedEscalation:
    """One escalation of an export; durations in seconds, elapsed and within business hours."""

    id: UUID
    conversation_id: UUID
    agent_id: UUID
    status: EscalationStatus
    priority: Priority
    assignee: str | None
    created_at: datetime
    sla_status: SlaStatus
    sla_outcome: SlaOutcome
    sla_target_minutes: int
    sla_started_at: datetime
    sla_at_risk_at: datetime
    sla_due_at: datetime
    sla_stopped_at: datetime | None
    trigger: EscalationTrigger
    reason: str
    detail: str | None
    confidence: float | None
    first_responded_at: datetime | None
    first_response_seconds: float | None
    first_response_business_seconds: float | None
    resolved_at: datetime | None
    resolution_seconds: float | None
    resolution_business_seconds: float | None
    resolved_by: str | None
    disposition: Disposition | None


@permitted("GET /exports/escalations.csv", AGENT)
async def export_escalations(
    context: Context, agent_id: UUID | None, period: Period
) -> AsyncIterator[list[ExportedEscalation]]:
    """Return pages of the escalations that were created in a period, oldest first.

    Raises NotFoundError for an AI agent that the caller may not see.
    """
    if agent_id is not None:
        await AGENT.require_visible(context.database, context.actor, agent_id)
    await record_export(context, AuditAction.EXPORT_ESCALATIONS)
    return _pages(context, agent_id, period)


async def _pages(
    context: Context, agent_id: UUID | None, period: Period
) -> AsyncIterator[list[ExportedEscalation]]:
    limits = instant(period.start), instant(period.end)
    last: tuple[datetime, UUID] = limits[0], UUID(int=0)
    while True:
        rows = await context.database.fetch(_ROWS, context.actor.workspace_id, agent_id, *limits, *last, PAGE)
        if rows:
            yield [_exported(row) for row in rows]
            last = rows[-1]["created_at"], rows[-1]["id"]
        if len(rows) < PAGE:
            return


def _exported(row: asyncpg.Record) -> ExportedEscalation:
    clock = Clock(
        target_minutes=row["sla_target_minutes"],
        started_at=row["sla_started_at"],
        at_risk_at=row["sla_at_risk_at"],
        due_at=row["sla_due_at"],
        business_hours={},
        stopped_at=row["sla_stopped_at"],
        answered=row["first_responded_at"] is not None,
    )
    return ExportedEscalation(
        id=row["id"],
        conversation_id=row["conversation_id"],
        agent_id=row["agent_id"],
        status=EscalationStatus(row["status"]),
        priority=Priority(row["priority"]),
        assignee=row["assignee"],
        created_at=row["created_at"],
        sla_status=clock.status(row["now"]),
        sla_outcome=clock.outcome(row["now"]),
        sla_target_minutes=clock.target_minutes,
        sla_started_at=clock.started_at,
        sla_at_risk_at=clock.at_risk_at,
        sla_due_at=clock.due_at,
        sla_stopped_at=clock.stopped_at,
        trigger=EscalationTrigger(row["trigger"]),
        reason=row["reason"],
        detail=row["detail"],
        confidence=row["confidence"],
        first_responded_at=row["first_responded_at"],
        first_response_seconds=_seconds(row, "first_responded_at"),
        first_response_business_seconds=_business(row["first_response_business_us"]),
        resolved_at=row["resolved_at"],
        resolution_seconds=_seconds(row, "resolved_at"),
        resolution_business_seconds=_business(row["resolution_business_us"]),
        resolved_by=row["resolver"],
        disposition=row["disposition"] and Disposition(row["disposition"]),
    )


def _seconds(row: asyncpg.Record, end: str) -> float | None:
    return None if row[end] is None else (row[end] - row["created_at"]) / timedelta(seconds=1)


def _business(duration: int | None) -> float | None:
    return None if duration is None else duration / 1_000_000
