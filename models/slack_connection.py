"""Slack connections: the bot by which an AI agent's events are posted to a Slack workspace."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class SlackConnection(Base):
    """The bot of one AI agent; its token is sealed (rules.sealing)."""

    __tablename__ = "slack_connections"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    token: Mapped[bytes] = mapped_column(LargeBinary)
    team_name: Mapped[str]
    connected_at: Mapped[datetime]

    @property
    def purpose(self) -> str:
        """The sealing purpose of its token."""
        return f"slack token of {self.agent_id}"
