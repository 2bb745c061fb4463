"""Putting a message into a conversation that is locked."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from models.conversation import Conversation
from models.ids import new_id
from models.message import Message
from realtime.transaction import Transaction
from rules.message import MessageRole, MessageStatus


def post(
    tx: Transaction,
    conversation: Conversation,
    role: MessageRole,
    content: str,
    *,
    status: MessageStatus = MessageStatus.DELIVERED,
    author_id: UUID | None = None,
    confidence: float | None = None,
    intents: Sequence[str] = (),
    details: dict[str, Any] | None = None,
) -> Message:
    """Append a message to the conversation and log it in its stream."""
    conversation.messages += 1
    if role is MessageRole.USER:
        conversation.customer_messages += 1
    if status is MessageStatus.DELIVERED:
        conversation.last_message_at = tx.now
    message = Message(
        id=new_id(),
        conversation_id=conversation.id,
        position=conversation.messages,
        role=role,
        status=status,
        content=content,
        author_id=author_id,
        confidence=confidence,
        intents=list(intents),
        details=details,
        created_at=tx.now,
    )
    tx.session.add(message)
    author = {} if author_id is None else {"author": author_id}
    tx.log_to_conversation(
        conversation.id, "message.added", message=message.id, status=status, role=role, **author
    )
    return message


def post_notice(tx: Transaction, conversation: Conversation, content: str) -> Message:
    """Append a SYSTEM message."""
    return post(tx, conversation, MessageRole.SYSTEM, content)
