"""Pages of the workspaces' logs that are not planned yet, with the recipients of their events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import asyncpg

from models.database import Database
from notifications.mails import Notice
from realtime.delivery_queue import TargetKey
from realtime.log import Entry
from rules.agent_settings import NotificationSettings
from rules.events import NOTIFIED_EVENTS, EventType, event_of

ENTRIES = 200
WORKSPACES = 50

# All in one snapshot: an endpoint that was added before an event is seen with it.
_PAGES = """
WITH behind AS MATERIALIZED (
    SELECT p.workspace_id, p.position FROM planned_logs p JOIN streams s ON s.id = p.workspace_id
    WHERE s.head > p.position
    ORDER BY p.workspace_id <= $1, p.workspace_id LIMIT $2
), pages AS MATERIALIZED (
    SELECT b.workspace_id, b.position AS planned, array_agg(DISTINCT (l.data->>'agent')::uuid) AS agents,
        array_agg(l.position ORDER BY l.position) AS positions,
        array_agg(l.type ORDER BY l.position) AS types,
        array_agg(l.data ORDER BY l.position) AS data,
        array_agg(l.occurred_at ORDER BY l.position) AS times
    FROM behind b CROSS JOIN LATERAL (
        SELECT position, type, data, occurred_at FROM log
        WHERE stream = b.workspace_id AND position > b.position ORDER BY position LIMIT $3
    ) l
    GROUP BY b.workspace_id, b.position
)
SELECT workspace_id, planned, positions, types, data, times, (
    SELECT jsonb_object_agg(a.id, jsonb_build_object(
        'settings', a.settings->'notifications',
        'slack', EXISTS (SELECT FROM slack_connections c WHERE c.agent_id = a.id),
        'endpoints', (
            SELECT jsonb_agg(jsonb_build_array(w.id, w.url, w.event_types) ORDER BY w.id)
            FROM webhook_endpoints w WHERE w.agent_id = a.id AND w.enabled AND w.deleted_at IS NULL
        )
    )) FROM agents a WHERE a.id = ANY (pages.agents)
) AS agents
FROM pages ORDER BY workspace_id <= $1, workspace_id
"""
# Rows that another planner holds are skipped: waiting in no order for several could be a deadlock.
_FINISH = """
WITH free AS MATERIALIZED (
    SELECT p.workspace_id, page.last
    FROM planned_logs p JOIN unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS page (workspace, planned, last)
        ON p.workspace_id = page.workspace AND p.position = page.planned
    FOR UPDATE OF p SKIP LOCKED
)
UPDATE planned_logs p SET position = free.last FROM free WHERE p.workspace_id = free.workspace_id
"""


@dataclass(frozen=True, slots=True)
class Event:
    """A log entry that is a public event."""

    entry: Entry
    type: EventType
    change: str | None

    @property
    def agent_id(self) -> UUID:
        """The AI agent of the event."""
        return UUID(self.entry.data["agent"])

    def id_of(self, name: str) -> UUID | None:
        """Return an id that the entry names."""
        return UUID(self.entry.data[name]) if self.entry.data.get(name) else None


@dataclass(frozen=True, slots=True)
class Recipients:
    """The recipients of one AI agent's events; of an endpoint: id, URL and types of events."""

    settings: NotificationSettings
    slack_connected: bool
    endpoints: Sequence[tuple[str, str, Sequence[str]]]

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> "Recipients":
        """Return the recipients of a row of the query."""
        settings = NotificationSettings.model_validate(row["settings"] or {})
        return cls(settings, row["slack"], row["endpoints"] or ())

    def targets(self, event: Event) -> Iterator[TargetKey]:
        """Yield the targets of an event in Slack and of webhooks."""
        if event.type in NOTIFIED_EVENTS:
            slack = self.settings.slack
            if slack.enabled and slack.channel and self.slack_connected:
                yield TargetKey.slack(event.agent_id, slack.channel)
        for endpoint_id, url, types in self.endpoints:
            if not types or event.type in types:
                yield TargetKey.webhook(UUID(endpoint_id), url)

    def notice(self, event: Event) -> Notice | None:
        """Return the notice for the recipients of emails, or None if they get none."""
        email = self.settings.email
        if event.type not in NOTIFIED_EVENTS or not email.enabled or not email.recipients:
            return None
        escalation_id = event.id_of("escalation")
        assert escalation_id is not None  # only escalations are notified by email
        return Notice(event.agent_id, event.entry, escalation_id, email)


@dataclass(frozen=True)
class Page:
    """Entries of a workspace's log after position `planned`, and the rows of its AI agents by their ids."""

    workspace_id: UUID
    planned: int
    entries: Sequence[Entry]
    agents: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, row: asyncpg.Record) -> "Page":
        """Return the page of a row of the query."""
        parts = zip(row["positions"], row["types"], row["data"], row["times"], strict=True)
        entries = [Entry(row["workspace_id"], *part) for part in parts]
        return cls(row["workspace_id"], row["planned"], entries, row["agents"] or {})

    @property
    def last(self) -> int:
        """The position of the last entry."""
        return self.entries[-1].position

    @property
    def is_full(self) -> bool:
        """Return true if there may be another page after this one."""
        return len(self.entries) == ENTRIES

    @cached_property
    def events(self) -> list[tuple[Event, Recipients]]:
        """The events of the page, with the recipients of their AI agents."""
        recipients = {UUID(key): Recipients.read(row) for key, row in self.agents.items()}
        events = (Event(entry, *event) for entry in self.entries if (event := event_of(entry.type)))
        return [(event, recipients[event.agent_id]) for event in events]

    @cached_property
    def notices(self) -> list[Notice]:
        """The notices for recipients of emails."""
        candidates = (recipients.notice(event) for event, recipients in self.events)
        return [notice for notice in candidates if notice]

    @cached_property
    def targets(self) -> list[tuple[Event, TargetKey]]:
        """The targets in Slack and of webhooks, with their events."""
        return [(event, key) for event, recipients in self.events for key in recipients.targets(event)]

    @property
    def has_recipients(self) -> bool:
        """Return true if an event of the page has a recipient."""
        return bool(self.notices or self.targets)


async def next_pages(database: Database, after: UUID | None = None) -> list[Page]:
    """Return a page of each workspace whose log is not planned, of at most WORKSPACES of them.

    Those after the workspace `after` come first, so that each has its turn.
    """
    rows = await database.fetch(_PAGES, after or UUID(int=0), WORKSPACES, ENTRIES)
    return [Page.read(row) for row in rows]


async def finish_pages(database: Database, pages: Sequence[Page]) -> None:
    """Note that pages without recipients are planned."""
    columns = zip(*((page.workspace_id, page.planned, page.last) for page in pages), strict=True)
    await database.fetch(_FINISH, *columns)
