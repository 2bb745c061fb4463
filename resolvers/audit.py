"""The audit log: acts are recorded in the transaction that makes them, refusals in one of their own."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from models.api_key import ApiKey
from models.audit_log import AuditRefusal
from models.member import Member
from realtime.audit import NewAuditEntry
from realtime.transaction import Transaction
from resolvers.actor import Actor, ActorKind
from resolvers.context import Context, Services
from resolvers.errors import BatonError, ErrorCode
from resolvers.rate_limits import REFUSALS, REFUSALS_OF_KIND
from rules.audit import AuditAction, AuditActorKind, AuditOutcome
from rules.typeid import API_KEY, MEMBER, format_id

# Equal refusals within this time are one entry and a count.
FOLDED: Final = timedelta(minutes=1)
_TEAM: Final = (ActorKind.TEAM_MEMBER, ActorKind.API_KEY)


async def record_act(
    tx: Transaction, context: Context, action: AuditAction, target_id: str | None = None, **details: Any
) -> None:
    """Record an action of the caller in the transaction that makes it.

    `details` holds names of settings, counts and roles, but no secrets and no words of customers.
    """
    entry = await _of_actor(tx, context.actor, context.address, action)
    tx.audit(context.actor.workspace_id, replace(entry, target_id=target_id, details=details))


async def record_forbidden(services: Services, caller: Actor, address: str, operation: str) -> None:
    """Record a call that the member or API key may not make, in a transaction of its own.

    `operation` is a root field or a route. Calls of customers are not recorded.
    """
    if caller.kind not in _TEAM or not await may_record(services, str(caller.id), operation):
        return
    async with services.transactions.begin() as tx:
        await tx.read_clock()
        entry = await _of_actor(tx, caller, address, AuditAction.CALL_OPERATION)
        refused = refused_entry(entry, ErrorCode.FORBIDDEN, {"operation": operation})
        tx.audit(caller.workspace_id, refused)


def refused_entry(entry: NewAuditEntry, code: ErrorCode, details: dict[str, Any]) -> NewAuditEntry:
    """Return the entry of an action that was refused."""
    return replace(entry, outcome=AuditOutcome.REFUSED, code=code.value, details=details)


async def may_record(services: Services, caller: str, what: str) -> bool:
    """Count a refusal of a caller, and return whether it may have an entry.

    A caller has one entry for each `what` in ten minutes, and at most twenty. So a hostile caller neither
    fills the log nor makes the database write.
    """
    limiter = services.rate_limiter
    return await limiter.try_acquire(REFUSALS_OF_KIND, "recorded refusals", caller, what) and (
        await limiter.try_acquire(REFUSALS, "recorded refusals", caller)
    )


async def _of_actor(tx: Transaction, actor: Actor, address: str, action: AuditAction) -> NewAuditEntry:
    if actor.kind is ActorKind.TEAM_MEMBER:
        assert actor.member_id is not None
        name = await tx.session.scalar(select(Member.name).where(Member.id == actor.member_id))
        kind, actor_id = AuditActorKind.TEAM_MEMBER, format_id(MEMBER, actor.member_id)
    else:
        assert actor.api_key_id is not None
        name = await tx.session.scalar(select(ApiKey.name).where(ApiKey.id == actor.api_key_id))
        kind, actor_id = AuditActorKind.API_KEY, format_id(API_KEY, actor.api_key_id)
    return NewAuditEntry(action, kind, actor_id, name or "", address)


def record_member_act(
    tx: Transaction, context: Context, member: Member, action: AuditAction, **details: Any
) -> None:
    """Record an action of a member who has just proved who they are, such as a sign-in."""
    tx.audit(member.workspace_id, _of_member(member, context.address, action, **details))


def record_operator_act(
    tx: Transaction, workspace_id: UUID, action: AuditAction, target_id: str | None = None, **details: Any
) -> None:
    """Record an action of the operator, who runs a command on the server."""
    tx.audit(workspace_id, operator_entry(action, target_id, **details))


def operator_entry(action: AuditAction, target_id: str | None = None, **details: Any) -> NewAuditEntry:
    """Return the entry of an action of the operator."""
    return NewAuditEntry(
        action, AuditActorKind.OPERATOR, None, "operator", "", target_id=target_id, details=details
    )


async def record_export(context: Context, action: AuditAction) -> None:
    """Record an export in a transaction of its own, before it begins."""
    async with context.services.transactions.begin() as tx:
        await record_act(tx, context, action)


async def record_refusal(
    services: Services, address: str, members: Sequence[Member], action: AuditAction, error: BatonError
) -> None:
    """Record a refused action about members, each in a transaction of its own.

    Refusals with the same code within a minute are counted, and the count is in the next entry. So a flood
    adds one entry a minute for each member, whatever the number of addresses.
    """
    for member in members:
        async with services.transactions.begin() as tx:
            now = await tx.read_clock()
            repeated = await _take_refusal(tx, member, action, str(error.code), now)
            if repeated is not None:
                details = {"repeated": repeated} if repeated else {}
                entry = _of_member(member, address, action, str(error.code), **details)
                tx.audit(member.workspace_id, entry)


async def _take_refusal(
    tx: Transaction, member: Member, action: AuditAction, code: str, now: datetime
) -> int | None:
    """Return how many refusals were only counted since the last entry, or None to count this one as well."""
    where = {"workspace_id": member.workspace_id, "action": action, "member_id": member.id, "code": code}
    new = insert(AuditRefusal).values(**where, recorded_at=now, repeated=0).on_conflict_do_nothing()
    if await tx.session.scalar(new.returning(AuditRefusal.member_id)) is not None:
        return 0
    row = (await tx.session.execute(select(AuditRefusal).filter_by(**where).with_for_update())).scalar_one()
    if now - row.recorded_at < FOLDED:
        row.repeated += 1
        return None
    repeated, row.repeated, row.recorded_at = row.repeated, 0, now
    return repeated


def _of_member(
    member: Member, address: str, action: AuditAction, code: str | None = None, **details: Any
) -> NewAuditEntry:
    member_id = format_id(MEMBER, member.id)
    return NewAuditEntry(
        action,
        AuditActorKind.TEAM_MEMBER,
        member_id,
        member.name,
        address,
        target_id=member_id,
        outcome=AuditOutcome.REFUSED if code else AuditOutcome.OK,
        code=code,
        details=details,
    )
