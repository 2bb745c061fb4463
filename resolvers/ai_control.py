"""Control: whether the AI or people speak in a conversation."""

from uuid import UUID

from sqlalchemy import update

from models.conversation import Conversation
from models.message import Message
from realtime.transaction import Transaction
from resolvers.actor import Actor
from resolvers.append_message import post_notice
from resolvers.context import Context
from resolvers.locks import lock_active_escalation, lock_conversation
from resolvers.permissions import permitted
from resolvers.timeline import write_timeline
from resolvers.visibility import CONVERSATION
from rules.ai_control import AiPauseCause, AiState
from rules.customer_texts import HAND_BACK_NOTICE, PEOPLE_NOTICE
from rules.message import MessageRole, MessageStatus


def pause(
    tx: Transaction,
    conversation: Conversation,
    cause: AiPauseCause,
    notice: str | None,
    escalation_id: UUID | None = None,
) -> bool:
    """
    People take control: the AI falls silent, the epoch grows, `notice` says so in the conversation.

    An AI that is paused already stays so, for the new cause. Says whether control passed.
    """
    passed = conversation.ai_state is AiState.ACTIVE
    conversation.ai_pause_cause = cause
    if passed:
        conversation.ai_state = AiState.PAUSED
        conversation.ai_epoch += 1
        conversation.ai_paused_at = tx.now
        if notice:
            post_notice(tx, conversation, notice)
        _log(tx, conversation, "ai_paused", escalation_id)
    return passed


async def hand_back(tx: Transaction, conversation: Conversation, escalation_id: UUID | None = None) -> bool:
    """
    Return control to the AI: increment the epoch, discard held drafts, post a notice.

    `escalation_id` is the escalation that causes it, if any.

    Return whether control changed; an active AI keeps it.
    """
    if conversation.ai_state is AiState.ACTIVE:
        return False
    conversation.ai_state = AiState.ACTIVE
    conversation.ai_epoch += 1
    conversation.ai_paused_at = None
    conversation.ai_pause_cause = None
    await _discard_drafts(tx, conversation)
    post_notice(tx, conversation, HAND_BACK_NOTICE)
    _log(tx, conversation, "ai_resumed", escalation_id)
    return True


async def _discard_drafts(tx: Transaction, conversation: Conversation) -> None:
    discarded = await tx.session.scalars(
        update(Message)
        .where(
            Message.conversation_id == conversation.id,
            Message.role == MessageRole.ASSISTANT,
            Message.status == MessageStatus.HELD,
        )
        .values(status=MessageStatus.DISCARDED)
        .returning(Message.id)
        .execution_options(synchronize_session=False)
    )
    for message in discarded:
        tx.log_to_conversation(conversation.id, "message.status_changed", message=message)


def _log(tx: Transaction, conversation: Conversation, kind: str, escalation_id: UUID | None) -> None:
    tx.log_to_conversation(conversation.id, f"conversation.{kind}", epoch=conversation.ai_epoch)
    tx.log_to_workspace(
        conversation.workspace_id,
        f"conversation.{kind}",
        conversation=conversation.id,
        agent=conversation.agent_id,
        epoch=conversation.ai_epoch,
        **({"escalation": escalation_id} if escalation_id else {}),
    )


@permitted("pauseAi", CONVERSATION)
async def pause_ai(context: Context, conversation_id: UUID) -> None:
    """Pause the AI by a team member's decision; a paused AI stays as it is."""
    async with context.services.transactions.begin(context.replay_clock) as tx:
        conversation = (await lock_conversation(tx, context.actor, conversation_id)).conversation
        if conversation.ai_state is AiState.ACTIVE:
            pause(tx, conversation, AiPauseCause.TEAM_MEMBER, PEOPLE_NOTICE)
            await _note(tx, conversation, "ai_paused", context.actor)


@permitted("resumeAi", CONVERSATION)
async def resume_ai(context: Context, conversation_id: UUID) -> None:
    """Resume the AI, whatever paused it; an active AI stays as it is."""
    async with context.services.transactions.begin(context.replay_clock) as tx:
        conversation = (await lock_conversation(tx, context.actor, conversation_id)).conversation
        if await hand_back(tx, conversation):
            await _note(tx, conversation, "ai_resumed", context.actor)


async def _note(tx: Transaction, conversation: Conversation, kind: str, actor: Actor) -> None:
    if escalation := await lock_active_escalation(tx, conversation):
        write_timeline(tx, escalation, kind, actor)
