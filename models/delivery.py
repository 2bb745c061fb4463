"""Deliveries, their attempts, and their targets."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Key, text_enum
from rules.delivery import DeliveryChannel, DeliveryStatus


class DeliveryTarget(Base):
    """An email address, an AI agent's Slack channel, or a webhook endpoint; `key` identifies it.

    One attempt at a time: the attempting worker holds the lease. While the target keeps failing, nothing is
    sent before `paused_until`. `next_job_at` is the time of the latest job. `sampled_at` is that of the last
    sample. An email address has `confirmed_at` once its holder has confirmed it by the link in a mail, which
    was last sent at `confirmation_sent_at`. `mails` counts the single mails of the hour `mails_since`.
    """

    __tablename__ = "delivery_targets"
    __table_args__ = (UniqueConstraint("workspace_id", "channel", "key"),)

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    channel: Mapped[DeliveryChannel] = mapped_column(text_enum(DeliveryChannel, "channel"))
    key: Mapped[str]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id"))
    endpoint_id: Mapped[UUID | None] = mapped_column(ForeignKey("webhook_endpoints.id"))
    failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    failing_since: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    lease: Mapped[UUID | None]
    next_job_at: Mapped[datetime | None]
    alerted_on: Mapped[date | None]
    sampled_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    confirmation_sent_at: Mapped[datetime | None]
    mails_since: Mapped[datetime | None]
    mails: Mapped[int] = mapped_column(default=0, server_default=text("0"))


class Delivery(Base):
    """One event for one target. `position` is the event's in the workspace's log; samples and alerts lack it.

    `target` is what people read: the address, channel or URL. `body` is fixed at the first attempt. `note`
    says why it was dropped or failed. `alert_data` is what an alert shows, as JSON. `about_id` is the
    delivery that an alert is about. `erased_at` is the latest time at which a customer in it was erased: what
    was rendered before must not be sent or kept.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        # An event is delivered to a target once, and so is a digest.
        UniqueConstraint("target_id", "position"),
        UniqueConstraint("target_id", "digest_id"),
        Index(
            "deliveries_next_idx", "target_id", "next_attempt_at", postgresql_where=text("status = 'PENDING'")
        ),
        Index("deliveries_due_idx", "next_attempt_at", postgresql_where=text("status = 'PENDING'")),
        Index("deliveries_listing_idx", "workspace_id", "created_at", "id"),
        Index("deliveries_channel_idx", "workspace_id", "channel", "created_at", "id"),
        Index(
            "deliveries_undelivered_idx",
            "workspace_id",
            "status",
            "created_at",
            "id",
            postgresql_where=text("status IN ('FAILED', 'DROPPED')"),
        ),
        Index("deliveries_escalation_idx", "escalation_id", "created_at", "id"),
        Index("deliveries_digest_idx", "digest_id", postgresql_where=text("digest_id IS NOT NULL")),
        Index("deliveries_about_idx", "about_id", postgresql_where=text("about_id IS NOT NULL")),
        Index(
            "deliveries_conversation_idx",
            "conversation_id",
            postgresql_where=text("conversation_id IS NOT NULL"),
        ),
    )

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"))
    target_id: Mapped[UUID] = mapped_column(ForeignKey("delivery_targets.id"))
    channel: Mapped[DeliveryChannel] = mapped_column(text_enum(DeliveryChannel, "channel"))
    target: Mapped[str]
    event_type: Mapped[str]
    change: Mapped[str | None]
    position: Mapped[int | None] = mapped_column(BigInteger)
    escalation_id: Mapped[UUID | None] = mapped_column(ForeignKey("escalations.id"))
    conversation_id: Mapped[UUID | None] = mapped_column(ForeignKey("conversations.id"))
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("messages.id"))
    digest_id: Mapped[UUID | None] = mapped_column(ForeignKey("digests.id"))
    epoch: Mapped[int | None]
    alert_data: Mapped[str | None] = mapped_column("words")
    about_id: Mapped[UUID | None]
    occurred_at: Mapped[datetime]
    status: Mapped[DeliveryStatus] = mapped_column(
        text_enum(DeliveryStatus, "status"), default=DeliveryStatus.PENDING
    )
    note: Mapped[str | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    attempts_made: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    next_attempt_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    ended_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]


class DeliveryAttempt(Base):
    """One attempt, written down before it is made: one whose worker died has no result."""

    __tablename__ = "delivery_attempts"

    id: Mapped[Key]
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("deliveries.id"), index=True)
    attempted_at: Mapped[datetime]
    succeeded: Mapped[bool | None]
    response: Mapped[str | None]
    duration_ms: Mapped[int | None]
