"""The index of searches. Triggers of the database write it; migration 0020 has them."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, text_enum


class SearchSource(StrEnum):
    """The kind of row that the words are from."""

    MESSAGE = "MESSAGE"
    CUSTOMER = "CUSTOMER"
    ESCALATION = "ESCALATION"


class SearchEntry(Base):
    """The words of one message, customer or escalation.

    `id` is that of the message or the escalation; for a customer it is the conversation's. Each word begins
    with part of the workspace's id.
    """

    __tablename__ = "search_entries"
    __table_args__ = (
        Index(
            "search_entries_words_idx",
            "words",
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": "256"},
        ),
    )

    conversation_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[SearchSource] = mapped_column(text_enum(SearchSource, "source"))
    words: Mapped[str] = mapped_column(TSVECTOR)


class SearchFill(Base):
    """Rows with an id below `before` may have no entry yet. Without a row, the source is complete."""

    __tablename__ = "search_fills"

    source: Mapped[SearchSource] = mapped_column(text_enum(SearchSource, "source"), primary_key=True)
    before: Mapped[UUID]
