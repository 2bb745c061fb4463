"""A person's reply to the customer."""

from dataclasses import dataclass
from uuid import UUID

from models.escalation import Escalation
from models.message import Message
from realtime.transaction import Transaction
from resolvers.ai_control import hand_back
from resolvers.append_message import post
from resolvers.context import Context
from resolvers.errors import BadInputError, ConflictError
from resolvers.idempotency import begin_idempotent
from resolvers.locks import LockedConversation, lock_active_escalation, lock_escalation
from resolvers.member import member_of_email
from resolvers.message import discard, lock_held_reply
from resolvers.permissions import permitted
from resolvers.raise_escalation import assign
from resolvers.sla_clock import stop_clock
from resolvers.timeline import write_fact, write_timeline
from resolvers.validation import check_content
from resolvers.visibility import ESCALATION, MESSAGE
from rules.ai_control import AiPauseCause, AiResumePolicy
from rules.escalation import EscalationStatus
from rules.message import MessageRole
from rules.roles import ViewerKind


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
    """
    Send the customer a reply of a person.

    The first reply stops the clock, moves OPEN to IN_PROGRESS and assigns its author if there is no assignee.
    Raises ConflictError for a resolved escalation.
    """
    check_content("content", content)
    if author_email is not None and context.actor.kind is ViewerKind.TEAM_MEMBER:
        raise BadInputError("author_email", "is for API keys; a signed-in team member is the author")
    async with context.services.transactions.begin(context.replay_clock) as tx:
        inputs = {"escalation": escalation_id, "content": content, "author": author_email}
        call = await begin_idempotent(tx, context.actor, "replyToEscalation", idempotency_key, inputs)
        locked, escalation = await lock_escalation(tx, context.actor, escalation_id)
        if call.result is not None:
            message = await tx.session.get(Message, UUID(call.result["message"]))
            assert message is not None
            return ReplyResult(message, escalation)
        author_id = await _author(tx, context, author_email)
        message = await _reply(tx, context, locked, escalation, content, author_id)
        await call.store_result(message=message.id)
    return ReplyResult(message, escalation)


@permitted("sendHeldReply", MESSAGE)
async def send_held_reply(context: Context, message_id: UUID, content: str | None = None) -> ReplyResult:
    """
    Send a draft, edited or not, as the member's own reply; the draft is discarded.

    Raises ConflictError when it is no longer a draft or no escalation is active.
    """
    if content is not None:
        check_content("content", content)
    async with context.services.transactions.begin(context.replay_clock) as tx:
        locked, draft = await lock_held_reply(tx, context, message_id)
        escalation = await lock_active_escalation(tx, locked.conversation)
        if escalation is None:
            raise ConflictError("The conversation has no active escalation: escalate it, then reply.")
        words = draft.content if content is None else content
        author_id = context.actor.member_id
        # Before the reply: one that hands back discards the drafts that are left.
        discard(tx, draft)
        await tx.session.flush()
        message = await _reply(tx, context, locked, escalation, words, author_id)
    return ReplyResult(message, escalation)


async def _author(tx: Transaction, context: Context, author_email: str | None) -> UUID | None:
    if author_email is None:
        return context.actor.member_id
    workspace_id = context.actor.workspace_id
    return (await member_of_email(tx.session, workspace_id, "author_email", author_email)).id


async def _reply(
    tx: Transaction,
    context: Context,
    locked: LockedConversation,
    escalation: Escalation,
    content: str,
    author_id: UUID | None,
) -> Message:
    if not escalation.active:
        raise ConflictError("The escalation is resolved; reopen it, then reply.")
    conversation = locked.conversation
    if escalation.first_responded_at is None:
        stop_clock(tx, escalation)
        escalation.first_responded_at = tx.now
    message = post(tx, conversation, MessageRole.HUMAN, content, author_id=author_id)
    said = {"message": str(message.id)}
    write_fact(tx, escalation, "replied", context.actor, said, **said)
    escalation.version += 1
    if escalation.status is EscalationStatus.OPEN:
        escalation.status = EscalationStatus.IN_PROGRESS
        write_fact(tx, escalation, "status_changed", context.actor, previous="OPEN", status="IN_PROGRESS")
    if author_id and escalation.assignee_id is None:
        assign(tx, escalation, author_id, context.actor)
    by_policy = locked.settings.ai.resume_on is AiResumePolicy.HUMAN_REPLY
    if by_policy and conversation.ai_pause_cause is AiPauseCause.ESCALATION:
        await hand_back(tx, conversation, escalation.id)
        write_timeline(tx, escalation, "ai_resumed", context.actor)
    return message
