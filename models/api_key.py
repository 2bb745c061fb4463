"""API keys: the key is shown once, its SHA-256 is kept."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Key


class ApiKey(Base):
    """A key with its scopes. `prefix` is enough of it to recognise it.

    `owner_id` is the member who created it. With `networks`, it is valid only for addresses in one of them.
    """

    __tablename__ = "api_keys"

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[CreatedAt]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("members.id"))
    networks: Mapped[list[str]] = mapped_column(default=list, server_default=text("'{}'"))
    last_used_at: Mapped[datetime | None]
    last_address: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
