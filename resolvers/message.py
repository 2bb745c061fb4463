"""Messages of customers and AI agents, and held replies."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select

from models.compiled_select import CompiledSelect
from models.conversation import Conversation
from models.escalation import Escalation
from models.message import Message
from realtime.transaction import LockRequiredError, Transaction, UnlockedTransaction
from resolvers.actor import Actor
from resolvers.ai_control import request_turn
from resolvers.append_message import post
from resolvers.context import Context
from resolvers.errors import BadInputError, ConflictError, ForbiddenError
from resolvers.idempotency import IdempotentCall, begin_idempotent
from resolvers.locks import LockedConversation, lock_conversation, read_conversation
from resolvers.pending_escalation import end_pending, open_pending
from resolvers.permissions import permitted
from resolvers.raise_escalation import raise_escalation
from resolvers.timer_handlers import fire_if_due
from resolvers.validation import (
    check_content,
    check_intents,
    check_json,
    check_not_probability,
    check_not_reserved,
    check_percent,
    probability_in_percent,
)
from resolvers.visibility import CONVERSATION, MESSAGE
from rules.ai_control import reply_status
from rules.message import MessageRole, MessageStatus
from rules.pending_escalation import PendingOutcome
from rules.triggers import (
    FiredTrigger,
    ReplyEffect,
    is_low,
    judge_reply,
    triggers_of_customer_message,
)

_BY_ID = CompiledSelect(select(Message).where(Message.id == bindparam("row_id", type_=Uuid)))


@dataclass(frozen=True, slots=True)
class NewMessage:
    """The input of a new message. `confidence` is in percent, `epoch` that of the answered turn."""

    role: MessageRole
    content: str
    confidence: float | None = None
    intents: Sequence[str] = ()
    epoch: int | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """A message, the conversation after it, and the escalation that it raised or joined, if any.

    `may_be_escalated` is false if the conversation has no active escalation.
    """

    message: Message
    conversation: Conversation
    escalation: Escalation | None
    may_be_escalated: bool = True


@permitted("recordMessage", CONVERSATION)
async def record_message(
    context: Context,
    conversation_id: UUID,
    new: NewMessage,
    idempotency_key: str | None = None,
    probability: float | None = None,
) -> RecordedMessage:
    """Record a message of the customer or the AI and raise what it triggers, in one transaction.

    A reply of a paused AI, or to an old epoch, is held: the customer never sees it. `probability` is the
    confidence as a share, instead of that in `new`.
    """
    if probability is not None:
        new = replace(new, confidence=_percent_of(new, probability))
    elif context.replay_clock is None:
        # The scale of a replayed file is given with the file.
        check_not_probability("confidence", new.confidence)
    _check(context, new)
    if idempotency_key is None:
        with suppress(LockRequiredError):
            record = partial(_record_without_lock, context, conversation_id, new)
            return await context.services.transactions.change_without_lock(record, context.replay_clock)
    async with context.services.transactions.begin(context.replay_clock) as tx:
        inputs = {"conversation": conversation_id, "message": new}
        call = await begin_idempotent(tx, context.actor, "recordMessage", idempotency_key, inputs)
        locked = await lock_conversation(tx, context.actor, conversation_id)
        if call.result is not None:
            return await _replay_result(tx, context, locked, call.result)
        await fire_if_due(tx, locked)
        recorded = await _record(tx, context, locked, new)
        await _store_result(call, recorded)
    return recorded


async def _record_without_lock(
    context: Context, conversation_id: UUID, new: NewMessage, tx: UnlockedTransaction
) -> RecordedMessage:
    """Record a message that raises nothing; raise LockRequiredError for others."""
    unlocked, is_escalated = await read_conversation(tx, context.actor, conversation_id)
    await fire_if_due(tx, unlocked)
    recorded = await _record(tx, context, unlocked, new)
    return RecordedMessage(recorded.message, recorded.conversation, recorded.escalation, is_escalated)


def _percent_of(new: NewMessage, probability: float) -> float:
    if new.confidence is not None:
        raise BadInputError("probability", "cannot be combined with confidence")
    if new.role is MessageRole.USER:
        raise BadInputError("probability", "is for the role ASSISTANT")
    return probability_in_percent("probability", probability)


def _check(context: Context, new: NewMessage) -> None:
    if new.role not in {MessageRole.USER, MessageRole.ASSISTANT}:
        raise BadInputError("role", "is neither USER nor ASSISTANT; people answer by replyToEscalation")
    if context.actor.is_customer and new.role is not MessageRole.USER:
        raise ForbiddenError("A customer writes with the role USER.")
    if context.actor.is_customer and new.intents:
        raise BadInputError("intents", "are reported by the back end of an AI agent")
    check_content("content", new.content)
    check_percent("confidence", new.confidence)
    if new.role is MessageRole.USER:
        for field in ("confidence", "epoch"):
            if getattr(new, field) is not None:
                raise BadInputError(field, "is for the role ASSISTANT")
    check_intents("intents", list(new.intents))
    check_json("metadata", new.metadata)
    if context.actor.is_customer:
        check_not_reserved("metadata", new.metadata)


async def _record(
    tx: Transaction, context: Context, locked: LockedConversation, new: NewMessage
) -> RecordedMessage:
    if new.role is MessageRole.USER:
        return await _record_customer(tx, context, locked, new)
    return await _record_reply(tx, context, locked, new)


async def _record_customer(
    tx: Transaction, context: Context, locked: LockedConversation, new: NewMessage
) -> RecordedMessage:
    message = _post(tx, context.actor, locked, new, MessageStatus.DELIVERED)
    triggers = triggers_of_customer_message(locked.settings.triggers, new.content, new.intents)
    recorded = await _raise(tx, context, locked, message, triggers)
    request_turn(tx, locked.conversation)
    return recorded


async def _record_reply(
    tx: Transaction, context: Context, locked: LockedConversation, new: NewMessage
) -> RecordedMessage:
    conversation, settings = locked.conversation, locked.settings
    if new.epoch is not None and new.epoch > conversation.ai_epoch:
        raise BadInputError("epoch", f"has not begun; the conversation is in epoch {conversation.ai_epoch}")
    status = reply_status(conversation.ai_state, conversation.ai_epoch, new.epoch)
    message = _post(tx, context.actor, locked, new, status)
    if status is MessageStatus.HELD:
        return RecordedMessage(message, conversation, None)
    auto = settings.auto_escalation
    conversation.uncertain_replies += is_low(auto, new.confidence)
    waiting = conversation.pending_escalation_id is not None
    triggers, effect = judge_reply(settings.triggers, auto, new.intents, new.confidence, waiting=waiting)
    if effect is ReplyEffect.AVERT:
        await end_pending(tx, conversation, PendingOutcome.AVERTED)
    elif effect is ReplyEffect.WAIT and new.confidence is not None:
        open_pending(tx, conversation, message, new.confidence, auto.delay_seconds)
    return await _raise(tx, context, locked, message, triggers)


def _post(
    tx: Transaction, actor: Actor, locked: LockedConversation, new: NewMessage, status: MessageStatus
) -> Message:
    return post(
        tx,
        locked.conversation,
        new.role,
        new.content,
        actor,
        status=status,
        from_widget=actor.is_customer,
        confidence=new.confidence,
        intents=new.intents,
        details=new.metadata,
    )


async def _raise(
    tx: Transaction,
    context: Context,
    locked: LockedConversation,
    message: Message,
    triggers: Sequence[FiredTrigger],
) -> RecordedMessage:
    raised = await raise_escalation(tx, locked, triggers, context.actor) if triggers else None
    return RecordedMessage(message, locked.conversation, raised.escalation if raised else None)


async def _replay_result(
    tx: Transaction, context: Context, locked: LockedConversation, result: dict[str, Any]
) -> RecordedMessage:
    by_id = MESSAGE.by_id(context.actor, UUID(result["message"]))
    message = (await tx.session.execute(by_id)).scalar_one()
    escalation_id = result.get("escalation")
    escalation = escalation_id and await tx.session.get(Escalation, UUID(escalation_id))
    return RecordedMessage(message, locked.conversation, escalation or None)


async def _store_result(call: IdempotentCall, recorded: RecordedMessage) -> None:
    await call.store_result(
        message=recorded.message.id, escalation=recorded.escalation and recorded.escalation.id
    )


@permitted("discardHeldReply", MESSAGE)
async def discard_held_reply(context: Context, message_id: UUID) -> Message:
    """Discard a held reply."""
    async with context.services.transactions.begin(context.replay_clock) as tx:
        _, message = await lock_held_reply(tx, context, message_id)
        discard(tx, message)
    return message


def discard(tx: Transaction, message: Message) -> None:
    """Mark a held reply as discarded."""
    message.status = MessageStatus.DISCARDED
    tx.log_to_conversation(message.conversation_id, "message.status_changed", message=message.id)


async def lock_held_reply(
    tx: Transaction, context: Context, message_id: UUID
) -> tuple[LockedConversation, Message]:
    """Lock the conversation of a held reply and return both; raises ConflictError for other messages."""
    visible = MESSAGE.by_id(context.actor, message_id).with_only_columns(Message.conversation_id)
    conversation_id = await tx.session.scalar(visible)
    locked = await lock_conversation(tx, context.actor, MESSAGE.known(conversation_id))
    ((message,),) = await tx.fetch(_BY_ID, row_id=message_id)
    if message.status is MessageStatus.DISCARDED:
        raise ConflictError("The held reply was sent or discarded before: read the conversation again.")
    if message.status is not MessageStatus.HELD:
        raise ConflictError("This message is no held reply.")
    return locked, message


@permitted("conversation", MESSAGE)
async def message_by_id(context: Context, message_id: UUID) -> Message | None:
    """Return the message if the caller may see it, otherwise None."""
    return await MESSAGE.find(context.database, context.actor, message_id)
