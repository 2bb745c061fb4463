"""Signing in and out, passwords and invitations."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.member import Member, MemberSession
from models.words import folded
from realtime.transaction import Transaction
from resolvers.context import Context
from resolvers.credentials import SESSION_LIFETIME, SESSION_START, new_token, token_hash
from resolvers.errors import BadInputError, UnauthenticatedError
from resolvers.passwords import check_password, hash_password
from resolvers.permissions import permitted
from resolvers.rate_limits import SIGN_IN, SIGN_IN_FROM, too_often
from rules.email_address import email_address_error
from rules.text import normalize

_NAMESAKES = 50


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A member's new session; the token is shown this once."""

    member: Member
    token: str
    expires_at: datetime


@permitted("signIn")
async def sign_in(context: Context, email: str, password: str) -> SignedIn:
    """Open a session of 30 days. With one email on several teams, the password decides which.

    Attempts are counted for every member with this email, or for the email if there is no member. Failures
    are also counted for the email and address. Success forgives only the attempts of the member who signed
    in. Raises UnauthenticatedError, and RateLimitedError after ten attempts in a minute.
    """
    if email_address_error(email):
        raise BadInputError("email", "is not an email address")
    limiter = context.services.rate_limiter
    await limiter.acquire(SIGN_IN_FROM, "address", context.address)
    await limiter.require(SIGN_IN, "failures", normalize(email), context.address)
    member = await _authenticate(context, email, password)
    await limiter.reset(SIGN_IN, "member", str(member.id))
    async with context.services.transactions.begin() as tx:
        return await _open_session(tx, member)


async def _authenticate(context: Context, email: str, password: str) -> Member:
    limiter, passwords = context.services.rate_limiter, context.services.passwords
    members = await _members_of_email(context, email)
    counted = [("member", str(member.id)) for member in members] or [("email", normalize(email))]
    waits = [await limiter.count(SIGN_IN, *key) for key in counted]
    if all(waits):
        raise too_often(SIGN_IN, min(waits))
    candidates = [member for member, wait in zip(members, waits, strict=False) if not wait]
    match = await passwords.match(password, [member.password_hash for member in candidates])
    if match.stored is None:
        await limiter.count(SIGN_IN, "failures", normalize(email), context.address)
        if any(waits):
            raise too_often(SIGN_IN, max(waits))
        raise UnauthenticatedError("Wrong email or password.")
    member = next(member for member in candidates if member.password_hash == match.stored)
    if match.salts > 1:
        await _store_password(context, member, password)
    return member


async def _members_of_email(context: Context, email: str) -> list[Member]:
    async with context.database.autocommit_session() as session:
        members = await session.scalars(
            select(Member)
            .where(folded(Member.email) == folded(email), Member.removed_at.is_(None))
            .order_by(Member.created_at.desc())
            .limit(_NAMESAKES)
        )
        return list(members)


async def _store_password(context: Context, member: Member, password: str) -> None:
    """Store the password with the salt that members of the same email share."""
    services = context.services
    hashed = await hash_password(services.database, services.passwords, member.email, password)
    async with services.transactions.begin() as tx:
        await tx.read_clock()
        await tx.session.execute(
            update(Member)
            .where(Member.id == member.id, Member.password_hash == member.password_hash)
            .values(password_hash=hashed)
        )


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
    """End the presented session."""
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        await tx.session.execute(
            delete(MemberSession).where(MemberSession.token_hash == context.actor.session_hash)
        )


@permitted("changePassword")
async def change_password(context: Context, current: str, new: str) -> None:
    """Set a new password and end the member's other sessions."""
    check_password("new", new)
    await context.services.rate_limiter.acquire(SIGN_IN, "password", str(context.actor.id))
    member = await _own_row(context)
    passwords = context.services.passwords
    if (await passwords.match(current, [member.password_hash])).stored is None:
        raise BadInputError("current", "is not your password")
    hashed = await hash_password(context.services.database, passwords, member.email, new)
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
    """Set the password of an invited member and sign in. An invitation is valid once, for 7 days."""
    check_password("password", password)
    await context.services.rate_limiter.acquire(SIGN_IN_FROM, "address", context.address)
    async with context.database.autocommit_session() as session:
        email = (await _invited(session, token, datetime.now(UTC))).email
    hashed = await hash_password(context.services.database, context.services.passwords, email, password)
    async with context.services.transactions.begin() as tx:
        member = await _invited(tx.session, token, await tx.read_clock(), lock=True)
        member.password_hash = hashed
        member.invitation_hash = member.invitation_expires_at = None
        return await _open_session(tx, member)


async def _invited(session: AsyncSession, token: str, now: datetime, *, lock: bool = False) -> Member:
    valid = select(Member).where(
        Member.invitation_hash == token_hash(token),
        Member.invitation_expires_at > now,
        Member.removed_at.is_(None),
    )
    member: Member | None = await session.scalar(valid.with_for_update() if lock else valid)
    if member is None:
        raise BadInputError("token", "is not a valid invitation; ask your admin for a new one")
    return member
