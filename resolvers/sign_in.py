"""Signing in and out, passwords and invitations."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.member import Member, MemberSession
from models.words import folded
from realtime.transaction import Transaction
from resolvers.audit import record_act, record_member_act, record_refusal
from resolvers.context import Context
from resolvers.credentials import SESSION_LIFETIME, SESSION_START, new_token, token_hash
from resolvers.errors import (
    BadInputError,
    ForbiddenError,
    RateLimitedError,
    SecondFactorRequiredError,
    UnauthenticatedError,
    UnavailableError,
)
from resolvers.passwords import check_password, check_presented, hash_password
from resolvers.permissions import permitted
from resolvers.rate_limits import SIGN_IN, SIGN_IN_FROM
from resolvers.second_factor import use_code
from resolvers.sign_in_alerts import alert_of_attempts
from resolvers.sign_in_attempts import SignInAttempt, too_many_attempts
from rules.audit import AuditAction
from rules.email_address import email_address_error
from rules.network_address import network_of
from rules.sign_in import SignInMethod
from rules.typeid import MEMBER, format_id

_NAMESAKES = 50
_USER_AGENT = 300  # characters
_WRONG = "Wrong email or password."


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A member's new session; the token is shown this once. `device` is for the browser's device cookie."""

    member: Member
    token: str
    expires_at: datetime
    device: str


@permitted("signIn")
async def sign_in(context: Context, email: str, password: str, code: str | None = None) -> SignedIn:
    """Open a session of 30 days. With one email on several teams, the password decides which.

    Failures are counted, see `sign_in_attempts`. Raises UnauthenticatedError, RateLimitedError while a lock
    is in force, and UnavailableError while too many passwords are being checked. A member with a second
    factor needs a `code`: SecondFactorRequiredError without, BadInputError for a wrong one. Raises
    ForbiddenError where the settings refuse passwords.
    """
    if email_address_error(email):
        raise BadInputError("email", "is not an email address")
    check_presented("password", password)
    _require_passwords(context)
    address = network_of(context.address)
    await context.services.rate_limiter.acquire(SIGN_IN_FROM, "sign-ins of", address)
    try:
        member = await _authenticate(context, email, password, code)
    except (BadInputError, UnauthenticatedError, RateLimitedError) as error:
        members = await _members_of_email(context, email)
        await record_refusal(context.services, context.address, members, AuditAction.SIGN_IN, error)
        raise
    async with context.services.transactions.begin() as tx:
        record_member_act(tx, context, member, AuditAction.SIGN_IN)
        return await open_session(tx, context, member, SignInMethod.PASSWORD)


def _require_passwords(context: Context) -> None:
    if not context.services.sign_in_rules.passwords:
        raise ForbiddenError("Signing in with a password is off here: sign in with the OpenID provider.")


async def _authenticate(context: Context, email: str, password: str, code: str | None) -> Member:
    """Return the member whose password it is. Members and locks are looked up before anything is hashed."""
    services = context.services
    members = await _members_of_email(context, email)
    attempt = SignInAttempt(services.database, email, context.address)
    await attempt.count(members, services.device_tokens.read(context.device_cookie))
    candidates = attempt.candidates
    try:
        hashes = [member.password_hash for member in candidates]
        match = await services.passwords.match(password, hashes, client=network_of(context.address))
    except UnavailableError:
        await attempt.take_back(candidates)
        raise
    if match.stored is None:
        if attempt.suspicious:
            await alert_of_attempts(context, candidates)
        raise too_many_attempts(attempt.wait) if attempt.wait else UnauthenticatedError(_WRONG)
    member = next(member for member in candidates if member.password_hash == match.stored)
    if member.has_second_factor and code and not await use_code(services, member, code):
        if attempt.suspicious:
            await alert_of_attempts(context, [member])
        raise BadInputError("code", "is wrong or was used before")
    await attempt.take_back([member])
    if member.has_second_factor and not code:
        raise SecondFactorRequiredError
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
    client = network_of(context.address)
    hashed = await hash_password(services.database, services.passwords, member.email, password, client=client)
    async with services.transactions.begin() as tx:
        await tx.read_clock()
        await tx.session.execute(
            update(Member)
            .where(Member.id == member.id, Member.password_hash == member.password_hash)
            .values(password_hash=hashed)
        )


async def open_session(tx: Transaction, context: Context, member: Member, method: SignInMethod) -> SignedIn:
    """Open a session of a member who has proved who they are by `method`."""
    token = new_token(SESSION_START)
    expires_at = await tx.read_clock() + SESSION_LIFETIME
    tx.session.add(
        MemberSession(
            token_hash=token_hash(token),
            member_id=member.id,
            created_at=tx.now,
            expires_at=expires_at,
            last_used_at=tx.now,
            idle_ends_at=tx.now + context.services.session_idle,
            address=context.address,
            user_agent=context.user_agent[:_USER_AGENT] or None,
            method=method,
        )
    )
    device = context.services.device_tokens.issue(member.id, context.device_cookie, tx.now)
    return SignedIn(member, token, expires_at, device)


@permitted("signOut")
async def sign_out(context: Context) -> None:
    """End the presented session."""
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        await tx.session.execute(
            delete(MemberSession).where(MemberSession.token_hash == context.actor.session_hash)
        )
        await record_act(tx, context, AuditAction.SIGN_OUT)


@permitted("changePassword")
async def change_password(context: Context, current: str, new: str) -> None:
    """Set a new password and end the member's other sessions."""
    check_password("new", new)
    check_presented("current", current)
    await context.services.rate_limiter.acquire(SIGN_IN, "password", str(context.actor.id))
    member = await _own_row(context)
    passwords, client = context.services.passwords, network_of(context.address)
    if (await passwords.match(current, [member.password_hash], client=client)).stored is None:
        error = BadInputError("current", "is not your password")
        action = AuditAction.CHANGE_PASSWORD
        await record_refusal(context.services, context.address, [member], action, error)
        raise error
    everywhere = context.services.across_workspaces().database
    hashed = await hash_password(everywhere, passwords, member.email, new, client=client)
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        (await tx.session.get_one(Member, member.id)).password_hash = hashed
        await _end_sessions(tx, member.id, but=context.actor.session_hash)
        await record_act(tx, context, AuditAction.CHANGE_PASSWORD, format_id(MEMBER, member.id))


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
    _require_passwords(context)
    client = network_of(context.address)
    await context.services.rate_limiter.acquire(SIGN_IN_FROM, "sign-ins of", client)
    async with context.database.autocommit_session() as session:
        email = (await _invited(session, token, datetime.now(UTC))).email
    services = context.services
    hashed = await hash_password(services.database, services.passwords, email, password, client=client)
    async with context.services.transactions.begin() as tx:
        member = await _invited(tx.session, token, await tx.read_clock(), lock=True)
        member.password_hash = hashed
        member.invitation_hash = member.invitation_expires_at = None
        record_member_act(tx, context, member, AuditAction.ACCEPT_INVITATION)
        return await open_session(tx, context, member, SignInMethod.PASSWORD)


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
