"""Raising an escalation: the one way in, whatever triggered it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Uuid, bindparam, select, update

from models.compiled_select import CompiledWrite
from models.escalation import Escalation, TriggerEvent
from models.ids import new_id
from models.plain_row import new_row
from realtime.transaction import Transaction
from resolvers.actor import Actor
from resolvers.ai_control import pause, take_over
from resolvers.append_message import post_system_message
from resolvers.locks import LockedConversation, lock_active_escalation
from resolvers.pending_escalation import end_pending
from resolvers.sla_clock import announce_crossings, schedule_next_crossing, set_clock
from resolvers.timeline import write_fact, write_timeline
from rules.ai_control import AiPauseCause
from rules.customer_texts import confirmation_text
from rules.escalation import EscalationStatus, EscalationTrigger, Priority, TimelineKind
from rules.message import MessageKind
from rules.pending_escalation import PendingOutcome
from rules.sla_clock import SlaStatus
from rules.triggers import FiredTrigger, highest_priority, in_order

REPETITION = timedelta(minutes=1)


def _equal(column: Any) -> ColumnElement[bool]:
    """Return the condition that a column has the value of the fired trigger, which may be null."""
    value: BindParameter[Any] = bindparam(f"fired_{column.key}", type_=column.type)
    return cast("ColumnElement[bool]", column.is_not_distinct_from(value))


_NOW = bindparam("now", type_=TriggerEvent.occurred_at.type)
_REPEATED = (
    select(TriggerEvent.id)
    .where(
        TriggerEvent.escalation_id == bindparam("of_escalation", type_=Uuid),
        *map(
            _equal, (TriggerEvent.trigger, TriggerEvent.reason, TriggerEvent.detail, TriggerEvent.confidence)
        ),
        TriggerEvent.occurred_at > bindparam("since", type_=TriggerEvent.occurred_at.type),
    )
    .limit(1)
    .scalar_subquery()
)
_COUNT_REPETITION = CompiledWrite(
    update(TriggerEvent)
    .where(TriggerEvent.id == _REPEATED)
    .values(count=TriggerEvent.count + 1, last_occurred_at=_NOW)
    .returning(TriggerEvent.id)
)


@dataclass(frozen=True, slots=True)
class CallerData:
    """The additions of a caller to an escalation: words for the person who answers, and data of its own."""

    summary: str | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class EscalationResult:
    """The escalation that a trigger led to, and whether it is a new one."""

    escalation: Escalation
    created: bool


async def raise_escalation(
    tx: Transaction,
    locked: LockedConversation,
    triggers: Sequence[FiredTrigger],
    actor: Actor | None,
    assignee_id: UUID | None = None,
    data: CallerData | None = None,
) -> EscalationResult:
    """Raise one escalation for all of `triggers`, or fold them into the active one.

    A summary or metadata in `data` replaces that of the active escalation. A trigger that repeats an equal
    one within a minute is only counted. Without any other change there is no event, and the version stays.

    It runs in the transaction of the causing message or call, under the conversation's lock, and ends a
    pending escalation.
    """
    await end_pending(tx, locked.conversation, PendingOutcome.TAKEN_OVER)
    triggers = in_order(triggers)
    active = await lock_active_escalation(tx, locked.conversation)
    if active:
        fresh = [trigger for trigger in triggers if not await _count_repetition(tx, active, trigger)]
        if _set_caller_data(active, data) or fresh or _asks_for_more(active, triggers, assignee_id):
            _fold(tx, active, fresh, highest_priority(triggers), actor, assignee_id)
        if take_over(tx, locked, AiPauseCause.ESCALATION, active.id, active.id):
            write_timeline(tx, active, TimelineKind.AI_PAUSED, actor)
        return EscalationResult(active, created=False)
    escalation = _create(tx, locked, triggers, assignee_id)
    _set_caller_data(escalation, data)
    _announce(tx, locked, escalation, triggers, actor)
    return EscalationResult(escalation, created=True)


def _create(
    tx: Transaction, locked: LockedConversation, triggers: Sequence[FiredTrigger], assignee_id: UUID | None
) -> Escalation:
    conversation, settings, first = locked.conversation, locked.settings, triggers[0]
    priority = highest_priority(triggers) or settings.sla.default_priority
    escalation = new_row(
        Escalation,
        id=new_id(),
        workspace_id=conversation.workspace_id,
        agent_id=conversation.agent_id,
        conversation_id=conversation.id,
        status=EscalationStatus.OPEN,
        priority=priority,
        trigger=first.trigger,
        reason=first.reason,
        detail=first.detail,
        confidence=next((trigger.confidence for trigger in triggers if trigger.confidence is not None), None),
        confirmation=_confirmation(locked, first, priority),
        assignee_id=assignee_id,
        sla_policy=settings.sla.model_dump(mode="json"),
        created_at=tx.now,
        kept_ai_paused=False,
        sla_status=SlaStatus.ON_TRACK,
        timeline=0,
        version=1,
    )
    set_clock(escalation, tx.now)
    schedule_next_crossing(tx, escalation)
    tx.add(escalation)
    return escalation


def _set_caller_data(escalation: Escalation, data: CallerData | None) -> bool:
    """Set the summary and the metadata that are given, and return whether anything changed."""
    before = escalation.summary, escalation.details
    if data and data.summary is not None:
        escalation.summary = data.summary
    if data and data.metadata is not None:
        escalation.details = data.metadata
    return before != (escalation.summary, escalation.details)


def _announce(
    tx: Transaction,
    locked: LockedConversation,
    escalation: Escalation,
    triggers: Sequence[FiredTrigger],
    actor: Actor | None,
) -> None:
    write_fact(
        tx,
        escalation,
        TimelineKind.CREATED,
        actor,
        trigger=escalation.trigger,
        reason=escalation.reason,
        priority=escalation.priority,
        assignee=escalation.assignee_id and str(escalation.assignee_id),
    )
    _add_trigger(tx, escalation, triggers[0])
    _write_triggers(tx, escalation, triggers[1:], actor)
    conversation, cause = locked.conversation, AiPauseCause.ESCALATION
    tx.log_to_conversation(conversation.id, "conversation.escalated", escalation=escalation.id)
    by_member = escalation.trigger is EscalationTrigger.TEAM_MEMBER
    if (take_over if by_member else pause)(tx, locked, cause, escalation.id):
        write_timeline(tx, escalation, TimelineKind.AI_PAUSED, actor)
    if not by_member:
        post_system_message(tx, conversation, MessageKind.CONFIRMATION, escalation.confirmation)


async def _count_repetition(tx: Transaction, escalation: Escalation, fired: FiredTrigger) -> bool:
    """Count a trigger on an equal one of the last minute, and return whether there is one."""
    counted = await tx.fetch(
        _COUNT_REPETITION,
        of_escalation=escalation.id,
        fired_trigger=fired.trigger,
        fired_reason=fired.reason,
        fired_detail=fired.detail,
        fired_confidence=fired.confidence,
        since=tx.now - REPETITION,
        now=tx.now,
    )
    return bool(counted)


def _asks_for_more(
    escalation: Escalation, triggers: Sequence[FiredTrigger], assignee_id: UUID | None
) -> bool:
    asked = highest_priority(triggers)
    raises = asked is not None and asked.rank > escalation.priority.rank
    return raises or (assignee_id is not None and escalation.assignee_id is None)


def _fold(
    tx: Transaction,
    escalation: Escalation,
    triggers: Sequence[FiredTrigger],
    asked: Priority | None,
    actor: Actor | None,
    assignee_id: UUID | None,
) -> None:
    escalation.version += 1
    _write_triggers(tx, escalation, triggers, actor)
    if asked and asked.rank > escalation.priority.rank:
        change_priority(tx, escalation, asked, actor)
    if assignee_id and escalation.assignee_id is None:
        assign(tx, escalation, assignee_id, actor)


def _write_triggers(
    tx: Transaction, escalation: Escalation, triggers: Sequence[FiredTrigger], actor: Actor | None
) -> None:
    for fired in triggers:
        _add_trigger(tx, escalation, fired)
        write_fact(
            tx,
            escalation,
            TimelineKind.TRIGGERED,
            actor,
            trigger=fired.trigger,
            reason=fired.reason,
            detail=fired.detail,
        )


def _add_trigger(tx: Transaction, escalation: Escalation, fired: FiredTrigger) -> None:
    tx.add(
        new_row(
            TriggerEvent,
            id=new_id(),
            escalation_id=escalation.id,
            trigger=fired.trigger,
            reason=fired.reason,
            detail=fired.detail,
            confidence=fired.confidence,
            occurred_at=tx.now,
            last_occurred_at=tx.now,
            count=1,
        )
    )


def _confirmation(locked: LockedConversation, first: FiredTrigger, priority: Priority) -> str:
    """Return the text for the customer, who asked for nothing if a team member takes over."""
    if first.trigger is EscalationTrigger.TEAM_MEMBER:
        return locked.texts.taken_over_message
    texts, sla = locked.texts, locked.settings.sla
    business_hours = sla.business_hours.model_dump(mode="json")
    target = sla.target_of(priority)
    return confirmation_text(texts.confirmation_message, target, business_hours, texts.confirmation_language)


def change_priority(tx: Transaction, escalation: Escalation, priority: Priority, actor: Actor | None) -> None:
    """Set the priority and recompute the clock from the same start; a stopped clock stays."""
    previous, escalation.priority = escalation.priority, priority
    write_fact(tx, escalation, TimelineKind.PRIORITY_CHANGED, actor, previous=previous, priority=priority)
    if escalation.sla_stopped_at is None:
        set_clock(escalation, escalation.sla_started_at)
        announce_crossings(tx, escalation)


def assign(tx: Transaction, escalation: Escalation, assignee_id: UUID | None, actor: Actor | None) -> None:
    """Assign the escalation to a team member, or unassign it with None."""
    previous, escalation.assignee_id = escalation.assignee_id, assignee_id
    kind = TimelineKind.ASSIGNED if assignee_id else TimelineKind.UNASSIGNED
    write_fact(
        tx,
        escalation,
        kind,
        actor,
        assignee=assignee_id and str(assignee_id),
        previous=previous and str(previous),
    )
    tx.log_to_conversation(escalation.conversation_id, f"conversation.{kind}", escalation=escalation.id)
