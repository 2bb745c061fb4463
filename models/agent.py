"""AI agents, each with its escalation settings."""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Instant, Key


class Agent(Base):
    """An AI agent. `settings` is the document of `rules.agent_settings.EscalationSettings`, whole."""

    __tablename__ = "agents"

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"), index=True)
    name: Mapped[str]
    settings: Mapped[dict[str, Any]]
    settings_version: Mapped[int] = mapped_column(default=1)
    settings_updated_at: Mapped[Instant] = mapped_column(server_default=func.now())
    created_at: Mapped[CreatedAt]
