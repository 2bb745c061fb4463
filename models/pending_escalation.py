"""Low-confidence escalations that wait, and what became of them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, text_enum
from rules.pending_escalation import PendingOutcome


class PendingEscalation(Base):
    """An uncertain reply that escalates at `fires_at` unless the AI answers with confidence before.

    `message_id` is the reply. Ended ones are kept: the averted share shows the effect of a delay.
    """

    __tablename__ = "pending_escalations"
    __table_args__ = (
        # A conversation has at most one that waits.
        Index(
            "pending_escalations_waiting_key",
            "conversation_id",
            unique=True,
            postgresql_where=text("outcome = 'WAITING'"),
        ),
        Index(
            "pending_escalations_due_idx",
            "fires_at",
            postgresql_where=text("outcome = 'WAITING'"),
        ),
        Index("pending_escalations_agent_idx", "agent_id", "requested_at"),
        CheckConstraint("(outcome = 'WAITING') = (ended_at IS NULL)", name="ended_has_a_time"),
    )

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"))
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"))
    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id"))
    confidence: Mapped[float]
    requested_at: Mapped[datetime]
    fires_at: Mapped[datetime]
    outcome: Mapped[PendingOutcome] = mapped_column(
        text_enum(PendingOutcome, "outcome"), default=PendingOutcome.WAITING
    )
    ended_at: Mapped[datetime | None]
