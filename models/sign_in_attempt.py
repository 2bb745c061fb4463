"""Counts of failed attempts to sign in."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class SignInAttempts(Base):
    """The failed attempts of one member, of one email and address, or of one device.

    `key_hash` is the SHA-256 of a readable key, so that no email or address of a stranger is stored. Until
    `locked_until` further attempts are refused uncounted.
    """

    __tablename__ = "sign_in_attempts"
    __table_args__ = (Index("sign_in_attempts_last_idx", "last_at"),)

    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]
    locked_until: Mapped[datetime | None]
