"""The changed field of an escalation.updated, with its values before and after, from the timeline."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.delivery import Delivery
from models.escalation import TimelineEntry
from models.log import LogEntry
from models.member import Member
from notifications.content.snapshots import ChangedField


async def load_changed_field(session: AsyncSession, delivery: Delivery) -> ChangedField | None:
    """Return the change of the delivery's event, or None for an event from before changes were recorded."""
    rows = await session.execute(
        select(TimelineEntry, LogEntry.data)
        .join(LogEntry, TimelineEntry.position == LogEntry.data["timeline"].as_integer())
        .where(
            LogEntry.stream == delivery.workspace_id,
            LogEntry.position == delivery.position,
            TimelineEntry.escalation_id == delivery.escalation_id,
        )
    )
    for entry, logged in rows.tuples():
        changed = await _changed_field(session, entry)
        return changed and replace(changed, version=logged.get("version"))
    return None


async def _changed_field(session: AsyncSession, entry: TimelineEntry) -> ChangedField | None:
    data: Mapping[str, Any] = entry.data
    match entry.kind:
        case "assigned" | "unassigned":
            emails = await _emails(session, {data["previous"], data["assignee"]} - {None})
            return ChangedField("assignee", emails.get(data["previous"]), emails.get(data["assignee"]))
        case "priority_changed":
            return ChangedField("priority", data["previous"].lower(), data["priority"].lower())
        case "status_changed":
            return ChangedField("status", data["previous"].lower(), data["status"].lower())
        case "sla_on_track":
            return ChangedField("slaStatus", data["previous"].lower(), data["status"].lower())
        case "triggered":
            return ChangedField("trigger", None, data["trigger"].lower())
        case "noted":
            return ChangedField("note")
    return None


async def _emails(session: AsyncSession, member_ids: set[str]) -> dict[str | None, str]:
    rows = await session.execute(
        select(Member.id, Member.email).where(Member.id.in_([UUID(id_) for id_ in member_ids]))
    )
    return {str(id_): email for id_, email in rows.tuples()}
