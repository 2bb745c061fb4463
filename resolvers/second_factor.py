"""The second factor of members: time-based one-time codes (TOTP, RFC 6238), and recovery codes.

A code is valid for its 30 seconds and for those before and after. Each is valid once: the last accepted step
is kept, and only later ones are accepted. A recovery code replaces a code once.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pyotp
from sqlalchemy import delete, func, select, update

from models.member import Member, MemberSession
from models.workspace import Workspace
from realtime.transaction import Transaction
from resolvers.audit import record_act, record_member_act
from resolvers.context import Context, Services
from resolvers.errors import BadInputError, ConflictError, ForbiddenError
from resolvers.passwords import check_presented
from resolvers.permissions import permitted
from resolvers.rate_limits import SIGN_IN
from resolvers.visibility import MEMBER
from rules.audit import AuditAction
from rules.network_address import network_of
from rules.typeid import MEMBER as MEMBER_PREFIX
from rules.typeid import format_id

RECOVERY_CODES = 10
STEP_SECONDS = 30
_STEPS_AROUND = (-1, 0, 1)
_DIGITS = re.compile(r"[0-9]{6}")
_RECOVERY_BYTES = 10
_LONGEST_CODE = 40
_WRONG_CODE = "is wrong or was used before"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A second factor that is not in force yet. The secret and its URI are shown this once."""

    secret: str
    uri: str


@permitted("enrolSecondFactor")
async def enrol_second_factor(context: Context, password: str) -> Enrolment:
    """Make a new secret for the caller's authenticator; confirm_second_factor puts it in force.

    Raises BadInputError for a wrong password, and ConflictError if a second factor is in force.
    """
    await _count(context)
    member, workspace = await _own_rows(context)
    await _check_password(context, member, password)
    secret = pyotp.random_base32()
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        row = await tx.session.get_one(Member, member.id, with_for_update=True)
        if row.has_second_factor:
            raise ConflictError("A second factor is in force: remove it first.")
        row.totp_secret = context.services.seal.seal(secret, row.purpose)
    uri = pyotp.TOTP(secret).provisioning_uri(name=member.email, issuer_name=f"Baton ({workspace})")
    return Enrolment(secret, uri)


@permitted("confirmSecondFactor")
async def confirm_second_factor(context: Context, code: str) -> list[str]:
    """Put the enrolled second factor in force, and return recovery codes, which are shown this once.

    Raises BadInputError for a wrong code.
    """
    await _count(context)
    async with context.services.transactions.begin() as tx:
        now = await tx.read_clock()
        row = await tx.session.get_one(Member, context.actor.member_id, with_for_update=True)
        step = None if row.has_second_factor else _matching_step(context.services, row, code)
        if step is None:
            raise BadInputError("code", "is wrong, or no enrolment has begun")
        codes = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
        row.totp_confirmed_at, row.totp_last_step = now, step
        row.recovery_hashes = [_recovery_hash(code) for code in codes]
        record_member_act(tx, context, row, AuditAction.CONFIRM_SECOND_FACTOR)
    return codes


@permitted("removeSecondFactor")
async def remove_second_factor(context: Context, password: str, code: str) -> None:
    """Remove the caller's second factor; `code` is one of it, or a recovery code."""
    await _count(context)
    member, _ = await _own_rows(context)
    await _check_password(context, member, password)
    if not member.has_second_factor or not await use_code(context.services, member, code):
        raise BadInputError("code", f"{_WRONG_CODE}, or there is no second factor")
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        row = await tx.session.get_one(Member, member.id)
        clear_second_factor(row)
        record_member_act(tx, context, row, AuditAction.REMOVE_SECOND_FACTOR)


@permitted("resetSecondFactor", MEMBER)
async def reset_second_factor(context: Context, member_id: UUID) -> None:
    """Remove the second factor of a member who has lost it, and end the member's sessions.

    Raises ForbiddenError for the caller's own, which removeSecondFactor removes.
    """
    if member_id == context.actor.member_id:
        raise ForbiddenError("Your own second factor is removed by removeSecondFactor, with a code.")
    async with context.services.transactions.begin() as tx:
        row = await MEMBER.lock(tx, context.actor, member_id)
        await tx.read_clock()
        clear_second_factor(row)
        await end_sessions(tx, member_id)
        await record_act(tx, context, AuditAction.RESET_SECOND_FACTOR, format_id(MEMBER_PREFIX, member_id))


def clear_second_factor(member: Member) -> None:
    """Remove the second factor from a member's row."""
    member.totp_secret = member.totp_confirmed_at = member.totp_last_step = None
    member.recovery_hashes = []


async def end_sessions(tx: Transaction, member_id: UUID) -> None:
    """End all sessions of a member."""
    await tx.session.execute(delete(MemberSession).where(MemberSession.member_id == member_id))


async def use_code(services: Services, member: Member, code: str) -> bool:
    """Return whether the code is valid now; it is not valid a second time."""
    if len(code) > _LONGEST_CODE:
        return False
    step = _matching_step(services, member, code)
    used = update(Member).where(Member.id == member.id, Member.totp_confirmed_at.is_not(None))
    if step is not None:
        unused = func.coalesce(Member.totp_last_step, -1) < step
        used = used.where(unused).values(totp_last_step=step)
    else:
        hashed = _recovery_hash(code)
        used = used.where(Member.recovery_hashes.any_() == hashed).values(
            recovery_hashes=func.array_remove(Member.recovery_hashes, hashed)
        )
    async with services.transactions.begin() as tx:
        await tx.read_clock()
        return await tx.session.scalar(used.returning(Member.id)) is not None


def _matching_step(services: Services, member: Member, code: str) -> int | None:
    """Return the step around now whose code it is, or None."""
    digits = re.sub(r"\s", "", code[:_LONGEST_CODE])
    if member.totp_secret is None or not _DIGITS.fullmatch(digits):
        return None
    totp = pyotp.TOTP(services.seal.open(member.totp_secret, member.purpose))
    now = int(datetime.now(UTC).timestamp()) // STEP_SECONDS
    steps = [now + offset for offset in _STEPS_AROUND]
    return next((step for step in steps if hmac.compare_digest(totp.generate_otp(step), digits)), None)


def _new_recovery_code() -> str:
    letters = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def _recovery_hash(code: str) -> bytes:
    # 80 random bits: a slow hash adds nothing.
    return hashlib.sha256(re.sub(r"[^a-z2-7]", "", code[:_LONGEST_CODE].lower()).encode()).digest()


async def _own_rows(context: Context) -> tuple[Member, str]:
    """Return the caller's row, and the name of the workspace."""
    async with context.database.autocommit_session() as session:
        member = await session.get_one(Member, context.actor.member_id)
        name = await session.scalar(select(Workspace.name).where(Workspace.id == member.workspace_id))
    return member, name or ""


async def _check_password(context: Context, member: Member, password: str) -> None:
    check_presented("password", password)
    client = network_of(context.address)
    match = await context.services.passwords.match(password, [member.password_hash], client=client)
    if match.stored is None:
        raise BadInputError("password", "is not your password")


async def _count(context: Context) -> None:
    await context.services.rate_limiter.acquire(SIGN_IN, "second factor", str(context.actor.member_id))
