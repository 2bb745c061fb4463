"""The first-response clock of an escalation."""

from datetime import datetime

import strawberry

from resolvers.pagination import LISTED
from rules.sla_clock import Clock, SlaOutcome, SlaStatus


@strawberry.type
class SlaSegment:
    """A stretch in which the clock ran or stood."""

    from_: datetime = strawberry.field(name="from")
    """Start of the segment."""
    to: datetime
    """End of the segment."""
    running: bool
    """True if the clock ran."""
    label: str
    """“business_hours”, “closed” or the name of the holiday."""


@strawberry.type
class Sla:
    """The first-response clock, as it stands now."""

    clock: strawberry.Private[Clock]
    now: strawberry.Private[datetime]
    status: SlaStatus
    """Status now, or at the first response."""
    outcome: SlaOutcome
    """Outcome of the clock."""
    target_minutes: int
    """Business minutes from the start until the first response is due."""
    started_at: datetime
    """Start of the clock."""
    at_risk_at: datetime
    """Time from which the escalation is at risk."""
    due_at: datetime
    """Time at which the first response is due."""
    met_at: datetime | None
    """Time of the first response, if it was in time."""
    breached_at: datetime | None
    """Equal to dueAt if the clock ran out without a first response."""

    @strawberry.field
    def remaining_minutes(self) -> float | None:
        """Business minutes left, negative when late; null once the clock has stopped."""
        return self.clock.remaining_minutes(self.now)

    @strawberry.field
    def segments(self) -> list[SlaSegment]:
        """First 100 stretches in which the clock ran or stood still, up to the due time."""
        return [
            SlaSegment(from_=segment.start, to=segment.end, running=segment.running, label=segment.label)
            for segment in self.clock.segments(LISTED)
        ]

    @classmethod
    def of(cls, clock: Clock, now: datetime) -> "Sla":
        """Build the state of the clock at `now`."""
        outcome = clock.outcome(now)
        return cls(
            clock=clock,
            now=now,
            status=clock.status(now),
            outcome=outcome,
            target_minutes=clock.target_minutes,
            started_at=clock.started_at,
            at_risk_at=clock.at_risk_at,
            due_at=clock.due_at,
            met_at=clock.met_at(now),
            breached_at=clock.breached_at(now),
        )
