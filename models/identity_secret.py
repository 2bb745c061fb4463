"""Identity secrets: what an integrator signs the identities of its customers with."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class IdentitySecret(Base):
    """The secret of one AI agent, and the one before it until `previous_expires_at`; both are sealed."""

    __tablename__ = "identity_secrets"
    __table_args__ = (
        CheckConstraint("(previous IS NULL) = (previous_expires_at IS NULL)", name="previous_expires"),
    )

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    previous: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_expires_at: Mapped[datetime | None]
    rotated_at: Mapped[datetime]

    @property
    def purpose(self) -> str:
        """The sealing purpose of its secrets."""
        return f"identity secret of {self.agent_id}"
