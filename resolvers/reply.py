"""A person's reply to the customer."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy import func, select

from models.escalation import Escalation
from models.message import Message
from realtime.transaction import LockRequiredError, Transaction, UnlockedTransaction
from resolvers.actor import ActorKind
from resolvers.ai_control import hand_back
from resolvers.append_message import post
from resolvers.assignee import lock_assignee, lock_own_membership, own_membership
from resolvers.context import Context
from resolvers.errors import BadInputError, ConflictError
from resolvers.idempotency import begin_idempotent
from resolvers.locks import (
    LockedConversation,
    lock_active_escalation,
    lock_conversation,
    lock_escalation,
    read_escalation,
    refuse_erased,
)
from resolvers.member_lookup import member_of_email
from resolvers.message import discard, lock_held_reply
from resolvers.permissions import permitted
from resolvers.raise_escalation import assign, raise_escalation
from resolvers.sla_clock import business_time, stop_clock
from resolvers.timeline import write_fact, write_timeline
from resolvers.timer_handlers import fire_if_due
from resolvers.validation import check_content
from resolvers.visibility import CONVERSATION, ESCALATION, MESSAGE
from rules.ai_control import AiPauseCause, AiResumePolicy
from rules.escalation import EscalationStatus, EscalationTrigger, TimelineKind
from rules.message import MessageRole
from rules.triggers import fired

_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class ReplyResult:
    """The reply, and the escalation after it."""

    message: Message
    escalation: Escalation


@permitted("replyToEscalation", ESCALATION)
async def reply_to_escalation(
    context: Context,
    escalation_id: UUID,
    content: str,
    author_email: str | None = None,
    idempotency_key: str | None = None,
) -> ReplyResult:
    """Send the customer a reply of a person.

    The first reply stops the clock, moves OPEN to IN_PROGRESS and assigns its author if there is no assignee.
    Raises ConflictError for a resolved escalation.
    """
    check_content("content", content)
    if author_email is not None and context.actor.kind is ActorKind.TEAM_MEMBER:
        raise BadInputError("author_email", "is for API keys; a signed-in team member is the author")
    if idempotency_key is None and author_email is None:
        with suppress(LockRequiredError):
            reply = partial(_reply_without_lock, context, escalation_id, content)
            return await context.services.transactions.change_without_lock(reply, context.replay_clock)
    async with context.services.transactions.begin(context.replay_clock) as tx:
        inputs = {"escalation": escalation_id, "content": content, "author": author_email}
        call = await begin_idempotent(tx, context.actor, "replyToEscalation", idempotency_key, inputs)
        author = await _lock_author(tx, context, author_email)
        locked, escalation = await lock_escalation(tx, context.actor, escalation_id)
        if call.result is not None:
            message = await tx.session.get_one(Message, UUID(call.result["message"]))
            return ReplyResult(message, escalation)
        message = await _reply(tx, context, locked, escalation, content, author)
        await call.store_result(message=message.id)
    return ReplyResult(message, escalation)


async def _reply_without_lock(
    context: Context, escalation_id: UUID, content: str, tx: UnlockedTransaction
) -> ReplyResult:
    """Reply where the AI stays paused and no timer is set; raise LockRequiredError for others."""
    unlocked, escalation, role = await read_escalation(tx, context.actor, escalation_id)
    member_id = own_membership(context.actor, role)
    message = await _reply(tx, context, unlocked, escalation, content, _Author(member_id, member_id))
    return ReplyResult(message, escalation)


@permitted("replyToConversation", CONVERSATION)
async def reply_to_conversation(
    context: Context, conversation_id: UUID, content: str, idempotency_key: str | None = None
) -> ReplyResult:
    """Send a team member's reply to a conversation, which the member takes over.

    Without an active escalation, one is raised for the member: assigned, in progress, its clock met. The
    reply belongs to the active escalation.
    """
    check_content("content", content)
    async with context.services.transactions.begin(context.replay_clock) as tx:
        inputs = {"conversation": conversation_id, "content": content}
        call = await begin_idempotent(tx, context.actor, "replyToConversation", idempotency_key, inputs)
        author = await _lock_author(tx, context)
        locked = await lock_conversation(tx, context.actor, conversation_id)
        if call.result is not None:
            return ReplyResult(
                await tx.session.get_one(Message, UUID(call.result["message"])),
                await tx.session.get_one(Escalation, UUID(call.result["escalation"])),
            )
        await fire_if_due(tx, locked)
        escalation = await _lock_or_raise(tx, context, locked, author)
        message = await _reply(tx, context, locked, escalation, content, author)
        await call.store_result(message=message.id, escalation=escalation.id)
    return ReplyResult(message, escalation)


async def _lock_or_raise(
    tx: Transaction, context: Context, locked: LockedConversation, author: "_Author"
) -> Escalation:
    if active := await lock_active_escalation(tx, locked.conversation):
        return active
    taken_over = fired(EscalationTrigger.TEAM_MEMBER)
    raised = await raise_escalation(tx, locked, [taken_over], context.actor, author.assignee_id)
    return raised.escalation


@permitted("sendHeldReply", MESSAGE)
async def send_held_reply(context: Context, message_id: UUID, content: str | None = None) -> ReplyResult:
    """Send a draft, edited or not, as the member's own reply; the draft is discarded.

    Raises ConflictError when it is no longer a draft, no escalation is active, or a person has sent the same
    text since the draft came.
    """
    if content is not None:
        check_content("content", content)
    async with context.services.transactions.begin(context.replay_clock) as tx:
        author = await _lock_author(tx, context)
        locked, draft = await lock_held_reply(tx, context, message_id)
        escalation = await lock_active_escalation(tx, locked.conversation)
        if escalation is None:
            raise ConflictError("The conversation has no active escalation: escalate it, then reply.")
        words = draft.content if content is None else content
        await _refuse_repetition(tx, draft, words)
        # Before the reply: one that hands back discards the drafts that are left.
        discard(tx, draft)
        await tx.flush()
        message = await _reply(tx, context, locked, escalation, words, author)
    return ReplyResult(message, escalation)


async def _refuse_repetition(tx: Transaction, draft: Message, words: str) -> None:
    # A copy of the draft can be sent as a reply, which leaves the draft as it is.
    same = select(Message.id).where(
        Message.conversation_id == draft.conversation_id,
        Message.position > draft.position,
        Message.role == MessageRole.HUMAN,
        func.btrim(Message.content, _SPACE) == words.strip(_SPACE),
    )
    if await tx.session.scalar(same.limit(1)):
        raise ConflictError(
            "A person has already sent the customer this text: discard the held reply, or send other words."
        )


@dataclass(frozen=True, slots=True)
class _Author:
    """The author of a reply, and the same member as assignee if the member can answer."""

    member_id: UUID | None
    assignee_id: UUID | None


async def _lock_author(tx: Transaction, context: Context, email: str | None = None) -> _Author:
    if email is None:
        member_id = await lock_own_membership(tx, context.actor)
        return _Author(member_id, member_id)
    member = await member_of_email(tx.session, context.actor.workspace_id, "author_email", email)
    return _Author(member.id, await lock_assignee(tx, member.id))


async def _reply(
    tx: Transaction,
    context: Context,
    locked: LockedConversation,
    escalation: Escalation,
    content: str,
    author: _Author,
) -> Message:
    if not escalation.active:
        raise ConflictError("The escalation is resolved; reopen it, then reply.")
    conversation = locked.conversation
    refuse_erased(conversation)
    if escalation.first_responded_at is None:
        stop_clock(tx, escalation)
        escalation.first_responded_at = tx.now
        escalation.first_response_business_us = business_time(escalation, tx.now)
    message = post(tx, conversation, MessageRole.HUMAN, content, context.actor, author_id=author.member_id)
    said = {"message": str(message.id)}
    escalation.version += 1
    write_fact(tx, escalation, TimelineKind.REPLIED, context.actor, said, **said)
    if escalation.status is EscalationStatus.OPEN:
        escalation.status = EscalationStatus.IN_PROGRESS
        kind, previous = TimelineKind.STATUS_CHANGED, EscalationStatus.OPEN
        write_fact(tx, escalation, kind, context.actor, previous=previous, status=escalation.status)
    if author.assignee_id and escalation.assignee_id is None:
        assign(tx, escalation, author.assignee_id, context.actor)
    by_policy = locked.settings.ai.resume_on is AiResumePolicy.HUMAN_REPLY
    if by_policy and conversation.ai_pause_cause is AiPauseCause.ESCALATION:
        await hand_back(tx, locked, escalation.id, escalation.id)
        write_timeline(tx, escalation, TimelineKind.AI_RESUMED, context.actor)
    return message
