"""Digests: the events of one hour or interval for an AI agent's team."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key
from rules.events import DIGEST


class Digest(Base):
    """One AI agent's digest of the events from `since` to `due_at`, sent once: when `planned_at` is set.

    `event_type` is that of its deliveries. With a `target_id` it is for one recipient, otherwise for all of
    the AI agent's. `since` is null for the hour before `due_at`.
    """

    __tablename__ = "digests"
    __table_args__ = (
        UniqueConstraint(
            "agent_id",
            "due_at",
            "event_type",
            "target_id",
            name="digests_key",
            postgresql_nulls_not_distinct=True,
        ),
        Index("digests_due_idx", "due_at", postgresql_where=text("planned_at IS NULL")),
    )

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"))
    event_type: Mapped[str] = mapped_column(default=DIGEST, server_default=text("'digest'"))
    target_id: Mapped[UUID | None] = mapped_column(ForeignKey("delivery_targets.id"))
    since: Mapped[datetime | None]
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


class MailedNotices(Base):
    """The notices by email of one AI agent in the interval since `since`; see `rules.storm.NoticeCount`."""

    __tablename__ = "mailed_notices"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    since: Mapped[datetime]
    notices: Mapped[int]
    continues: Mapped[bool]
