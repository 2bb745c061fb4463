"""Messages, in their order."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, text_enum
from rules.message import MessageKind, MessageRole, MessageStatus
from rules.roles import RecorderKind


class Message(Base):
    """One message. Positions count 1, 2, 3 … in a conversation, without gaps. Confidence is in percent."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_id", "position"),
        Index("messages_held_idx", "conversation_id", postgresql_where=text("status = 'HELD'")),
        CheckConstraint("confidence BETWEEN 0 AND 100", name="confidence_is_percent"),
        CheckConstraint("role = 'ASSISTANT' OR status = 'DELIVERED'", name="only_the_ai_is_held"),
        CheckConstraint("kind IS NULL OR role = 'SYSTEM'", name="only_baton_has_a_kind"),
        # Free space on the page keeps the erasure of words out of the indexes.
        {"postgresql_with": {"fillfactor": 90}},
    )

    id: Mapped[Key]
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"))
    position: Mapped[int]
    role: Mapped[MessageRole] = mapped_column(text_enum(MessageRole, "role"))
    status: Mapped[MessageStatus] = mapped_column(text_enum(MessageStatus, "status"))
    content: Mapped[str]
    kind: Mapped[MessageKind | None] = mapped_column(text_enum(MessageKind, "kind"))
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("members.id"))
    confidence: Mapped[float | None]
    intents: Mapped[list[str]]
    details: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    created_at: Mapped[datetime]
    # Null for what an older version recorded. The id is that of the API key or the member.
    recorder_kind: Mapped[RecorderKind | None] = mapped_column(text_enum(RecorderKind, "recorder_kind"))
    recorder_id: Mapped[UUID | None]
