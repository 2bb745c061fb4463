"""Webhook endpoints: where an AI agent's events are posted to."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Key


class WebhookEndpoint(Base):
    """One endpoint of an AI agent. An empty `event_types` means all.

    The secrets are sealed (rules.sealing); the previous one signs too until `previous_until`. A deleted one
    stays for what was delivered to it.
    """

    __tablename__ = "webhook_endpoints"

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"), index=True)
    url: Mapped[str]
    event_types: Mapped[list[str]]
    enabled: Mapped[bool] = mapped_column(default=True)
    disabled_reason: Mapped[str | None]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_until: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]

    @property
    def purpose(self) -> str:
        """The sealing purpose of its secrets."""
        return f"webhook secret of {self.id}"
