"""Low confidence that waits: opened by an uncertain reply, then averted, fired, or taken over.

All of it happens under the conversation's lock, so exactly one of these ends it.
"""

from datetime import timedelta

from sqlalchemy import Uuid, bindparam, select

from models.compiled_select import CompiledSelect
from models.conversation import Conversation
from models.ids import new_id
from models.message import Message
from models.pending_escalation import PendingEscalation
from models.plain_row import new_row
from realtime.timers import Timer, TimerKind
from realtime.transaction import Transaction
from rules.pending_escalation import PendingOutcome

_BY_ID = CompiledSelect(
    select(PendingEscalation).where(PendingEscalation.id == bindparam("row_id", type_=Uuid))
)


def open_pending(
    tx: Transaction, conversation: Conversation, reply: Message, confidence: float, delay_seconds: int
) -> None:
    """Schedule a delayed escalation unless one is pending."""
    if conversation.pending_escalation_id is not None:
        return
    pending = new_row(
        PendingEscalation,
        id=new_id(),
        workspace_id=conversation.workspace_id,
        agent_id=conversation.agent_id,
        conversation_id=conversation.id,
        message_id=reply.id,
        confidence=confidence,
        requested_at=tx.now,
        fires_at=tx.now + timedelta(seconds=delay_seconds),
        outcome=PendingOutcome.WAITING,
    )
    tx.add(pending)
    conversation.pending_escalation_id = pending.id
    tx.set_timer(Timer(TimerKind.PENDING_ESCALATION, pending.id, pending.fires_at))
    tx.log_to_conversation(conversation.id, "conversation.escalation_pending")


async def waiting(tx: Transaction, conversation: Conversation) -> PendingEscalation | None:
    """Return the pending escalation of a locked conversation, or None."""
    if conversation.pending_escalation_id is None:
        return None
    ((pending,),) = await tx.fetch(_BY_ID, row_id=conversation.pending_escalation_id)
    return pending


async def end_pending(tx: Transaction, conversation: Conversation, outcome: PendingOutcome) -> None:
    """End the pending escalation of a locked conversation, if there is one."""
    pending = await waiting(tx, conversation)
    if pending is None:
        return
    pending.outcome = outcome
    pending.ended_at = tx.now
    conversation.pending_escalation_id = None
    tx.log_to_conversation(conversation.id, f"conversation.escalation_{outcome.lower()}")
