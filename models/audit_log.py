"""The audit log: who did what, in a chain of hashes for each workspace."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, text_enum
from rules.audit import AuditAction, AuditActorKind, AuditOutcome


class AuditEntry(Base):
    """One recorded action. Positions count 1, 2, 3 … in a workspace.

    `hash` covers the entry and the hash before it. A trigger of the database refuses changes and deletions.
    `target_id` is a global id. `details` holds names of settings, counts and roles, but no secrets and no
    words of customers.
    """

    __tablename__ = "audit_log"

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    occurred_at: Mapped[datetime]
    actor_kind: Mapped[AuditActorKind] = mapped_column(text_enum(AuditActorKind, "actor_kind"))
    actor_id: Mapped[str | None]
    actor_name: Mapped[str]
    address: Mapped[str]
    action: Mapped[AuditAction] = mapped_column(text_enum(AuditAction, "action"))
    target_id: Mapped[str | None]
    outcome: Mapped[AuditOutcome] = mapped_column(text_enum(AuditOutcome, "outcome"))
    code: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditHead(Base):
    """The end of a workspace's audit log. Its row is the lock of the chain, the last in the lock order."""

    __tablename__ = "audit_heads"

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditRefusal(Base):
    """The latest recorded refusal of one act and member; equal ones within a minute are only counted."""

    __tablename__ = "audit_refusals"

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    action: Mapped[AuditAction] = mapped_column(text_enum(AuditAction, "action"), primary_key=True)
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime]
    repeated: Mapped[int]
