"""The audit log."""

from datetime import datetime
from typing import cast

import strawberry
from strawberry.scalars import JSON

from models.audit_log import AuditEntry as AuditEntryRow
from resolvers import audit_queries
from resolvers.errors import ErrorCode
from resolvers.pagination import Page, PageRequest
from rules.audit import AuditAction, AuditActorKind, AuditOutcome
from schema.context import Info
from schema.pagination import Connection


@strawberry.type
class AuditActor:
    """The one who acted, or was refused."""

    kind: AuditActorKind
    """Kind of the actor."""
    id: strawberry.ID | None
    """TypeID of the team member or API key; null for the operator."""
    name: str
    """Name at that time."""


@strawberry.type
class AuditEntry:
    """An action in the audit log. Entries cannot be changed; hashes chain them."""

    position: int
    """Position in the workspace's audit log, from 1, without gaps."""
    occurred_at: datetime
    """Time of the action."""
    actor: AuditActor
    """The one who acted, or was refused."""
    address: str
    """Network address of the caller; empty for the operator."""
    action: AuditAction
    """Kind of action."""
    target_id: strawberry.ID | None
    """TypeID of the object of the action, if there is one."""
    outcome: AuditOutcome
    """Outcome of the action."""
    code: ErrorCode | None
    """Code of the refusal; null for what was done."""
    details: JSON
    """Names of changed settings, scopes, roles or counts. `repeated` counts equal refusals before it."""
    hash: str
    """SHA-256 of the entry and the hash before it, in hexadecimal digits."""

    @classmethod
    def of(cls, row: AuditEntryRow) -> "AuditEntry":
        """Build the type from a row."""
        return cls(
            position=row.position,
            occurred_at=row.occurred_at,
            actor=AuditActor(
                kind=row.actor_kind,
                id=strawberry.ID(row.actor_id) if row.actor_id else None,
                name=row.actor_name,
            ),
            address=row.address,
            action=row.action,
            target_id=strawberry.ID(row.target_id) if row.target_id else None,
            outcome=row.outcome,
            code=ErrorCode(row.code) if row.code else None,
            details=cast("JSON", row.details),
            hash=row.hash.hex(),
        )


@strawberry.type
class AuditEntryConnection(Connection[AuditEntry]):
    """A page of the audit log."""

    @classmethod
    def of(cls, page: Page[AuditEntryRow]) -> "AuditEntryConnection":
        """Build a page."""
        return cls.build(page, [AuditEntry.of(row) for row in page.rows])


@strawberry.input
class AuditLogFilter:
    """Conditions that all entries meet."""

    actions: list[AuditAction] | None = None
    """Kinds of actions; null means all."""
    actor: strawberry.ID | None = None
    """TypeID of the team member or API key that acted; null means all."""
    from_: datetime | None = strawberry.field(name="from", default=None)
    """Earliest time, inclusive."""
    to: datetime | None = None
    """Latest time, exclusive."""

    def read(self) -> audit_queries.AuditFilter:
        """Return the input of the resolver."""
        return audit_queries.AuditFilter(self.actions, self.actor, self.from_, self.to)


@strawberry.type
class AuditQuery:
    """The query of the audit log."""

    @strawberry.field
    async def audit_log(
        self,
        info: Info,
        first: int | None = None,
        after: str | None = None,
        filter: AuditLogFilter | None = None,  # noqa: A002 - the name in the API
    ) -> AuditEntryConnection:
        """Actions that concern the workspace's security and privacy, newest first. Requires ADMIN."""
        chosen = filter.read() if filter else audit_queries.AuditFilter()
        return AuditEntryConnection.of(
            await audit_queries.audit_log(info.context, chosen, PageRequest(first, after))
        )
