"""The audit log, as admins read it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, select

from models.audit_log import AuditEntry
from models.database import Database
from resolvers.audit import record_export
from resolvers.context import Context
from resolvers.errors import BadInputError
from resolvers.list_select import Condition, ListSelect, equals, in_period, is_among
from resolvers.pagination import Order, Page, PageRequest, read_page
from resolvers.permissions import permitted
from resolvers.validation import check_choices
from resolvers.visibility import Visibility
from rules.audit import AuditAction
from rules.typeid import API_KEY, MEMBER, MalformedIdError, parse_id, prefix_of

_PAGE: Final = 500
_NEWEST = Order("audit", (AuditEntry.position,), descending=True)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """A filter of audit entries; None does not restrict. `actor` is a global id."""

    actions: Sequence[AuditAction] | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def _entries(seen: Visibility) -> Select[AuditEntry]:
    return select(AuditEntry).where(AuditEntry.workspace_id == seen.workspace_id)


def _conditions(chosen: AuditFilter) -> Iterator[Condition]:
    if chosen.actions is not None:
        yield is_among(AuditEntry, "action", chosen.actions)
    if chosen.actor is not None:
        yield equals(AuditEntry, "actor_id", chosen.actor)
    yield from in_period(AuditEntry, "occurred_at", chosen.since, chosen.until)


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
    listed = ListSelect(AuditEntry, _entries, list(_conditions(chosen)))
    return await read_page(context, listed, _NEWEST, request)


@permitted("GET /exports/audit.csv")
async def export_audit_log(context: Context) -> AsyncIterator[Sequence[AuditEntry]]:
    """Return pages of the whole audit log of the workspace, oldest first; the export itself is recorded."""
    await record_export(context, AuditAction.EXPORT_AUDIT_LOG)
    return _pages(context.database, context.actor.workspace_id)


async def _pages(database: Database, workspace_id: UUID) -> AsyncIterator[Sequence[AuditEntry]]:
    position = 0
    while True:
        page = (
            _entries(Visibility(workspace_id))
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
