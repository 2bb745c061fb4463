"""The team's changes of an escalation: claim, assign, prioritise, resolve, reopen."""

from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import select

from models.conversation import Conversation
from models.escalation import Escalation, EscalationNote
from models.ids import new_id
from models.plain_row import new_row
from realtime.transaction import Transaction
from resolvers.actor import Actor
from resolvers.ai_control import hand_back, pause, take_over
from resolvers.assignee import lock_assignee_by_email, lock_assignee_of, lock_own_membership
from resolvers.context import Context
from resolvers.errors import ConflictError
from resolvers.idempotency import begin_idempotent
from resolvers.locks import LockedConversation, lock_active_escalation, lock_escalation
from resolvers.permissions import permitted
from resolvers.raise_escalation import assign, change_priority
from resolvers.sla_clock import announce_crossings, business_time, set_clock, stop_clock
from resolvers.timeline import write_fact, write_timeline
from resolvers.validation import check_words
from resolvers.visibility import ESCALATION
from rules.ai_control import AiPauseCause, AiResumePolicy, AiState
from rules.escalation import Disposition, EscalationStatus, Priority, TimelineKind, status_after_reopening
from rules.sla_clock import SlaOutcome

_ACTIVE = (EscalationStatus.OPEN, EscalationStatus.IN_PROGRESS)


@dataclass(frozen=True, slots=True)
class EscalationChanges:
    """The requested changes; None leaves a field. An empty `assign_to` unassigns."""

    status: EscalationStatus | None = None
    priority: Priority | None = None
    assign_to: str | None = None
    note: str | None = None
    expected_version: int | None = None


@permitted("updateEscalation", ESCALATION)
async def update_escalation(
    context: Context, escalation_id: UUID, changes: EscalationChanges, idempotency_key: str | None = None
) -> Escalation:
    """Apply all of the changes or none.

    A repeated call with its key returns the present escalation. Raises ConflictError for an outdated
    `expected_version`, and for a change of a resolved escalation: it takes only a note, or an active status,
    which reopens it.
    """
    if changes.note is not None:
        check_words("note", changes.note)
    async with context.services.transactions.begin(context.replay_clock) as tx:
        inputs = {"escalation": escalation_id, **asdict(changes)}
        call = await begin_idempotent(tx, context.actor, "updateEscalation", idempotency_key, inputs)
        if call.result is not None:
            return (await lock_escalation(tx, context.actor, escalation_id))[1]
        assignee_id = await _lock_new_assignee(tx, context.actor, escalation_id, changes)
        locked, escalation = await lock_escalation(tx, context.actor, escalation_id)
        _expect(escalation, changes.expected_version)
        before = escalation.timeline
        escalation.version += 1
        await _change(tx, context.actor, locked, escalation, changes, assignee_id)
        if escalation.timeline == before:
            escalation.version -= 1
        await call.store_result()
    return escalation


def _expect(escalation: Escalation, version: int | None) -> None:
    if version is not None and version != escalation.version:
        raise ConflictError(
            f"The escalation is at version {escalation.version}, not {version}: read it again."
        )


async def _lock_new_assignee(
    tx: Transaction, actor: Actor, escalation_id: UUID, changes: EscalationChanges
) -> UUID | None:
    if changes.assign_to:
        return await lock_assignee_by_email(tx, actor, "assign_to", changes.assign_to)
    if changes.status in _ACTIVE:
        return await lock_assignee_of(tx, actor, escalation_id)
    return None


async def _change(
    tx: Transaction,
    actor: Actor,
    locked: LockedConversation,
    escalation: Escalation,
    changes: EscalationChanges,
    assignee_id: UUID | None,
) -> None:
    status = changes.status
    if status in _ACTIVE and not escalation.active:
        kept_id = assignee_id if changes.assign_to is None else escalation.assignee_id
        await _reopen(tx, locked, escalation, actor, kept_id, status)
    if changes.priority and changes.priority is not escalation.priority:
        _must_be_active(escalation, "Its priority stays as it is")
        change_priority(tx, escalation, changes.priority, actor)
    if changes.assign_to is not None:
        _reassign(tx, escalation, assignee_id if changes.assign_to else None, actor)
    if changes.note is not None:
        _add_note(tx, escalation, changes.note, actor)
    if status is EscalationStatus.RESOLVED:
        if escalation.active:
            await _resolve(tx, locked, escalation, actor, ResolutionInput())
    elif status and status is not escalation.status:
        _set_status(tx, escalation, status, actor)


def _must_be_active(escalation: Escalation, consequence: str) -> None:
    if not escalation.active:
        raise ConflictError(f"The escalation is resolved. {consequence} unless it is reopened.")


def _reassign(tx: Transaction, escalation: Escalation, assignee_id: UUID | None, actor: Actor) -> None:
    if assignee_id != escalation.assignee_id:
        _must_be_active(escalation, "Its assignee stays as it is")
        assign(tx, escalation, assignee_id, actor)


def _add_note(tx: Transaction, escalation: Escalation, body: str, actor: Actor) -> None:
    note = new_row(
        EscalationNote,
        id=new_id(),
        escalation_id=escalation.id,
        author_id=actor.member_id,
        body=body,
        created_at=tx.now,
    )
    tx.add(note)
    write_fact(tx, escalation, TimelineKind.NOTED, actor, note=str(note.id))


def _set_status(tx: Transaction, escalation: Escalation, status: EscalationStatus, actor: Actor) -> None:
    previous, escalation.status = escalation.status, status
    write_fact(tx, escalation, TimelineKind.STATUS_CHANGED, actor, previous=previous, status=status)


@permitted("claimEscalation", ESCALATION)
async def claim_escalation(context: Context, escalation_id: UUID) -> Escalation:
    """Assign an unassigned escalation to the caller; claiming one's own again changes nothing.

    Raises ConflictError when it is assigned to another member, or resolved.
    """
    async with context.services.transactions.begin(context.replay_clock) as tx:
        member_id = await lock_own_membership(tx, context.actor)
        _, escalation = await lock_escalation(tx, context.actor, escalation_id)
        _must_be_active(escalation, "It cannot be claimed")
        if escalation.assignee_id is None:
            escalation.version += 1
            assign(tx, escalation, member_id, context.actor)
        elif escalation.assignee_id != member_id:
            raise ConflictError(
                "The escalation is assigned to another team member. To take it over, call updateEscalation "
                "with assignTo."
            )
    return escalation


@dataclass(frozen=True, slots=True)
class ResolutionInput:
    """The input of a resolution."""

    note: str | None = None
    disposition: Disposition | None = None
    keep_ai_paused: bool = False


@permitted("resolveEscalation", ESCALATION)
async def resolve_escalation(context: Context, escalation_id: UUID, how: ResolutionInput) -> Escalation:
    """Resolve an escalation; the AI resumes by the settings' policy unless `keep_ai_paused`."""
    if how.note is not None:
        check_words("note", how.note)
    async with context.services.transactions.begin(context.replay_clock) as tx:
        locked, escalation = await lock_escalation(tx, context.actor, escalation_id)
        _must_be_active(escalation, "It cannot be resolved again")
        escalation.version += 1
        await _resolve(tx, locked, escalation, context.actor, how)
    return escalation


async def _resolve(
    tx: Transaction, locked: LockedConversation, escalation: Escalation, actor: Actor, how: ResolutionInput
) -> None:
    conversation, policy = locked.conversation, locked.settings.ai.resume_on
    paused = conversation.ai_state is AiState.PAUSED
    keep = paused and (how.keep_ai_paused or policy is AiResumePolicy.MANUAL)
    escalation.status = EscalationStatus.RESOLVED
    escalation.resolved_at = tx.now
    escalation.resolution_business_us = business_time(escalation, tx.now)
    escalation.resolved_by_id = actor.member_id
    escalation.resolution_note = how.note
    escalation.disposition = how.disposition
    escalation.kept_ai_paused = keep
    stop_clock(tx, escalation)
    write_fact(tx, escalation, TimelineKind.RESOLVED, actor, disposition=how.disposition, keptAiPaused=keep)
    tx.log_to_conversation(conversation.id, "conversation.resolved", escalation=escalation.id)
    if keep:
        pause(tx, locked, AiPauseCause.KEPT_AFTER_RESOLUTION)
    elif await hand_back(tx, locked, escalation.id):
        write_timeline(tx, escalation, TimelineKind.AI_RESUMED, actor)


@permitted("setDisposition", ESCALATION)
async def set_disposition(
    context: Context, escalation_id: UUID, disposition: Disposition | None
) -> Escalation:
    """Record after the fact whether a resolved escalation was needed; None takes the judgement back.

    Raises ConflictError for an escalation that is active.
    """
    async with context.services.transactions.begin(context.replay_clock) as tx:
        _, escalation = await lock_escalation(tx, context.actor, escalation_id)
        if escalation.active:
            raise ConflictError("The escalation is active. Resolve it, with a disposition if you like.")
        previous = escalation.disposition
        if disposition is not previous:
            escalation.disposition = disposition
            escalation.version += 1
            write_fact(
                tx,
                escalation,
                TimelineKind.DISPOSITION_CHANGED,
                context.actor,
                previous=previous,
                disposition=disposition,
            )
    return escalation


@permitted("reopenEscalation", ESCALATION)
async def reopen_escalation(context: Context, escalation_id: UUID) -> Escalation:
    """Reopen the latest escalation of a conversation, and pause the AI.

    Raises ConflictError when an escalation is active, or when it is not the latest.
    """
    async with context.services.transactions.begin(context.replay_clock) as tx:
        assignee_id = await lock_assignee_of(tx, context.actor, escalation_id)
        locked, escalation = await lock_escalation(tx, context.actor, escalation_id)
        if escalation.active:
            raise ConflictError("The escalation is active: there is nothing to reopen.")
        escalation.version += 1
        await _reopen(tx, locked, escalation, context.actor, assignee_id)
    return escalation


async def _reopen(
    tx: Transaction,
    locked: LockedConversation,
    escalation: Escalation,
    actor: Actor,
    assignee_id: UUID | None,
    status: EscalationStatus | None = None,
) -> None:
    """Reopen the escalation. It stays assigned only to `assignee_id`, the member who can still answer."""
    conversation = locked.conversation
    if await lock_active_escalation(tx, conversation):
        raise ConflictError("The conversation has another active escalation; see to that one.")
    if await _last_of(tx, conversation) != escalation.id:
        raise ConflictError("The conversation has a later escalation; reopen that one.")
    cancelled = escalation.clock.outcome(tx.now) is SlaOutcome.CANCELLED
    answered = escalation.first_responded_at is not None
    escalation.status = status or status_after_reopening(answered)
    escalation.resolved_at = escalation.resolved_by_id = escalation.resolution_business_us = None
    escalation.resolution_note = escalation.disposition = None
    escalation.kept_ai_paused = False
    if cancelled:
        set_clock(escalation, tx.now)
    elif not answered:
        escalation.sla_stopped_at = None
    write_fact(tx, escalation, TimelineKind.REOPENED, actor, status=escalation.status)
    if escalation.sla_stopped_at is None:
        announce_crossings(tx, escalation)
    tx.log_to_conversation(conversation.id, "conversation.reopened", escalation=escalation.id)
    if escalation.assignee_id and escalation.assignee_id != assignee_id:
        assign(tx, escalation, None, actor)
    if take_over(tx, locked, AiPauseCause.ESCALATION, escalation.id):
        write_timeline(tx, escalation, TimelineKind.AI_PAUSED, actor)


async def _last_of(tx: Transaction, conversation: Conversation) -> UUID | None:
    row: UUID | None = await tx.session.scalar(
        select(Escalation.id)
        .where(Escalation.conversation_id == conversation.id)
        .order_by(Escalation.created_at.desc(), Escalation.id.desc())
        .limit(1)
    )
    return row
