"""Control: whether the AI or people speak in a conversation."""

from uuid import UUID

from sqlalchemy import Uuid, bindparam, update

from models.compiled_select import CompiledWrite
from models.conversation import Conversation
from models.message import Message
from realtime.transaction import Transaction
from resolvers.append_message import post_system_message
from resolvers.context import Context
from resolvers.locks import LockedConversation, lock_active_escalation, lock_conversation
from resolvers.permissions import permitted
from resolvers.timeline import write_timeline
from resolvers.visibility import CONVERSATION
from rules.ai_control import AiPauseCause, AiState
from rules.escalation import TimelineKind
from rules.message import MessageKind, MessageRole, MessageStatus


def pause(
    tx: Transaction,
    locked: LockedConversation,
    cause: AiPauseCause,
    escalation_id: UUID | None = None,
    active_id: UUID | None = None,
) -> bool:
    """Pause the AI: people take control, and the epoch grows.

    A paused AI stays paused, for the new cause. `escalation_id` is the escalation that caused it, `active_id`
    one that was active before. Return whether control passed.
    """
    conversation = locked.conversation
    passed = conversation.ai_state is AiState.ACTIVE
    conversation.ai_pause_cause = cause
    if passed:
        conversation.ai_state = AiState.PAUSED
        conversation.ai_epoch += 1
        conversation.ai_paused_at = tx.now
        _log(tx, conversation, "ai_paused", escalation_id, active_id)
    return passed


def take_over(
    tx: Transaction,
    locked: LockedConversation,
    cause: AiPauseCause,
    escalation_id: UUID | None = None,
    active_id: UUID | None = None,
) -> bool:
    """Pause the AI and post the notice that people take over; return whether control passed."""
    if locked.conversation.ai_state is AiState.ACTIVE:
        post_system_message(tx, locked.conversation, MessageKind.TAKEN_OVER, locked.texts.taken_over_message)
    return pause(tx, locked, cause, escalation_id, active_id)


async def hand_back(
    tx: Transaction, locked: LockedConversation, escalation_id: UUID | None, active_id: UUID | None = None
) -> bool:
    """Resume the AI: the epoch grows, held replies are discarded, and a notice is posted.

    If the customer's last message from the widget has no answer, one turn is requested for it.
    `escalation_id` is the escalation that caused it, `active_id` one that stays active.

    Return whether control passed; an active AI keeps it.
    """
    conversation = locked.conversation
    if conversation.ai_state is AiState.ACTIVE:
        return False
    conversation.ai_state = AiState.ACTIVE
    conversation.ai_epoch += 1
    conversation.ai_paused_at = None
    conversation.ai_pause_cause = None
    await _discard_drafts(tx, conversation)
    post_system_message(tx, conversation, MessageKind.HANDED_BACK, locked.texts.handed_back_message)
    _log(tx, conversation, "ai_resumed", escalation_id, active_id)
    request_turn(tx, conversation)
    return True


def request_turn(tx: Transaction, conversation: Conversation) -> None:
    """Request a turn of an active AI if the customer's last message from the widget has no answer."""
    if conversation.ai_state is AiState.ACTIVE and conversation.awaiting_answer and conversation.turn_due:
        tx.log_to_workspace(
            conversation.workspace_id,
            "turn.requested",
            message=conversation.customer_message_id,
            conversation=conversation.id,
            agent=conversation.agent_id,
            epoch=conversation.ai_epoch,
        )


_DISCARD_DRAFTS = CompiledWrite(
    update(Message)
    .where(
        Message.conversation_id == bindparam("conversation", type_=Uuid),
        Message.role == MessageRole.ASSISTANT,
        Message.status == MessageStatus.HELD,
    )
    .values(status=MessageStatus.DISCARDED)
    .returning(Message.id)
)


async def _discard_drafts(tx: Transaction, conversation: Conversation) -> None:
    for (message_id,) in await tx.fetch(_DISCARD_DRAFTS, conversation=conversation.id):
        tx.log_to_conversation(conversation.id, "message.status_changed", message=message_id)


def _log(
    tx: Transaction,
    conversation: Conversation,
    kind: str,
    escalation_id: UUID | None,
    active_id: UUID | None,
) -> None:
    cause = {"escalation": escalation_id} if escalation_id else {}
    active = {"active": active_id} if active_id else {}
    tx.log_to_conversation(conversation.id, f"conversation.{kind}", epoch=conversation.ai_epoch, **cause)
    tx.log_to_workspace(
        conversation.workspace_id,
        f"conversation.{kind}",
        conversation=conversation.id,
        agent=conversation.agent_id,
        epoch=conversation.ai_epoch,
        **cause,
        **active,
    )


@permitted("pauseAi", CONVERSATION)
async def pause_ai(context: Context, conversation_id: UUID) -> None:
    """Pause the AI by the team's own decision; a paused AI stays as it is."""
    async with context.services.transactions.begin(context.replay_clock) as tx:
        locked = await lock_conversation(tx, context.actor, conversation_id)
        if locked.conversation.ai_state is AiState.PAUSED:
            return
        escalation = await lock_active_escalation(tx, locked.conversation)
        active_id = escalation.id if escalation else None
        take_over(tx, locked, AiPauseCause.TEAM_MEMBER, active_id=active_id)
        if escalation:
            write_timeline(tx, escalation, TimelineKind.AI_PAUSED, context.actor)


@permitted("resumeAi", CONVERSATION)
async def resume_ai(context: Context, conversation_id: UUID) -> None:
    """Resume the AI, whatever paused it; an active AI stays as it is."""
    async with context.services.transactions.begin(context.replay_clock) as tx:
        locked = await lock_conversation(tx, context.actor, conversation_id)
        escalation = await lock_active_escalation(tx, locked.conversation)
        active_id = escalation.id if escalation else None
        if await hand_back(tx, locked, active_id, active_id) and escalation:
            write_timeline(tx, escalation, TimelineKind.AI_RESUMED, context.actor)
