"""Workspaces: everything belongs to one."""

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Key


class Workspace(Base):
    """A team's workspace. `baton replay` creates scratch workspaces, of which nothing is published."""

    __tablename__ = "workspaces"

    id: Mapped[Key]
    name: Mapped[str]
    scratch: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[CreatedAt]
