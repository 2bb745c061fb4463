"""The SLA clock of the first response: its at-risk and due times, and its status at an instant.

The clock runs in business hours, from its start to the first human reply or the resolution.
All instants are aware datetimes in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from rules.business_hours import Hours, OutOfReachError, Segment, hours_of

# Settings whose targets need longer are refused.
MAX_SLA_HORIZON = timedelta(days=3_652)


class SlaStatus(StrEnum):
    """The status of a clock now, or at the instant at which it stopped."""

    ON_TRACK = "ON_TRACK"
    AT_RISK = "AT_RISK"
    BREACHED = "BREACHED"


class SlaOutcome(StrEnum):
    """The outcome of a clock."""

    RUNNING = "RUNNING"
    MET = "MET"
    MISSED = "MISSED"
    CANCELLED = "CANCELLED"


# Not frozen: a list makes one for each of its rows, in a third of the time.
@dataclass(slots=True)
class Clock:
    """One escalation's clock.

    `business_hours` is the document of `rules.business_hours.hours_of`; the status does not need it.
    `stopped_at` is the first human reply when `answered`, else the resolution; None while it runs.
    """

    target_minutes: int
    started_at: datetime
    at_risk_at: datetime
    due_at: datetime
    business_hours: Mapping[str, Any]
    stopped_at: datetime | None = None
    answered: bool = False

    def status(self, now: datetime) -> SlaStatus:
        """Return the status at `now`, or at the stop of a clock that has stopped."""
        instant = self.stopped_at or now
        if instant >= self.due_at:
            return SlaStatus.BREACHED
        return SlaStatus.AT_RISK if instant >= self.at_risk_at else SlaStatus.ON_TRACK

    def outcome(self, now: datetime) -> SlaOutcome:
        """Return MISSED from the due time on; before it RUNNING, MET (replied) or CANCELLED (resolved)."""
        if (self.stopped_at or now) >= self.due_at:
            return SlaOutcome.MISSED
        if self.stopped_at is None:
            return SlaOutcome.RUNNING
        return SlaOutcome.MET if self.answered else SlaOutcome.CANCELLED

    def met_at(self, now: datetime) -> datetime | None:
        """Return the time of a first response that met the target, otherwise None."""
        return self.stopped_at if self.outcome(now) is SlaOutcome.MET else None

    def breached_at(self, now: datetime) -> datetime | None:
        """Return the due time if the clock ran out without a reply, otherwise None."""
        return self.due_at if self.outcome(now) is SlaOutcome.MISSED else None

    def remaining_minutes(self, now: datetime) -> float | None:
        """Return the business minutes left, negative when late, or None for a stopped clock."""
        if self.stopped_at:
            return None
        return hours_of(self.business_hours).between(now, self.due_at) / timedelta(minutes=1)

    def segments(self, limit: int | None = None) -> list[Segment]:
        """Return the open and closed stretches from the start to the due time; the first with `limit`."""
        return hours_of(self.business_hours).segments(self.started_at, self.due_at, limit)


def start_clock(
    started_at: datetime, target_minutes: int, at_risk_percent: int, business_hours: Mapping[str, Any]
) -> Clock:
    """Start a clock of `target_minutes` (over 0) that is at risk after `at_risk_percent` of them.

    A target that is out of reach is due after ten years: raising an escalation must not fail.
    """
    hours, target = hours_of(business_hours), timedelta(minutes=target_minutes)
    due_at = _after(hours, started_at, target)
    return Clock(
        target_minutes=target_minutes,
        started_at=started_at,
        at_risk_at=min(_after(hours, started_at, target * at_risk_percent / 100), due_at),
        due_at=due_at,
        business_hours=business_hours,
    )


def _after(hours: Hours, start: datetime, duration: timedelta) -> datetime:
    try:
        return hours.add(start, duration)
    except OutOfReachError:
        return start + MAX_SLA_HORIZON
