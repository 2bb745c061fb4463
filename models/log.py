"""The log's two tables; how they are written and read is realtime's."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant


class Stream(Base):
    """A conversation's or a workspace's log. `head` is the position of its last entry, 0 before the first.

    `head_at` is that entry's time (the stream's own before the first). It reveals a cursor from before a
    restore of the database.
    """

    __tablename__ = "streams"
    # Every entry updates the row: free space on the page keeps that cheap.
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    head: Mapped[int] = mapped_column(BigInteger, default=0)
    head_at: Mapped[Instant]


class LogEntry(Base):
    """One thing that happened: thin, typed and immutable. `data` holds ids and words of enums, no content."""

    __tablename__ = "log"

    stream: Mapped[UUID] = mapped_column(ForeignKey("streams.id"), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    type: Mapped[str]
    data: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime] = mapped_column(index=True)
