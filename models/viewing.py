"""Viewings: the team members who have a conversation open."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Viewing(Base):
    """A team member's view of a conversation, which counts until `ends_at`.

    A view that has ended stays for a while, so that every process learns of its end. The table is unlogged:
    a crash of the database empties it, and the next calls of the dashboards fill it again.
    """

    __tablename__ = "viewings"
    __table_args__ = (
        Index("viewings_conversation_idx", "conversation_id"),
        Index("viewings_ends_at_idx", "ends_at"),
        {"prefixes": ["UNLOGGED"]},
    )

    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"), primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    ends_at: Mapped[datetime]
