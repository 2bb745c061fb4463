"""The first-response clock of an escalation."""

from datetime import datetime
from operator import attrgetter

import strawberry

from resolvers.pagination import LISTED
from rules.sla_clock import Clock, SlaOutcome, SlaStatus
from schema.row_fields import row_field, row_type


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


@row_type(None)
@strawberry.type
class Sla:
    """The first-response clock, as it stands now."""

    clock: strawberry.Private[Clock]
    now: strawberry.Private[datetime]
    status: SlaStatus = row_field(lambda self: self.clock.status(self.now))
    """Status now, or when the clock stopped, by the first response or the resolution."""
    outcome: SlaOutcome = row_field(lambda self: self.clock.outcome(self.now))
    """Outcome of the clock."""
    target_minutes: int = row_field(attrgetter("clock.target_minutes"))
    """Business minutes from the start until the first response is due."""
    started_at: datetime = row_field(attrgetter("clock.started_at"))
    """Start of the clock."""
    at_risk_at: datetime = row_field(attrgetter("clock.at_risk_at"))
    """Time from which the escalation is at risk."""
    due_at: datetime = row_field(attrgetter("clock.due_at"))
    """Time at which the first response is due."""
    met_at: datetime | None = row_field(lambda self: self.clock.met_at(self.now))
    """Time of the first response, if it was in time."""
    breached_at: datetime | None = row_field(lambda self: self.clock.breached_at(self.now))
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
