"""The planner: follows each workspace's log and inserts the deliveries of its events.

Its position, the deliveries and their jobs are written in one transaction, so each event is planned once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from models.agent import Agent
from models.database import Database
from models.delivery import Delivery
from models.log import Stream
from models.planned_log import PlannedLog
from models.slack_connection import SlackConnection
from models.webhook_endpoint import WebhookEndpoint
from notifications.mails import Notice, single_mails
from realtime import log
from realtime.delivery_queue import TargetKey, lock_targets, pending_delivery, schedule_delivery
from realtime.transaction import Transaction, Transactions
from rules.agent_settings import EscalationSettings, NotificationSettings
from rules.events import NOTIFIED_EVENTS, EventType, event_of
from rules.mail_limits import MailLimits

PAGE = 200
WORKSPACES = 50


@dataclass(frozen=True, slots=True)
class _Event:
    """A log entry that is a public event."""

    entry: log.Entry
    type: EventType
    change: str | None

    @property
    def agent_id(self) -> UUID:
        return UUID(self.entry.data["agent"])

    def id_of(self, name: str) -> UUID | None:
        """Return an id that the entry names."""
        return UUID(self.entry.data[name]) if self.entry.data.get(name) else None


@dataclass(frozen=True, slots=True)
class _Recipients:
    """The recipients of one AI agent's events."""

    settings: NotificationSettings
    slack_connected: bool
    endpoints: Sequence[WebhookEndpoint]

    def of(self, event: _Event) -> Iterator[TargetKey]:
        """Yield the targets of an event in Slack and of webhooks."""
        if event.type in NOTIFIED_EVENTS:
            slack = self.settings.slack
            if slack.enabled and slack.channel and self.slack_connected:
                yield TargetKey.slack(event.agent_id, slack.channel)
        for endpoint in self.endpoints:
            if not endpoint.event_types or event.type in endpoint.event_types:
                yield TargetKey.webhook(endpoint.id, endpoint.url)

    def notice(self, event: _Event) -> Notice | None:
        """Return the notice for the recipients of emails, or None if they get none."""
        email = self.settings.email
        if event.type not in NOTIFIED_EVENTS or not email.enabled or not email.recipients:
            return None
        escalation_id = event.id_of("escalation")
        assert escalation_id is not None  # only escalations are notified by email
        return Notice(event.agent_id, event.entry, escalation_id, email)


async def workspaces_to_plan(database: Database, after: UUID | None = None) -> list[UUID]:
    """Return workspaces whose log has entries that are not planned, at most WORKSPACES of them.

    Those after the workspace `after` come first, so that each has its turn.
    """
    async with database.autocommit_session() as session:
        ids = await session.scalars(
            select(PlannedLog.workspace_id)
            .join(Stream, Stream.id == PlannedLog.workspace_id)
            .where(Stream.head > PlannedLog.position)
            .order_by(PlannedLog.workspace_id <= (after or UUID(int=0)), PlannedLog.workspace_id)
            .limit(WORKSPACES)
        )
        return list(ids)


async def plan(transactions: Transactions, workspace_id: UUID, limits: MailLimits) -> bool:
    """Plan the next page of a workspace's log, and return whether there may be another page."""
    async with transactions.begin() as tx:
        planned = await tx.session.scalar(
            select(PlannedLog)
            .where(PlannedLog.workspace_id == workspace_id)
            .with_for_update(skip_locked=True)
        )
        if planned is None:
            return False
        entries = await log.read(tx.session, workspace_id, planned.position, PAGE)
        if not entries:
            return False
        await tx.read_clock()
        await _plan_events(tx, planned, list(_events(entries)), limits)
        planned.position = entries[-1].position
    return len(entries) == PAGE


def _events(entries: Sequence[log.Entry]) -> Iterator[_Event]:
    for entry in entries:
        if event := event_of(entry.type):
            yield _Event(entry, *event)


async def _plan_events(
    tx: Transaction, planned: PlannedLog, events: Sequence[_Event], limits: MailLimits
) -> None:
    if not events:
        return
    recipients = await _recipients(tx, {event.agent_id for event in events})
    notices = [notice for event in events if (notice := recipients[event.agent_id].notice(event))]
    mails = await single_mails(tx, planned, notices, limits) if notices else []
    by_position = {event.entry.position: event for event in events}
    due = [(by_position[notice.entry.position], key) for notice, key in mails]
    due += [(event, key) for event in events for key in recipients[event.agent_id].of(event)]
    if not due:
        return
    targets = await lock_targets(tx, planned.workspace_id, [key for _, key in due])
    for event, key in due:
        tx.session.add(_delivery(tx, event, key, planned.workspace_id, targets[key].id))
    for target in targets.values():
        schedule_delivery(tx, target, tx.now)


def _delivery(
    tx: Transaction, event: _Event, key: TargetKey, workspace_id: UUID, target_id: UUID
) -> Delivery:
    return pending_delivery(
        tx,
        workspace_id,
        target_id,
        key,
        event.type,
        agent_id=event.agent_id,
        change=event.change,
        position=event.entry.position,
        escalation_id=event.id_of("escalation"),
        conversation_id=event.id_of("conversation"),
        message_id=event.id_of("message"),
        epoch=event.entry.data.get("epoch"),
        occurred_at=event.entry.occurred_at,
    )


async def _recipients(tx: Transaction, agent_ids: set[UUID]) -> dict[UUID, _Recipients]:
    session = tx.session
    agents = await session.execute(select(Agent.id, Agent.settings).where(Agent.id.in_(agent_ids)))
    connected = set(
        await session.scalars(select(SlackConnection.agent_id).where(SlackConnection.agent_id.in_(agent_ids)))
    )
    endpoints = list(
        await session.scalars(
            select(WebhookEndpoint)
            .where(
                WebhookEndpoint.agent_id.in_(agent_ids),
                WebhookEndpoint.enabled,
                WebhookEndpoint.deleted_at.is_(None),
            )
            .order_by(WebhookEndpoint.id)
        )
    )
    return {
        agent_id: _Recipients(
            EscalationSettings.model_validate(settings).notifications,
            agent_id in connected,
            [endpoint for endpoint in endpoints if endpoint.agent_id == agent_id],
        )
        for agent_id, settings in agents
    }
