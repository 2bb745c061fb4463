"""The SLA clock in transactions: start, recompute, stop and announce.

Each crossing (at risk, due) is announced once, by the first transaction that finds it passed: mostly a
timer's, otherwise that of a reply or a change. A clock's status is never read from an announcement.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from models.escalation import Escalation
from realtime.timers import Timer, TimerKind
from realtime.transaction import Transaction
from resolvers.timeline import write_fact
from rules.agent_settings import SlaSettings
from rules.business_hours import hours_of
from rules.escalation import TimelineKind
from rules.sla_clock import Clock, SlaStatus, start_clock

_ANNOUNCED = {
    SlaStatus.ON_TRACK: TimelineKind.SLA_ON_TRACK,
    SlaStatus.AT_RISK: TimelineKind.SLA_AT_RISK,
    SlaStatus.BREACHED: TimelineKind.SLA_BREACHED,
}


def set_clock(escalation: Escalation, started_at: datetime) -> None:
    """Compute a running clock from `started_at` and the policy of the escalation."""
    policy = SlaSettings.model_validate(escalation.sla_policy)
    escalation.clock = start_clock(
        started_at,
        policy.target_of(escalation.priority),
        policy.at_risk_percent,
        escalation.sla_policy["business_hours"],
    )


def business_time(escalation: Escalation, end: datetime) -> int:
    """Return the business time from the creation to `end` in microseconds, by the escalation's calendar."""
    hours = hours_of(escalation.sla_policy["business_hours"])
    return hours.between(escalation.created_at, end) // timedelta(microseconds=1)


def stop_clock(tx: Transaction, escalation: Escalation) -> None:
    """Stop a running clock at the transaction's time, after announcing the crossings before it."""
    if escalation.sla_stopped_at is None:
        announce_crossings(tx, escalation)
        escalation.sla_stopped_at = tx.now
        escalation.sla_next_at = None


def announce_crossings(tx: Transaction, escalation: Escalation) -> None:
    """Announce the crossings that a running clock has passed, and set the timer for the next."""
    clock, announced = escalation.clock, escalation.sla_status
    for status in _steps(clock, announced, clock.status(tx.now)):
        passed = {"previous": announced, "status": status}
        write_fact(tx, escalation, _ANNOUNCED[status], None, passed, **passed)
        escalation.sla_status = announced = status
    schedule_next_crossing(tx, escalation)


def schedule_next_crossing(tx: Transaction, escalation: Escalation) -> None:
    """Set the timer for the next crossing, unless it has one."""
    clock = escalation.clock
    due = {SlaStatus.ON_TRACK: clock.at_risk_at, SlaStatus.AT_RISK: clock.due_at, SlaStatus.BREACHED: None}
    at = due[escalation.sla_status] if tx.timers_enabled else None
    if at is not None and at != escalation.sla_next_at:
        tx.set_timer(Timer(TimerKind.SLA_CLOCK, escalation.id, at))
    escalation.sla_next_at = at


def _steps(clock: Clock, announced: SlaStatus, status: SlaStatus) -> Iterator[SlaStatus]:
    # A clock that was noticed late was at risk before it was breached; a new priority may lead back.
    late = announced is SlaStatus.ON_TRACK and status is SlaStatus.BREACHED
    if late and clock.at_risk_at < clock.due_at:
        yield SlaStatus.AT_RISK
    if status is not announced:
        yield status
