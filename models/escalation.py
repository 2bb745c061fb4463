"""Escalations, with what raised them, what was noted, and everything that happened to them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Computed, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, text_enum
from rules.escalation import Disposition, EscalationStatus, EscalationTrigger, Priority
from rules.roles import RecorderKind
from rules.sla_clock import Clock, SlaStatus

_RANK = (
    "CASE priority " + " ".join(f"WHEN '{priority}' THEN {priority.rank}" for priority in Priority) + " END"
)

# What `Escalation.clock` reads.
CLOCK_COLUMNS = (
    "sla_target_minutes",
    "sla_started_at",
    "sla_at_risk_at",
    "sla_due_at",
    "sla_policy",
    "sla_stopped_at",
    "first_responded_at",
)


class Escalation(Base):
    """One request for people.

    `sla_policy` is the policy of the clock (rules.agent_settings.SlaSettings), from which a new priority
    recomputes. `sla_status` is the last announced status; the current one is a function of the clock.
    `sla_next_at` is the time of the next announcement. `timeline` is the position of the last entry.
    `summary` and `details` are the caller's: words for the person who answers, and data of its own.
    """

    __tablename__ = "escalations"
    __table_args__ = (
        # A conversation has at most one active escalation.
        Index(
            "escalations_active_key",
            "conversation_id",
            unique=True,
            postgresql_where=text("status <> 'RESOLVED'"),
        ),
        Index("escalations_conversation_idx", "conversation_id"),
        Index("escalations_listing_idx", "workspace_id", "created_at", "id"),
        Index("escalations_status_idx", "workspace_id", "status", "created_at", "id"),
        # Running clocks: by due for lists, by at-risk for those of which that is still to be announced.
        Index(
            "escalations_clock_due_idx",
            "workspace_id",
            "sla_status",
            "sla_due_at",
            "id",
            postgresql_where=text("sla_stopped_at IS NULL"),
        ),
        Index(
            "escalations_stopped_idx",
            "workspace_id",
            "sla_status",
            "created_at",
            postgresql_where=text("sla_stopped_at IS NOT NULL"),
        ),
        Index("escalations_next_idx", "sla_next_at", postgresql_where=text("sla_next_at IS NOT NULL")),
        Index(
            "escalations_clock_at_risk_idx",
            "workspace_id",
            "sla_status",
            "sla_at_risk_at",
            postgresql_where=text("sla_stopped_at IS NULL"),
        ),
        Index("escalations_due_idx", "workspace_id", "sla_due_at", "id"),
        Index("escalations_priority_idx", "workspace_id", "priority_rank", "created_at", "id"),
        # Lists by what few escalations may have, in the order of lists.
        Index("escalations_assignee_idx", "workspace_id", "assignee_id", "created_at", "id"),
        Index("escalations_trigger_idx", "workspace_id", "trigger", "created_at", "id"),
        Index(
            "escalations_disposition_idx",
            "workspace_id",
            "disposition",
            "created_at",
            "id",
            postgresql_where=text("disposition IS NOT NULL"),
        ),
        Index(
            "escalations_unanswered_idx",
            "workspace_id",
            "created_at",
            "id",
            postgresql_where=text("first_responded_at IS NULL"),
        ),
        # Free space on the page keeps the erasure of words out of the indexes.
        {"postgresql_with": {"fillfactor": 80}},
    )

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"))
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id"))
    status: Mapped[EscalationStatus] = mapped_column(
        text_enum(EscalationStatus, "status"), default=EscalationStatus.OPEN
    )
    priority: Mapped[Priority] = mapped_column(text_enum(Priority, "priority"))
    priority_rank: Mapped[int] = mapped_column(SmallInteger, Computed(_RANK, persisted=True))
    trigger: Mapped[EscalationTrigger] = mapped_column(text_enum(EscalationTrigger, "trigger"))
    reason: Mapped[str]
    detail: Mapped[str | None]
    summary: Mapped[str | None]
    details: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    confidence: Mapped[float | None]
    confirmation: Mapped[str]
    assignee_id: Mapped[UUID | None] = mapped_column(ForeignKey("members.id"))
    sla_policy: Mapped[dict[str, Any]]
    sla_target_minutes: Mapped[int]
    sla_started_at: Mapped[datetime]
    sla_at_risk_at: Mapped[datetime]
    sla_due_at: Mapped[datetime]
    sla_stopped_at: Mapped[datetime | None]
    sla_next_at: Mapped[datetime | None]
    sla_status: Mapped[SlaStatus] = mapped_column(
        text_enum(SlaStatus, "sla_status"), default=SlaStatus.ON_TRACK, server_default=SlaStatus.ON_TRACK
    )
    created_at: Mapped[datetime]
    first_responded_at: Mapped[datetime | None]
    first_response_business_us: Mapped[int | None] = mapped_column(BigInteger)
    resolved_at: Mapped[datetime | None]
    resolution_business_us: Mapped[int | None] = mapped_column(BigInteger)
    resolved_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("members.id"))
    resolution_note: Mapped[str | None]
    disposition: Mapped[Disposition | None] = mapped_column(text_enum(Disposition, "disposition"))
    kept_ai_paused: Mapped[bool] = mapped_column(default=False)
    timeline: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)

    @property
    def active(self) -> bool:
        """True for OPEN and IN_PROGRESS."""
        return self.status is not EscalationStatus.RESOLVED

    @property
    def clock(self) -> Clock:
        """The clock of the escalation."""
        return Clock(
            target_minutes=self.sla_target_minutes,
            started_at=self.sla_started_at,
            at_risk_at=self.sla_at_risk_at,
            due_at=self.sla_due_at,
            business_hours=self.sla_policy["business_hours"],
            stopped_at=self.sla_stopped_at,
            answered=self.first_responded_at is not None,
        )

    @clock.setter
    def clock(self, clock: Clock) -> None:
        self.sla_target_minutes = clock.target_minutes
        self.sla_started_at = clock.started_at
        self.sla_at_risk_at = clock.at_risk_at
        self.sla_due_at = clock.due_at
        self.sla_stopped_at = clock.stopped_at


class TriggerEvent(Base):
    """A trigger that fired while the escalation was active, the first included.

    `count` is how often it fired within a minute of `occurred_at`.
    """

    __tablename__ = "trigger_events"

    id: Mapped[Key]
    escalation_id: Mapped[UUID] = mapped_column(ForeignKey("escalations.id"), index=True)
    trigger: Mapped[EscalationTrigger] = mapped_column(text_enum(EscalationTrigger, "trigger"))
    reason: Mapped[str]
    detail: Mapped[str | None]
    confidence: Mapped[float | None]
    occurred_at: Mapped[datetime]
    last_occurred_at: Mapped[datetime]
    count: Mapped[int]


class EscalationNote(Base):
    """An internal note; the customer never sees it."""

    __tablename__ = "escalation_notes"

    id: Mapped[Key]
    escalation_id: Mapped[UUID] = mapped_column(ForeignKey("escalations.id"), index=True)
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("members.id"))
    body: Mapped[str]
    created_at: Mapped[datetime]


class TimelineEntry(Base):
    """One fact about an escalation; `position` counts 1, 2, 3 … in it."""

    __tablename__ = "timeline_entries"

    escalation_id: Mapped[UUID] = mapped_column(ForeignKey("escalations.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("members.id"))
    data: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    # Null for what an older version recorded. The id is that of the API key or the member.
    recorder_kind: Mapped[RecorderKind | None] = mapped_column(text_enum(RecorderKind, "recorder_kind"))
    recorder_id: Mapped[UUID | None]
