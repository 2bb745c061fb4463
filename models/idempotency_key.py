"""Idempotency keys and the results of their first calls."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt


class IdempotencyKey(Base):
    """A key within its scope (a workspace, or for customers a conversation) and operation.

    `input_hash` is the SHA-256 of the whole input, `result` the ids of the first call's result.
    """

    __tablename__ = "idempotency_keys"

    scope_id: Mapped[UUID] = mapped_column(primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    input_hash: Mapped[bytes]
    result: Mapped[dict[str, Any] | None]
    created_at: Mapped[CreatedAt] = mapped_column(index=True)
