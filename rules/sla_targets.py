"""Targets of the SLA that no business hours can reach."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from rules.agent_settings import SlaSettings
from rules.business_hours import hours_of
from rules.sla_clock import MAX_SLA_HORIZON


def unreachable_target(sla: SlaSettings, now: datetime) -> tuple[str, str] | None:
    """Return the path and the error of a target out of reach within ten years from `now`, else None."""
    opened = hours_of(sla.business_hours.model_dump(mode="json")).between(now, now + MAX_SLA_HORIZON)
    if not opened:
        return "sla.business_hours.week", "is never open: all of it falls on holidays for the next ten years"
    for path, minutes in _targets(sla):
        if timedelta(minutes=minutes) > opened:
            minutes_open = f"{opened // timedelta(minutes=1):,} minutes"
            return path, f"is out of reach: these business hours have {minutes_open} in the next ten years"
    return None


def _targets(sla: SlaSettings) -> Iterator[tuple[str, int]]:
    yield "sla.target_response_minutes", sla.target_response_minutes
    for index, target in enumerate(sla.targets_by_priority):
        yield f"sla.targets_by_priority.{index}.target_response_minutes", target.target_response_minutes
