"""Queries of escalations and their counts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, func, or_

from models.escalation import Escalation
from models.search_entry import SearchEntry, SearchSource
from realtime import log
from realtime.cursor import Cursor
from resolvers.context import Context
from resolvers.field_scopes import check_filter_scopes
from resolvers.list_select import Condition, ListSelect, equals, in_period, is_among, is_null
from resolvers.pagination import Order, Page, PageRequest, count_rows, read_page
from resolvers.permissions import permitted
from resolvers.search import COUNTED, SearchedWord, has_message, search_conditions
from resolvers.validation import check_choices
from resolvers.visibility import AGENT, ESCALATION, Visibility, visible_escalations
from rules import typeid
from rules.escalation import Disposition, EscalationStatus, EscalationTrigger, Priority
from rules.sla_clock import SlaOutcome, SlaStatus


class EscalationOrder(StrEnum):
    """The order of a list of escalations."""

    CREATED_DESC = "CREATED_DESC"
    CREATED_ASC = "CREATED_ASC"
    DUE_ASC = "DUE_ASC"
    PRIORITY_DESC = "PRIORITY_DESC"


_ORDERS = {
    EscalationOrder.CREATED_DESC: Order("newest", (Escalation.created_at, Escalation.id), True),
    EscalationOrder.CREATED_ASC: Order("oldest", (Escalation.created_at, Escalation.id), False),
    EscalationOrder.DUE_ASC: Order("due", (Escalation.sla_due_at, Escalation.id), False),
    EscalationOrder.PRIORITY_DESC: Order(
        "priority", (Escalation.priority_rank, Escalation.created_at, Escalation.id), True
    ),
}


@dataclass(frozen=True, slots=True)
class EscalationFilter:
    """A filter of escalations; None does not restrict. `created_to` is exclusive.

    `answered` is whether a person has replied.
    """

    agent_id: UUID | None = None
    status: tuple[EscalationStatus, ...] | None = None
    priority: tuple[Priority, ...] | None = None
    sla_status: tuple[SlaStatus, ...] | None = None
    sla_outcome: tuple[SlaOutcome, ...] | None = None
    answered: bool | None = None
    trigger: tuple[EscalationTrigger, ...] | None = None
    assignee_id: UUID | None = None
    unassigned: bool | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    disposition: tuple[Disposition, ...] | None = None
    reviewed: bool | None = None
    search: str | None = None


_CHOICES = ("status", "priority", "sla_status", "sla_outcome", "trigger", "disposition")


@permitted("escalation", ESCALATION)
async def escalation_by_id(context: Context, escalation_id: UUID) -> Escalation | None:
    """Return the escalation if the caller may see it, otherwise None."""
    return await ESCALATION.find(context.database, context.actor, escalation_id)


# Among what is shown of a page: the head of the log.
CURSOR = "cursor"


@dataclass(frozen=True, slots=True)
class EscalationPage:
    """A page, with the head of the workspace's log from before its rows were read, if it is shown."""

    page: Page[Escalation]
    cursor: str | None


@permitted("escalations")
async def escalations(
    context: Context, wanted: EscalationFilter, order: EscalationOrder, request: PageRequest
) -> EscalationPage:
    """Return a page of the workspace's escalations."""
    listed = await _matching(context, wanted)
    cursor = await shown_cursor(context, EscalationPage)
    page = await read_page(context, listed, _ORDERS[order], request)
    return EscalationPage(page, cursor)


async def shown_cursor(context: Context, page: type[Any]) -> str | None:
    """Return the cursor of the head of the workspace's log, or None if it is not shown of a page."""
    return await workspace_cursor(context) if CURSOR in context.shown.get(page, {CURSOR}) else None


@permitted("viewer")
async def workspace_cursor(context: Context) -> str:
    """Return the cursor of the head of the workspace's log."""
    (head,) = await log.heads(context.database, [context.actor.workspace_id])
    return str(Cursor(head.stream, head.position, head.at))


@permitted("node")
async def count_escalations(context: Context, wanted: EscalationFilter) -> int:
    """Count the escalations that match the filter; of a search, up to COUNTED."""
    return await count_rows(
        context, await _matching(context, wanted), None if wanted.search is None else COUNTED
    )


@dataclass(frozen=True, slots=True)
class EscalationCounts:
    """Counts of active escalations. `mine` are the caller's own."""

    open: int
    in_progress: int
    unassigned: int
    mine: int
    at_risk: int
    breached: int


@permitted("escalationCounts", AGENT)
async def escalation_counts(context: Context, agent_id: UUID | None) -> EscalationCounts:
    """Count the active escalations of one AI agent or of the workspace, in one statement."""
    active = visible_escalations(Visibility.of(context.actor)).where(
        Escalation.status.in_([EscalationStatus.OPEN, EscalationStatus.IN_PROGRESS])
    )
    if agent_id is not None:
        await AGENT.require_visible(context.database, context.actor, agent_id)
        active = active.where(Escalation.agent_id == agent_id)
    counted = (
        Escalation.status == EscalationStatus.OPEN,
        Escalation.status == EscalationStatus.IN_PROGRESS,
        Escalation.assignee_id.is_(None),
        Escalation.assignee_id == context.actor.member_id if context.actor.member_id else false(),
        has_sla_status(SlaStatus.AT_RISK),
        has_sla_status(SlaStatus.BREACHED),
    )
    columns = [func.count().filter(condition) for condition in counted]
    async with context.list_session() as session:
        numbers: Sequence[int] = (await session.execute(active.with_only_columns(*columns))).one()
    return EscalationCounts(*numbers)


async def _matching(context: Context, wanted: EscalationFilter) -> ListSelect[Escalation]:
    for name in _CHOICES:
        check_choices(f"filter.{name}", getattr(wanted, name))
    check_filter_scopes(context.actor, "EscalationFilter", wanted)
    search = await search_conditions(context, wanted.search, _IDS, _in_text)
    return ListSelect(Escalation, visible_escalations, [*_conditions(wanted), *search])


def _conditions(wanted: EscalationFilter) -> Iterator[Condition]:
    ranks = None if wanted.priority is None else [item.rank for item in wanted.priority]
    equal = {"agent_id": wanted.agent_id, "assignee_id": wanted.assignee_id}
    among = {
        "status": wanted.status,
        "priority_rank": ranks,
        "trigger": wanted.trigger,
        "disposition": wanted.disposition,
    }
    null = {
        "assignee_id": wanted.unassigned,
        "disposition": None if wanted.reviewed is None else not wanted.reviewed,
        "first_responded_at": None if wanted.answered is None else not wanted.answered,
    }
    kinds: tuple[tuple[Callable[..., Condition], dict[str, Any]], ...]
    kinds = (equals, equal), (is_among, among), (is_null, null)
    for make, given in kinds:
        yield from (make(Escalation, name, value) for name, value in given.items() if value is not None)
    yield from in_period(Escalation, "created_at", wanted.created_from, wanted.created_to)
    if wanted.sla_status is not None:
        yield Condition(_has_any, (has_sla_status, frozenset(wanted.sla_status)))
    if wanted.sla_outcome is not None:
        yield Condition(_has_any, (_has_sla_outcome, frozenset(wanted.sla_outcome)))


def _has_any(has: Callable[[Any], ColumnElement[bool]], choices: Iterable[Any]) -> ColumnElement[bool]:
    return or_(false(), *map(has, choices))


def has_sla_status(status: SlaStatus) -> ColumnElement[bool]:
    """Return `rules.sla_clock.Clock.status` in SQL, at the start of the statement."""
    # The announced status leads by an index to the few rows that can have the status; the clock decides.
    running, announced, now = Escalation.sla_stopped_at.is_(None), Escalation.sla_status, func.now()
    stopped = and_(~running, announced == status)
    at_risk_passed, due_passed = now >= Escalation.sla_at_risk_at, now >= Escalation.sla_due_at
    on_track, at_risk = announced == SlaStatus.ON_TRACK, announced == SlaStatus.AT_RISK
    running_as: dict[SlaStatus, list[ColumnElement[bool]]] = {
        SlaStatus.ON_TRACK: [and_(on_track, ~at_risk_passed, ~due_passed)],
        SlaStatus.AT_RISK: [and_(at_risk, ~due_passed), and_(on_track, at_risk_passed, ~due_passed)],
        SlaStatus.BREACHED: [
            announced == SlaStatus.BREACHED,
            and_(at_risk, due_passed),
            and_(on_track, due_passed),
        ],
    }
    return or_(stopped, *(and_(running, condition) for condition in running_as[status]))


def _has_sla_outcome(outcome: SlaOutcome) -> ColumnElement[bool]:
    """Return `rules.sla_clock.Clock.outcome` in SQL, at the start of the statement."""
    if outcome is SlaOutcome.MISSED:
        return has_sla_status(SlaStatus.BREACHED)
    in_time = or_(has_sla_status(SlaStatus.ON_TRACK), has_sla_status(SlaStatus.AT_RISK))
    running, answered = Escalation.sla_stopped_at.is_(None), Escalation.first_responded_at.is_not(None)
    conditions = {
        SlaOutcome.RUNNING: running,
        SlaOutcome.MET: and_(~running, answered),
        SlaOutcome.CANCELLED: and_(~running, ~answered),
    }
    return and_(in_time, conditions[outcome])


_IDS = {
    typeid.ESCALATION: lambda row_id: Escalation.id == row_id,
    typeid.CONVERSATION: lambda row_id: Escalation.conversation_id == row_id,
    typeid.MESSAGE: lambda row_id: has_message(Escalation.conversation_id, row_id),
}


def _in_text(word: SearchedWord) -> ColumnElement[bool]:
    own, shared = SearchEntry.source == SearchSource.ESCALATION, SearchEntry.source != SearchSource.ESCALATION
    if word.frequent:
        return word.has_entry(Escalation.conversation_id, or_(shared, SearchEntry.id == Escalation.id))
    in_conversation = word.leads_to(Escalation.conversation_id, SearchEntry.conversation_id, shared)
    return or_(in_conversation, word.leads_to(Escalation.id, SearchEntry.id, own))
