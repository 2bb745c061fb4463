"""The position up to which a workspace's log has been planned."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class PlannedLog(Base):
    """Its log has deliveries for every entry up to `position`. Scratch workspaces have no row.

    `mails` counts the single mails of the hour `mails_since`.
    """

    __tablename__ = "planned_logs"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, default=0)
    mails_since: Mapped[datetime | None]
    mails: Mapped[int] = mapped_column(default=0, server_default=text("0"))
