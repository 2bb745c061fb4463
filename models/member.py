"""Team members, their invitations and sessions."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, CreatedAt, Key, text_enum
from models.ids import new_id
from models.words import folded
from rules.roles import MemberRole
from rules.sign_in import SignInMethod


class Member(Base):
    """A person on the team. A removed member remains as an author and can do nothing.

    `password_hash` is Argon2's; `invitation_hash` is the SHA-256 of a token that sets the first password.
    `alerted_on` is the day of the last email about failed attempts to sign in. `totp_secret` is sealed; it is
    in force since `totp_confirmed_at`. Codes up to `totp_last_step` are used. `oidc_issuer` and
    `oidc_subject` are the account by which the member signs in; a removed member keeps them.
    """

    __tablename__ = "members"
    __table_args__ = (
        # One current member for each email; a removed member can join again.
        Index(
            "members_email_key",
            "workspace_id",
            folded(text("email")),
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
        # Signing in knows only the email.
        Index("members_sign_in_idx", folded(text("email")), postgresql_where=text("removed_at IS NULL")),
        # An account has one current member in a workspace.
        Index(
            "members_oidc_key",
            "oidc_issuer",
            "oidc_subject",
            "workspace_id",
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
        CheckConstraint("(oidc_issuer IS NULL) = (oidc_subject IS NULL)", name="oidc_account_is_whole"),
    )

    id: Mapped[Key]
    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id"))
    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[MemberRole] = mapped_column(text_enum(MemberRole, "role"))
    available: Mapped[bool] = mapped_column(default=True)
    password_hash: Mapped[str | None]
    invitation_hash: Mapped[bytes | None] = mapped_column(unique=True)
    invitation_expires_at: Mapped[datetime | None]
    alerted_on: Mapped[date | None]
    totp_secret: Mapped[bytes | None]
    totp_confirmed_at: Mapped[datetime | None]
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)
    recovery_hashes: Mapped[list[bytes]] = mapped_column(
        ARRAY(LargeBinary), default=list, server_default=text("'{}'")
    )
    oidc_issuer: Mapped[str | None]
    oidc_subject: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    removed_at: Mapped[datetime | None]

    @property
    def has_second_factor(self) -> bool:
        """True if signing in requires a code."""
        return self.totp_confirmed_at is not None

    @property
    def purpose(self) -> str:
        """The sealing purpose of the secret of its second factor."""
        return f"second factor of {self.id}"


class MemberSession(Base):
    """A signed-in member. The token is not stored; its SHA-256 is the key.

    `address` is that of the last use, `user_agent` that of the sign-in. Each use moves `idle_ends_at`.
    """

    __tablename__ = "member_sessions"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"), index=True)
    id: Mapped[UUID] = mapped_column(default=new_id, unique=True)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    idle_ends_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    address: Mapped[str | None]
    user_agent: Mapped[str | None]
    method: Mapped[SignInMethod] = mapped_column(
        text_enum(SignInMethod, "method"), server_default=SignInMethod.PASSWORD
    )


class EndedSession(Base):
    """A session that was ended, or purged after it had `expired`. A trigger of the database adds it.

    For 30 days the audit log names the member whose ended session is used.
    """

    __tablename__ = "ended_sessions"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"))
    ended_at: Mapped[datetime]
    expired: Mapped[bool]
