"""Putting a message into a conversation that is locked."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from models.conversation import Conversation
from models.ids import new_id
from models.message import Message
from models.plain_row import new_row
from realtime.transaction import Transaction
from resolvers.actor import Actor, recorder_of
from rules.message import MessageKind, MessageRole, MessageStatus
from rules.text import is_blank


def post(
    tx: Transaction,
    conversation: Conversation,
    role: MessageRole,
    content: str,
    actor: Actor | None,
    *,
    status: MessageStatus = MessageStatus.DELIVERED,
    kind: MessageKind | None = None,
    from_widget: bool = False,
    author_id: UUID | None = None,
    confidence: float | None = None,
    intents: Sequence[str] = (),
    details: dict[str, Any] | None = None,
) -> Message:
    """Append a message, recorded by `actor` (None is Baton itself), and log it in the streams of both."""
    conversation.messages += 1
    if status is MessageStatus.DELIVERED:
        conversation.last_message_at = tx.now
    message = new_row(
        Message,
        id=new_id(),
        conversation_id=conversation.id,
        position=conversation.messages,
        role=role,
        status=status,
        content=content,
        kind=kind,
        author_id=author_id,
        confidence=confidence,
        intents=list(intents),
        details=details,
        created_at=tx.now,
        **recorder_of(actor),
    )
    tx.add(message)
    _note_last_words(conversation, message, from_widget)
    author = {} if author_id is None else {"author": author_id}
    tx.log_to_conversation(
        conversation.id, "message.added", message=message.id, status=status, role=role, **author
    )
    tx.log_to_workspace(
        conversation.workspace_id,
        "conversation.message_added",
        conversation=conversation.id,
        agent=conversation.agent_id,
        message=message.id,
    )
    return message


def _note_last_words(conversation: Conversation, message: Message, from_widget: bool) -> None:
    if message.role is MessageRole.USER:
        conversation.customer_messages += 1
        conversation.customer_message_id = message.id
        conversation.awaiting_answer, conversation.turn_due = True, from_widget
    elif message.role is not MessageRole.SYSTEM and message.status is MessageStatus.DELIVERED:
        conversation.awaiting_answer = False


def post_system_message(tx: Transaction, conversation: Conversation, kind: MessageKind, content: str) -> None:
    """Append a message of Baton itself, visible to all, unless its text is blank."""
    if not is_blank(content):
        post(tx, conversation, MessageRole.SYSTEM, content, None, kind=kind)
