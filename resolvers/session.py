"""Signing in and out."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select

from models.member import Member, MemberSession
from realtime.transaction import Transaction
from resolvers.context import Context
from resolvers.credentials import SESSION_LIFETIME, SESSION_START, new_token, token_hash
from resolvers.errors import BadInputError, UnauthenticatedError
from resolvers.passwords import check_password
from resolvers.permissions import permitted
from resolvers.rate_limits import SIGN_IN, SIGN_IN_FROM
from rules.text import email_error

_NAMESAKES = 50


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A member's new session; the token is shown this once."""

    member: Member
    token: str
    expires_at: datetime


@permitted("signIn")
async def sign_in(context: Context, email: str, password: str) -> SignedIn:
    """
    Opens a session of 30 days. One address may be on several teams: the password tells which.

    Raises UnauthenticatedError, and RateLimitedError after ten wrong passwords in a minute for one email.
    """
    if email_error(email):
        raise BadInputError("email", "is not an email address")
    await context.services.rate_limiter.acquire(SIGN_IN_FROM, "address", context.address)
    await context.services.rate_limiter.acquire(SIGN_IN, "email", email.lower())
    member = await _member(context, email, password)
    await context.services.rate_limiter.reset(SIGN_IN, "email", email.lower())
    async with context.services.transactions.begin() as tx:
        return await _open_session(tx, member)


async def _member(context: Context, email: str, password: str) -> Member:
    async with context.database.autocommit_session() as session:
        namesakes = await session.scalars(
            select(Member)
            .where(func.lower(Member.email) == email.lower(), Member.removed_at.is_(None))
            .order_by(Member.created_at.desc())
            .limit(_NAMESAKES)
        )
        found = list(namesakes)
    for member in found:
        if await context.services.passwords.matches(member.password_hash, password):
            return member
    if not found:
        await context.services.passwords.matches(None, password)
    raise UnauthenticatedError("This email and password do not belong together.")


async def _open_session(tx: Transaction, member: Member) -> SignedIn:
    token = new_token(SESSION_START)
    expires_at = await tx.read_clock() + SESSION_LIFETIME
    tx.session.add(
        MemberSession(
            token_hash=token_hash(token), member_id=member.id, created_at=tx.now, expires_at=expires_at
        )
    )
    return SignedIn(member, token, expires_at)


@permitted("signOut")
async def sign_out(context: Context) -> None:
    """Ends the session that was presented."""
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        await tx.session.execute(
            delete(MemberSession).where(MemberSession.token_hash == context.actor.session_hash)
        )


@permitted("changePassword")
async def change_password(context: Context, current: str, new: str) -> None:
    """Sets a new password and ends the member's other sessions."""
    check_password("new", new)
    await context.services.rate_limiter.acquire(SIGN_IN, "password", str(context.actor.id))
    member = await _own_row(context)
    if not await context.services.passwords.matches(member.password_hash, current):
        raise BadInputError("current", "is not your password")
    hashed = await context.services.passwords.hash(new)
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        (await tx.session.get_one(Member, member.id)).password_hash = hashed
        await _end_sessions(tx, member.id, but=context.actor.session_hash)


async def _own_row(context: Context) -> Member:
    async with context.database.autocommit_session() as session:
        return await session.get_one(Member, context.actor.member_id)


async def _end_sessions(tx: Transaction, member_id: UUID, but: bytes | None) -> None:
    await tx.session.execute(
        delete(MemberSession).where(
            MemberSession.member_id == member_id, MemberSession.token_hash != (but or b"")
        )
    )


@permitted("acceptInvitation")
async def accept_invitation(context: Context, token: str, password: str) -> SignedIn:
    """Sets the password of an invited member and signs in; an invitation is good once, for 7 days."""
    check_password("password", password)
    await context.services.rate_limiter.acquire(SIGN_IN_FROM, "address", context.address)
    hashed = await context.services.passwords.hash(password)
    async with context.services.transactions.begin() as tx:
        now = await tx.read_clock()
        found = await tx.session.execute(
            select(Member)
            .where(
                Member.invitation_hash == token_hash(token),
                Member.invitation_expires_at > now,
                Member.removed_at.is_(None),
            )
            .with_for_update()
        )
        member = found.scalar_one_or_none()
        if member is None:
            raise BadInputError("token", "is no invitation that is still good; ask your admin for a new one")
        member.password_hash = hashed
        member.invitation_hash = member.invitation_expires_at = None
        return await _open_session(tx, member)
