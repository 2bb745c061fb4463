"""The audit log: acts and refusals are recorded in the transaction that makes them, and admins read them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert

from models.api_key import ApiKey
from models.audit_log import AuditEntry, AuditRefusal
from models.database import Database
from models.member import Member
from realtime.audit import NewAuditEntry
from realtime.transaction import Transaction
from resolvers.actor import ActorKind
from resolvers.context import Context, Services
from resolvers.errors import BadInputError, BatonError
from resolvers.pagination import Order, Page, PageRequest, read_page
from resolvers.permissions import permitted
from resolvers.validation import check_choices
from rules.audit import AuditAction, AuditActorKind, AuditOutcome
from rules.typeid import API_KEY, MEMBER, MalformedIdError, format_id, parse_id, prefix_of

# Equal refusals within this time are one entry and a count.
FOLDED: Final = timedelta(minutes=1)
_PAGE: Final = 500
_NEWEST = Order("audit", (AuditEntry.position,), descending=True)


async def record_act(
    tx: Transaction, context: Context, action: AuditAction, target_id: str | None = None, **details: Any
) -> None:
    """Record an action of the caller in the transaction that makes it.

    `details` holds names of settings, counts and roles, but no secrets and no words of customers.
    """
    actor = context.actor
    if actor.kind is ActorKind.TEAM_MEMBER:
        assert actor.member_id is not None
        name = await tx.session.scalar(select(Member.name).where(Member.id == actor.member_id))
        kind, actor_id = AuditActorKind.TEAM_MEMBER, format_id(MEMBER, actor.member_id)
    else:
        assert actor.api_key_id is not None
        name = await tx.session.scalar(select(ApiKey.name).where(ApiKey.id == actor.api_key_id))
        kind, actor_id = AuditActorKind.API_KEY, format_id(API_KEY, actor.api_key_id)
    entry = NewAuditEntry(
        action, kind, actor_id, name or "", context.address, target_id=target_id, details=details
    )
    tx.audit(actor.workspace_id, entry)


def record_member_act(
    tx: Transaction, context: Context, member: Member, action: AuditAction, **details: Any
) -> None:
    """Record an action of a member who has just proved who they are, such as a sign-in."""
    tx.audit(member.workspace_id, _of_member(member, context.address, action, **details))


def record_operator_act(
    tx: Transaction, workspace_id: UUID, action: AuditAction, target_id: str, **details: Any
) -> None:
    """Record an action of the operator, who runs a command on the server."""
    entry = NewAuditEntry(
        action, AuditActorKind.OPERATOR, None, "operator", "", target_id=target_id, details=details
    )
    tx.audit(workspace_id, entry)


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


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """A filter of audit entries; None does not restrict. `actor` is a global id."""

    actions: Sequence[AuditAction] | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def _selection(workspace_id: UUID, chosen: AuditFilter) -> Select[AuditEntry]:
    rows = select(AuditEntry).where(AuditEntry.workspace_id == workspace_id)
    if chosen.actions is not None:
        rows = rows.where(AuditEntry.action.in_(chosen.actions))
    if chosen.actor is not None:
        rows = rows.where(AuditEntry.actor_id == chosen.actor)
    if chosen.since is not None:
        rows = rows.where(AuditEntry.occurred_at >= chosen.since)
    if chosen.until is not None:
        rows = rows.where(AuditEntry.occurred_at < chosen.until)
    return rows


def _check_actor(actor: str) -> None:
    try:
        parse_id(API_KEY if prefix_of(actor) == API_KEY else MEMBER, actor)
    except MalformedIdError as error:
        raise BadInputError("filter.actor", str(error)) from None


@permitted("auditLog")
async def audit_log(context: Context, chosen: AuditFilter, request: PageRequest) -> Page[AuditEntry]:
    """Return a page of the workspace's audit log, newest first."""
    check_choices("filter.actions", chosen.actions)
    if chosen.actor is not None:
        _check_actor(chosen.actor)
    async with context.list_session() as session:
        selection = _selection(context.actor.workspace_id, chosen)
        return await read_page(session, selection, AuditEntry, _NEWEST, request)


@permitted("GET /exports/audit.csv")
async def export_audit_log(context: Context) -> AsyncIterator[Sequence[AuditEntry]]:
    """Return pages of the whole audit log of the workspace, oldest first; the export itself is recorded."""
    await record_export(context, AuditAction.EXPORT_AUDIT_LOG)
    return _pages(context.database, context.actor.workspace_id)


async def _pages(database: Database, workspace_id: UUID) -> AsyncIterator[Sequence[AuditEntry]]:
    position = 0
    while True:
        page = (
            _selection(workspace_id, AuditFilter())
            .where(AuditEntry.position > position)
            .order_by(AuditEntry.position)
            .limit(_PAGE)
        )
        async with database.autocommit_session() as session:
            rows = (await session.scalars(page)).all()
        if rows:
            yield rows
            position = rows[-1].position
        if len(rows) < _PAGE:
            return
