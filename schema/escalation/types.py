"""Escalations, and what belongs to one."""

from datetime import datetime
from operator import attrgetter
from types import NoneType
from typing import Any, TypeVar
from uuid import UUID

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.await_maybe import AwaitableOrValue

from models import escalation as models
from models.escalation import CLOCK_COLUMNS
from resolvers.escalation_queries import EscalationFilter as Filter
from resolvers.escalation_queries import escalation_by_id
from resolvers.loaders import (
    escalations_by_id,
    notes_of,
    triggers_of,
    unread_messages_of,
)
from resolvers.pagination import Page
from resolvers.related_pages import timelines_of
from rules import typeid
from rules.escalation import Disposition, EscalationStatus, EscalationTrigger, Priority
from rules.sla_clock import SlaOutcome, SlaStatus
from rules.typeid import AGENT, MEMBER, NOTE, format_id
from schema.agent.types import Agent
from schema.context import GraphQLContext, Info, forbidden_to_customers, parse_global_id, sync_or_async_field
from schema.conversation.types import Conversation
from schema.escalation.sla import Sla
from schema.nodes import Node, load_node, load_optional_node, node
from schema.pagination import Connection
from schema.row_fields import needs, row_field, row_type
from schema.team.member import TeamMember
from schema.team.recorder import Recorder

T = TypeVar("T")


@strawberry.type
class TriggerEvent:
    """A trigger that fired while the escalation was active."""

    trigger: EscalationTrigger
    """The trigger."""
    reason: str
    """For the trigger API the reason that its caller gave, else the trigger, such as “low_confidence”."""
    detail: str | None
    """The exact match: the phrase, or the name of the tool, topic or form."""
    confidence: float | None
    """The AI's confidence at that time, in percent, if known."""
    occurred_at: datetime
    """Time at which it fired, the first time."""
    last_occurred_at: datetime
    """Time at which it fired last. Differs from `occurredAt` only if `count` is larger than 1."""
    count: int
    """Number of times that it fired within a minute. Equal triggers count on one entry and send no event."""

    @classmethod
    def of(cls, row: models.TriggerEvent) -> "TriggerEvent":
        """Build a trigger that fired."""
        return cls(
            trigger=row.trigger,
            reason=row.reason,
            detail=row.detail,
            confidence=row.confidence,
            occurred_at=row.occurred_at,
            last_occurred_at=row.last_occurred_at,
            count=row.count,
        )


@strawberry.type
class EscalationNote:
    """An internal note."""

    author_key: strawberry.Private[UUID | None]
    id: strawberry.ID
    """TypeID of the note."""
    body: str
    """Text of the note."""
    created_at: datetime
    """Time at which it was written."""

    @sync_or_async_field(TeamMember | None)
    def author(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """Author; null for an API key."""
        return load_optional_node(info, typeid.MEMBER, self.author_key)

    @classmethod
    def of(cls, row: models.EscalationNote) -> "EscalationNote":
        """Build a note."""
        return cls(
            author_key=row.author_id,
            id=strawberry.ID(format_id(NOTE, row.id)),
            body=row.body,
            created_at=row.created_at,
        )


@strawberry.type
class Resolution:
    """Resolution of an escalation."""

    resolver_key: strawberry.Private[UUID | None]
    note: str | None
    """Note of the person who resolved it."""
    disposition: Disposition | None
    """The team's judgement."""
    kept_ai_paused: bool
    """True if the AI stayed paused."""

    @classmethod
    def of(cls, row: models.Escalation) -> "Resolution | None":
        """Build the resolution of an escalation; None while that is active."""
        if row.active:
            return None
        return cls(
            resolver_key=row.resolved_by_id,
            note=row.resolution_note,
            disposition=row.disposition,
            kept_ai_paused=row.kept_ai_paused,
        )

    @sync_or_async_field(TeamMember | None)
    def resolved_by(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """Team member who resolved it, if any."""
        return load_optional_node(info, typeid.MEMBER, self.resolver_key)


@strawberry.type
class TimelineEntry:
    """Something that happened to the escalation."""

    actor_key: strawberry.Private[UUID | None]
    kind: str
    """Kind, such as created, assigned, priority_changed, replied, sla_breached or resolved."""
    occurred_at: datetime
    """Time of the entry."""
    data: JSON
    """Details, which depend on the kind."""
    recorded_by: Recorder | None
    """Caller that caused it. Null if an older version recorded it."""

    @sync_or_async_field(TeamMember | None)
    def actor(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """Team member who did it, if any."""
        return load_optional_node(info, typeid.MEMBER, self.actor_key)

    @classmethod
    def of(cls, row: models.TimelineEntry) -> "TimelineEntry":
        """Build an entry. UUIDs in its data become TypeIDs."""
        return cls(
            actor_key=row.actor_id,
            kind=row.kind,
            occurred_at=row.occurred_at,
            data=_with_ids(row.data),
            recorded_by=Recorder.of(row),
        )


_KEYS_IN_DATA = {"assignee": MEMBER, "previous": MEMBER, "message": typeid.MESSAGE, "note": NOTE}


def _with_ids(data: dict[str, Any]) -> JSON:
    def spelled(name: str, value: Any) -> Any:
        try:
            return format_id(_KEYS_IN_DATA[name], UUID(value))
        except (KeyError, TypeError, ValueError, AttributeError):
            return value

    return JSON({name: spelled(name, value) for name, value in data.items()})


@strawberry.type
class TimelineConnection(Connection[TimelineEntry]):
    """A page of the timeline."""

    @classmethod
    def of(cls, page: Page[models.TimelineEntry]) -> "TimelineConnection":
        """Build a page."""
        return cls.build(page, [TimelineEntry.of(row) for row in page.rows])


@node(typeid.ESCALATION, "escalation", escalation_by_id, escalations_by_id)
@row_type(models.Escalation)
@strawberry.type
class Escalation(Node):
    """A request for a person in a conversation."""

    row: strawberry.Private[models.Escalation]
    for_team: strawberry.Private[bool]
    now: strawberry.Private[datetime]
    id: strawberry.ID = row_field(lambda self: format_id(typeid.ESCALATION, self.row.id))
    status: EscalationStatus = row_field()
    """Status of the escalation."""
    created_at: datetime = row_field()
    """Time at which it was raised."""
    priority: Priority = row_field(hidden=forbidden_to_customers)
    """Urgency. Not for customers."""
    trigger: EscalationTrigger = row_field(hidden=forbidden_to_customers)
    """Trigger that raised it first. Not for customers."""
    reason: str = row_field(hidden=forbidden_to_customers)
    """For the trigger API the reason that its caller gave, else the trigger, such as “low_confidence”.
    Not for customers."""
    detail: str | None = row_field(hidden=NoneType)
    """The exact match: the phrase, or the name of the tool, topic or form. Null for customers."""
    summary: str | None = row_field(hidden=NoneType)
    """The caller's words for the person who answers. Null for customers."""
    metadata: JSON | None = row_field(attrgetter("row.details"), "details", hidden=NoneType)
    """Data of the caller's own. Null for customers."""
    confidence: float | None = row_field(hidden=NoneType)
    """The AI's confidence when it was raised, in percent, if known. Null for customers."""
    sla: Sla = row_field(
        lambda self: Sla(clock=self.row.clock, now=self.now),
        *CLOCK_COLUMNS,
        hidden=forbidden_to_customers,
    )
    """First-response clock. Not for customers."""
    first_responded_at: datetime | None = row_field(hidden=NoneType)
    """Time of the first reply by a person. Null for customers."""
    resolved_at: datetime | None = row_field(hidden=NoneType)
    """Time of the resolution. Null for customers."""
    resolution: Resolution | None = row_field(
        lambda self: Resolution.of(self.row),
        "status",
        "resolution_note",
        "disposition",
        "kept_ai_paused",
        hidden=NoneType,
    )
    """Resolution; null while the escalation is active, and for customers."""
    version: int = row_field(hidden=forbidden_to_customers)
    """Number that grows by one with every change. Not for customers."""

    @classmethod
    def of(cls, row: models.Escalation, call: GraphQLContext) -> "Escalation":
        """Build an escalation. Customers see its status, its creation and the name of the assignee."""
        return cls(row=row, for_team=call.for_team, now=call.now)

    @sync_or_async_field(Conversation, needs())
    def conversation(self, info: Info) -> AwaitableOrValue[Conversation]:
        """Conversation that it belongs to. Not for customers."""
        if not self.for_team:
            raise forbidden_to_customers()
        return load_node(info, typeid.CONVERSATION, self.row.conversation_id)

    @sync_or_async_field(Agent, needs())
    def agent(self, info: Info) -> AwaitableOrValue[Agent]:
        """AI agent that handed over. Not for customers."""
        if not self.for_team:
            raise forbidden_to_customers()
        return load_node(info, typeid.AGENT, self.row.agent_id)

    @sync_or_async_field(TeamMember | None, needs())
    def assignee(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """Team member who must answer, if any."""
        return load_optional_node(info, typeid.MEMBER, self.row.assignee_id)

    @sync_or_async_field(int, needs())
    def unread_messages(self, info: Info) -> AwaitableOrValue[int]:
        """Customer messages that no team member has read. Not for customers."""
        if not self.for_team:
            raise forbidden_to_customers()
        return info.context.look_up(unread_messages_of, self.row.conversation_id, lambda count: count or 0)

    @sync_or_async_field(list[TriggerEvent], needs())
    def triggers(self, info: Info) -> AwaitableOrValue[list[TriggerEvent]]:
        """Latest 100 triggers that fired, oldest first."""
        if not self.for_team:
            return []
        return info.context.look_up(
            triggers_of, self.row.id, lambda rows: list(map(TriggerEvent.of, rows or ()))
        )

    @sync_or_async_field(list[EscalationNote], needs())
    def notes(self, info: Info) -> AwaitableOrValue[list[EscalationNote]]:
        """Latest 100 internal notes of the team, oldest first."""
        if not self.for_team:
            return []
        return info.context.look_up(
            notes_of, self.row.id, lambda rows: list(map(EscalationNote.of, rows or ()))
        )

    @sync_or_async_field(TimelineConnection, needs())
    def timeline(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> AwaitableOrValue[TimelineConnection]:
        """Everything that happened to it, oldest first."""
        if not self.for_team:
            raise forbidden_to_customers()
        return info.context.look_up_page(timelines_of, self.row.id, (first, after), TimelineConnection.of)


@strawberry.input
class EscalationFilter:
    """Which escalations are listed; what is left out does not choose."""

    agent_id: strawberry.ID | None = None
    """Escalations of this AI agent."""
    status: list[EscalationStatus] | None = None
    """Any of these statuses."""
    priority: list[Priority] | None = None
    """Any of these priorities."""
    sla_status: list[SlaStatus] | None = None
    """Any of these statuses of the clock."""
    sla_outcome: list[SlaOutcome] | None = None
    """Any of these outcomes of the clock. From the due time on it is MISSED, before an answer too."""
    trigger: list[EscalationTrigger] | None = None
    """Any of these first triggers."""
    assignee_id: strawberry.ID | None = None
    """Escalations of this team member."""
    answered: bool | None = None
    """With (true) or without (false) a reply by a person. Not answered and MISSED is overdue."""
    unassigned: bool | None = None
    """Escalations without (true) or with (false) an assignee."""
    created_from: datetime | None = None
    """Earliest time of creation."""
    created_to: datetime | None = None
    """End of the period of creation, exclusive."""
    search: str | None = None
    """Beginnings of words in messages, reason, summary or the customer's name, email or own id; or an id.

    Each word must be in one of them, in any case. Words of Chinese, Japanese, Thai and other scripts without
    spaces are found anywhere in a sentence. Requires CONVERSATIONS_READ.
    """
    disposition: list[Disposition] | None = None
    """Any of these dispositions."""
    reviewed: bool | None = strawberry.field(
        default=None, description="With (true) or without (false) a disposition: what is left to review."
    )

    def read(self, info: Info) -> Filter:
        """Return the filter with UUIDs in place of TypeIDs; raise BadInputError."""
        return Filter(
            agent_id=_key(info, AGENT, self.agent_id, "filter.agent_id"),
            status=_chosen(self.status),
            priority=_chosen(self.priority),
            sla_status=_chosen(self.sla_status),
            sla_outcome=_chosen(self.sla_outcome),
            answered=self.answered,
            trigger=_chosen(self.trigger),
            assignee_id=_key(info, MEMBER, self.assignee_id, "filter.assignee_id"),
            unassigned=self.unassigned,
            created_from=self.created_from,
            created_to=self.created_to,
            search=self.search,
            disposition=_chosen(self.disposition),
            reviewed=self.reviewed,
        )


def _key(info: Info, prefix: str, text: str | None, name: str) -> UUID | None:
    return None if text is None else parse_global_id(info, prefix, text, name)


def _chosen(values: list[T] | None) -> tuple[T, ...] | None:
    return None if values is None else tuple(values)
