"""Conversations: who talks, who has control, and what the triggers count."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Key, text_enum
from models.words import folded
from rules.ai_control import AiPauseCause, AiState


class Conversation(Base):
    """A conversation of one customer with one AI agent. Its row is the lock for everything in it.

    `pending_escalation_id` is the waiting low-confidence escalation, so a transaction that has the row needs
    no query to see that there is none. `messages` is the position of the last message. `customer_messages`
    and `uncertain_replies` are counters of the button's AFTER_THRESHOLD rule. `customer_message_id` is the
    last message of the customer, and `awaiting_answer` is true while it has no answer by the AI or a person.
    `turn_due` is true if it came from the widget, so that Baton must request the AI's turn.
    `customer_verified` is true if the back end, the team or a signed identity named the customer.
    `customer_subject` is the identity that resumes the conversation on another device. `widget_family` is the
    number of times that its widget tokens were revoked: tokens of an earlier family are invalid.
    `erased_at` is the time at which its customer was erased. `erasure_due` is true until the words are gone.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        Index("conversations_listing_idx", "workspace_id", text("created_at DESC"), text("id DESC")),
        Index(
            "conversations_activity_idx",
            "workspace_id",
            func.coalesce(text("last_message_at"), text("created_at")),
            "id",
        ),
        Index("conversations_customer_idx", "workspace_id", folded(text("customer_email"))),
        Index(
            "conversations_external_id_idx",
            "workspace_id",
            folded(text("customer_external_id")),
            postgresql_where=text("customer_external_id IS NOT NULL"),
        ),
        Index(
            "conversations_subject_key",
            "agent_id",
            "customer_subject",
            unique=True,
            postgresql_where=text("customer_subject IS NOT NULL"),
        ),
        # Lists of what few conversations have, in the order of lists.
        Index(
            "conversations_paused_idx",
            "workspace_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("ai_state = 'PAUSED'"),
        ),
        Index(
            "conversations_awaiting_idx",
            "workspace_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("awaiting_answer"),
        ),
        Index("conversations_erasure_due_idx", "id", postgresql_where=text("erasure_due")),
        CheckConstraint("(ai_state = 'PAUSED') = (ai_pause_cause IS NOT NULL)", name="pause_has_a_cause"),
        # Most transactions update this row: free space on the page keeps that out of the indexes.
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"))
    customer_external_id: Mapped[str | None]
    customer_email: Mapped[str | None]
    customer_name: Mapped[str | None]
    customer_verified: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    customer_subject: Mapped[str | None]
    widget_family: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    ai_state: Mapped[AiState] = mapped_column(text_enum(AiState, "ai_state"), default=AiState.ACTIVE)
    ai_epoch: Mapped[int] = mapped_column(default=1)
    ai_paused_at: Mapped[datetime | None]
    ai_pause_cause: Mapped[AiPauseCause | None] = mapped_column(text_enum(AiPauseCause, "ai_pause_cause"))
    messages: Mapped[int] = mapped_column(default=0)
    customer_messages: Mapped[int] = mapped_column(default=0)
    uncertain_replies: Mapped[int] = mapped_column(default=0)
    pending_escalation_id: Mapped[UUID | None]
    customer_message_id: Mapped[UUID | None]
    awaiting_answer: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    turn_due: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    customer_read_position: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    team_read_position: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    language: Mapped[str | None]
    details: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    created_at: Mapped[CreatedAt]
    last_message_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    erasure_due: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class ToolFailures(Base):
    """The consecutive failures of a critical tool in a conversation; a success deletes the row."""

    __tablename__ = "tool_failures"

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    tool: Mapped[str] = mapped_column(primary_key=True)
    consecutive: Mapped[int]
