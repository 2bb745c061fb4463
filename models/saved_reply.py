"""Saved replies: texts that the team keeps for reuse."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key


class SavedReply(Base):
    """One saved reply of a workspace.

    `shortcut_key` is the normalised shortcut, `search_text` the normalised text of all fields, one a line.
    """

    __tablename__ = "saved_replies"
    __table_args__ = (UniqueConstraint("workspace_id", "shortcut_key"),)

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    shortcut: Mapped[str]
    shortcut_key: Mapped[str]
    title: Mapped[str]
    content: Mapped[str]
    search_text: Mapped[str]
    updated_at: Mapped[datetime]
