"""The changed field of an escalation.updated, with its values before and after, from the timeline."""

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.delivery import Delivery
from models.driver_values import json_text
from models.escalation import TimelineEntry
from models.log import LogEntry
from models.member import Member
from notifications.content.snapshots import ChangedField
from rules.escalation import TimelineKind


class Values(Enum):
    """The meaning of a changed field's values, by which a webhook shows them."""

    PLAIN = auto()  # texts as they are, anything else as its JSON
    ENUM = auto()  # members of an enum, in lower case
    MEMBERS = auto()  # ids of team members, as email addresses


class Source(NamedTuple):
    """The changed field of a timeline entry, and the keys of its values in the entry's data."""

    field: str
    before: str | None = None
    after: str | None = None
    values: Values = Values.PLAIN

    def change(self, data: Mapping[str, Any]) -> ChangedField:
        """Return the change in an entry's data, in which members still have their ids.

        A value that the data lack is null.
        """
        return ChangedField(self.field, self._text(data, self.before), self._text(data, self.after))

    def _text(self, data: Mapping[str, Any], key: str | None) -> str | None:
        value = data.get(key) if key else None
        if value is None:
            return None
        text = value if isinstance(value, str) else json_text(value)
        return text.lower() if self.values is Values.ENUM else text


# Every kind of entry that is no event of its own. A note's text is internal.
CHANGED_FIELDS: Mapping[str, Source] = {
    TimelineKind.ASSIGNED: Source("assignee", "previous", "assignee", Values.MEMBERS),
    TimelineKind.UNASSIGNED: Source("assignee", "previous", "assignee", Values.MEMBERS),
    TimelineKind.PRIORITY_CHANGED: Source("priority", "previous", "priority", Values.ENUM),
    TimelineKind.STATUS_CHANGED: Source("status", "previous", "status", Values.ENUM),
    TimelineKind.TRIGGERED: Source("trigger", None, "trigger", Values.ENUM),
    TimelineKind.NOTED: Source("note"),
    TimelineKind.SLA_ON_TRACK: Source("slaStatus", "previous", "status", Values.ENUM),
    TimelineKind.DISPOSITION_CHANGED: Source("disposition", "previous", "disposition", Values.ENUM),
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
    change = source.change(entry.data)
    if source.values is Values.MEMBERS:
        emails = await _emails(session, {id_ for id_ in (change.before, change.after) if id_})
        return replace(change, before=emails.get(change.before), after=emails.get(change.after))
    return change


async def _emails(session: AsyncSession, member_ids: set[str]) -> dict[str | None, str]:
    rows = await session.execute(
        select(Member.id, Member.email).where(Member.id.in_([UUID(id_) for id_ in member_ids]))
    )
    return {str(id_): email for id_, email in rows.tuples()}
