"""Workspaces: everything belongs to one."""

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Key


class Workspace(Base):
    """A team's own world. A scratch one is made by `baton replay`: nobody is told of what happens in it."""

    __tablename__ = "workspaces"

    id: Mapped[Key]
    name: Mapped[str]
    scratch: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[CreatedAt]
