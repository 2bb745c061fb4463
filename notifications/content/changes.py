"""The changed field of an escalation.updated, with its values before and after, from the timeline."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.delivery import Delivery
from models.escalation import TimelineEntry
from models.log import LogEntry
from models.member import Member
from notifications.content.snapshots import ChangedField
from rules.escalation import TimelineKind


class _Source(NamedTuple):
    """The changed field of a timeline entry, and the keys of its values in the entry's data."""

    field: str
    before: str | None = None
    after: str | None = None


# Every kind of entry that is no event of its own. A note's text is internal.
CHANGED_FIELDS: Mapping[str, _Source] = {
    TimelineKind.ASSIGNED: _Source("assignee", "previous", "assignee"),
    TimelineKind.UNASSIGNED: _Source("assignee", "previous", "assignee"),
    TimelineKind.PRIORITY_CHANGED: _Source("priority", "previous", "priority"),
    TimelineKind.STATUS_CHANGED: _Source("status", "previous", "status"),
    TimelineKind.TRIGGERED: _Source("trigger", None, "trigger"),
    TimelineKind.NOTED: _Source("note"),
    TimelineKind.SLA_ON_TRACK: _Source("slaStatus", "previous", "status"),
    TimelineKind.DISPOSITION_CHANGED: _Source("disposition", "previous", "disposition"),
}


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
    source = CHANGED_FIELDS.get(entry.kind)
    if source is None:
        return None
    before, after = (entry.data[key] if key else None for key in (source.before, source.after))
    if source.field == "assignee":
        emails = await _emails(session, {id_ for id_ in (before, after) if id_})
        return ChangedField(source.field, emails.get(before), emails.get(after))
    return ChangedField(source.field, before and before.lower(), after and after.lower())


async def _emails(session: AsyncSession, member_ids: set[str]) -> dict[str | None, str]:
    rows = await session.execute(
        select(Member.id, Member.email).where(Member.id.in_([UUID(id_) for id_ in member_ids]))
    )
    return {str(id_): email for id_, email in rows.tuples()}
