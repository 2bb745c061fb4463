"""
The first-response clock: when an escalation is at risk and due, and how it stands at an instant.

The clock runs around the clock, from its start to the first human reply or the resolution.
All instants are aware datetimes in UTC.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class SlaStatus(StrEnum):
    """How the clock stands, by now or by the instant at which it stopped."""

    ON_TRACK = "ON_TRACK"
    AT_RISK = "AT_RISK"
    BREACHED = "BREACHED"


class SlaOutcome(StrEnum):
    """What became of the clock."""

    RUNNING = "RUNNING"
    MET = "MET"
    MISSED = "MISSED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class Segment:
    """A stretch in which the clock ran or stood."""

    start: datetime
    end: datetime
    running: bool
    label: str


@dataclass(frozen=True)
class Clock:
    """
    One escalation's clock.

    `stopped_at` is the first human reply when `answered`, else the resolution; None while it runs.
    """

    target_minutes: int
    started_at: datetime
    at_risk_at: datetime
    due_at: datetime
    stopped_at: datetime | None = None
    answered: bool = False

    def status(self, now: datetime) -> SlaStatus:
        """By now while the clock runs; as it stood at its stop after that."""
        instant = self.stopped_at or now
        if instant >= self.due_at:
            return SlaStatus.BREACHED
        return SlaStatus.AT_RISK if instant >= self.at_risk_at else SlaStatus.ON_TRACK

    def outcome(self, now: datetime) -> SlaOutcome:
        """MISSED from due on; before it RUNNING, MET by a reply or CANCELLED by a resolution."""
        if (self.stopped_at or now) >= self.due_at:
            return SlaOutcome.MISSED
        if self.stopped_at is None:
            return SlaOutcome.RUNNING
        return SlaOutcome.MET if self.answered else SlaOutcome.CANCELLED

    def remaining_minutes(self, now: datetime) -> float | None:
        """Minutes left, negative when late; None once the clock has stopped."""
        return None if self.stopped_at else (self.due_at - now).total_seconds() / 60

    def segments(self) -> list[Segment]:
        """The stretches from start to due."""
        return [Segment(self.started_at, self.due_at, running=True, label="business_hours")]


def start_clock(started_at: datetime, target_minutes: int, at_risk_percent: int) -> Clock:
    """A clock of `target_minutes` (over 0) that is at risk after `at_risk_percent` of them."""
    target = timedelta(minutes=target_minutes)
    return Clock(
        target_minutes=target_minutes,
        started_at=started_at,
        at_risk_at=started_at + target * at_risk_percent / 100,
        due_at=started_at + target,
    )
