"""Escalations, and what belongs to one."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.await_maybe import AwaitableOrValue

from models import escalation as models
from resolvers.escalation_queries import EscalationFilter as Filter
from resolvers.escalation_queries import timeline_of
from resolvers.loaders import agents_by_id, conversations_by_id, members_by_id, notes_of, triggers_of
from resolvers.pagination import Page
from rules.escalation import Disposition, EscalationStatus, EscalationTrigger, Priority
from rules.sla_clock import Clock, SlaOutcome, SlaStatus
from rules.typeid import AGENT, ESCALATION, MEMBER, NOTE, format_id
from schema import conversation as conversations
from schema.agent import Agent, the_agent
from schema.basics import Node, PageInfo, page_request
from schema.context import GraphQLContext, Info, forbidden_to_customers, parse_global_id, sync_or_async_field
from schema.people import TeamMember, member
from schema.prefetch import Lookups, prefetch

if TYPE_CHECKING:
    from schema.conversation import Conversation

T = TypeVar("T")


@strawberry.type
class SlaSegment:
    """A stretch in which the clock ran or stood."""

    from_: datetime = strawberry.field(name="from")
    to: datetime
    running: bool
    label: str


@strawberry.type
class Sla:
    """The first-response clock, as it stands now."""

    clock: strawberry.Private[Clock]
    now: strawberry.Private[datetime]
    status: SlaStatus
    outcome: SlaOutcome
    target_minutes: int
    started_at: datetime
    at_risk_at: datetime
    due_at: datetime
    met_at: datetime | None
    breached_at: datetime | None

    @strawberry.field
    def remaining_minutes(self) -> float | None:
        """Business minutes left, negative when late; null once the clock has stopped."""
        return self.clock.remaining_minutes(self.now)

    @strawberry.field
    def segments(self) -> list[SlaSegment]:
        """How the due time came about."""
        return [
            SlaSegment(from_=one.start, to=one.end, running=one.running, label=one.label)
            for one in self.clock.segments()
        ]

    @classmethod
    def of(cls, clock: Clock, now: datetime) -> "Sla":
        """Reads the clock at `now`."""
        outcome = clock.outcome(now)
        return cls(
            clock=clock,
            now=now,
            status=clock.status(now),
            outcome=outcome,
            target_minutes=clock.target_minutes,
            started_at=clock.started_at,
            at_risk_at=clock.at_risk_at,
            due_at=clock.due_at,
            met_at=clock.met_at(now),
            breached_at=clock.breached_at(now),
        )


@strawberry.type
class TriggerEvent:
    """A trigger that fired while the escalation was active."""

    trigger: EscalationTrigger
    reason: str
    detail: str | None
    confidence: float | None
    occurred_at: datetime


@strawberry.type
class EscalationNote:
    """An internal note."""

    author_key: strawberry.Private[UUID | None]
    id: strawberry.ID
    body: str
    created_at: datetime

    @sync_or_async_field(TeamMember | None)
    def author(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """Who wrote it."""
        return member(info, self.author_key)


@strawberry.type
class Resolution:
    """How the escalation ended."""

    resolver_key: strawberry.Private[UUID | None]
    note: str | None
    disposition: Disposition | None
    kept_ai_paused: bool

    @sync_or_async_field(TeamMember | None)
    def resolved_by(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """Who resolved it."""
        return member(info, self.resolver_key)


@strawberry.type
class TimelineEntry:
    """Something that happened to the escalation."""

    actor_key: strawberry.Private[UUID | None]
    kind: str
    occurred_at: datetime
    data: JSON

    @sync_or_async_field(TeamMember | None)
    def actor(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """Who did it, when a team member did."""
        return member(info, self.actor_key)

    @classmethod
    def of(cls, row: models.TimelineEntry) -> "TimelineEntry":
        """Dresses a row; keys in its data become ids."""
        return cls(
            actor_key=row.actor_id, kind=row.kind, occurred_at=row.occurred_at, data=_with_ids(row.data)
        )


_KEYS_IN_DATA = {"assignee": MEMBER, "previous": MEMBER, "message": "msg", "note": NOTE}


def _with_ids(data: dict[str, Any]) -> JSON:
    def spelled(name: str, value: Any) -> Any:
        try:
            return format_id(_KEYS_IN_DATA[name], UUID(value))
        except (KeyError, TypeError, ValueError, AttributeError):
            return value

    return JSON({name: spelled(name, value) for name, value in data.items()})


@strawberry.type
class TimelineEdge:
    """An entry in its list."""

    cursor: str
    node: TimelineEntry


@strawberry.type
class TimelineConnection:
    """A page of the timeline."""

    edges: list[TimelineEdge]
    nodes: list[TimelineEntry]
    page_info: PageInfo

    @classmethod
    def of(cls, page: Page[models.TimelineEntry]) -> "TimelineConnection":
        """Dresses a page."""
        nodes = [TimelineEntry.of(row) for row in page.rows]
        edges = [TimelineEdge(cursor=at, node=node) for at, node in zip(page.cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=PageInfo.of(page))


@strawberry.type
class Escalation(Node):
    """One time that people are asked for."""

    row: strawberry.Private[models.Escalation]
    status: EscalationStatus
    created_at: datetime
    priority: Priority
    trigger: EscalationTrigger
    reason: str
    detail: str | None
    confidence: float | None
    sla: Sla
    first_responded_at: datetime | None
    resolved_at: datetime | None
    resolution: Resolution | None
    version: int

    @classmethod
    def of(cls, row: models.Escalation, call: GraphQLContext) -> "Escalation":
        """Dresses a row; customers see status, creation and the assignee's name."""
        shown = _for_customers() if call.actor.is_customer else _for_team(row, call)
        return cls(
            id=strawberry.ID(format_id(ESCALATION, row.id)),
            row=row,
            status=row.status,
            created_at=row.created_at,
            **shown,
        )

    @sync_or_async_field(Annotated["Conversation", strawberry.lazy("schema.conversation")])
    def conversation(self, info: Info) -> AwaitableOrValue["Conversation"]:
        """The conversation that it belongs to."""
        if info.context.actor.is_customer:
            raise forbidden_to_customers()
        return conversations.the_conversation(info, self.row.conversation_id)

    @sync_or_async_field(Agent)
    def agent(self, info: Info) -> AwaitableOrValue[Agent]:
        """The AI agent that handed over."""
        if info.context.actor.is_customer:
            raise forbidden_to_customers()
        return the_agent(info, self.row.agent_id)

    @sync_or_async_field(TeamMember | None)
    def assignee(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """Who sees to it."""
        return member(info, self.row.assignee_id)

    @strawberry.field
    async def triggers(self, info: Info) -> list[TriggerEvent]:
        """Every trigger that fired, oldest first."""
        if info.context.actor.is_customer:
            return []
        return [
            TriggerEvent(
                trigger=row.trigger,
                reason=row.reason,
                detail=row.detail,
                confidence=row.confidence,
                occurred_at=row.occurred_at,
            )
            for row in await info.context.load(triggers_of, self.row.id) or []
        ]

    @strawberry.field
    async def notes(self, info: Info) -> list[EscalationNote]:
        """The team's internal notes, oldest first."""
        if info.context.actor.is_customer:
            return []
        return [
            EscalationNote(
                author_key=row.author_id,
                id=strawberry.ID(format_id(NOTE, row.id)),
                body=row.body,
                created_at=row.created_at,
            )
            for row in await info.context.load(notes_of, self.row.id) or []
        ]

    @strawberry.field
    async def timeline(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> TimelineConnection:
        """Everything that happened to it, oldest first."""
        if info.context.actor.is_customer:
            raise forbidden_to_customers()
        page = await timeline_of(info.context, self.row.id, page_request(first, after))
        await prefetch(info, page.rows, {"actor": (members_by_id, lambda row: row.actor_id)})
        return TimelineConnection.of(page)


# What a page of escalations looks up for all of them together.
LOOKUPS: Lookups[models.Escalation] = {
    "conversation": (conversations_by_id, lambda row: row.conversation_id),
    "agent": (agents_by_id, lambda row: row.agent_id),
    "assignee": (members_by_id, lambda row: row.assignee_id),
    "resolvedBy": (members_by_id, lambda row: row.resolved_by_id),
}


def _for_team(row: models.Escalation, call: GraphQLContext) -> dict[str, Any]:
    return {
        "priority": row.priority,
        "trigger": row.trigger,
        "reason": row.reason,
        "detail": row.detail,
        "confidence": row.confidence,
        "sla": Sla.of(row.clock, call.now),
        "first_responded_at": row.first_responded_at,
        "resolved_at": row.resolved_at,
        "resolution": _resolution(row),
        "version": row.version,
    }


def _for_customers() -> dict[str, Any]:
    hidden = ("priority", "trigger", "reason", "sla", "version")
    empty = ("detail", "confidence", "first_responded_at", "resolved_at", "resolution")
    return {name: forbidden_to_customers() for name in hidden} | dict.fromkeys(empty)


def _resolution(row: models.Escalation) -> Resolution | None:
    if row.active:
        return None
    return Resolution(
        resolver_key=row.resolved_by_id,
        note=row.resolution_note,
        disposition=row.disposition,
        kept_ai_paused=row.kept_ai_paused,
    )


@strawberry.input
class EscalationFilter:
    """Which escalations are listed; what is left out does not choose."""

    agent_id: strawberry.ID | None = None
    status: list[EscalationStatus] | None = None
    priority: list[Priority] | None = None
    sla_status: list[SlaStatus] | None = None
    trigger: list[EscalationTrigger] | None = None
    assignee_id: strawberry.ID | None = None
    unassigned: bool | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    search: str | None = None
    disposition: list[Disposition] | None = None
    reviewed: bool | None = strawberry.field(
        default=None, description="With (true) or without (false) a disposition: what is left to review."
    )

    def read(self, info: Info) -> Filter:
        """The filter with keys in place of ids; raises BadInputError."""
        return Filter(
            agent_id=_key(info, AGENT, self.agent_id, "filter.agent_id"),
            status=_chosen(self.status),
            priority=_chosen(self.priority),
            sla_status=_chosen(self.sla_status),
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
