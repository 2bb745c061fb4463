"""Digests: the events of one hour for an AI agent's team."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key


class Digest(Base):
    """One AI agent's digest of the hour that ends at `due_at`. It is sent once: when `planned_at` is set."""

    __tablename__ = "digests"
    __table_args__ = (
        UniqueConstraint("agent_id", "due_at"),
        Index("digests_due_idx", "due_at", postgresql_where=text("planned_at IS NULL")),
    )

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"))
    due_at: Mapped[datetime]
    planned_at: Mapped[datetime | None]


class DigestEntry(Base):
    """An event of a digest: its position in the workspace's log."""

    __tablename__ = "digest_entries"
    __table_args__ = (Index("digest_entries_escalation_idx", "escalation_id"),)

    digest_id: Mapped[UUID] = mapped_column(ForeignKey("digests.id"), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    escalation_id: Mapped[UUID] = mapped_column(ForeignKey("escalations.id"))
    event_type: Mapped[str]
    occurred_at: Mapped[datetime]
