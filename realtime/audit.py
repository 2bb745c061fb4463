"""The chain of the audit log. It is written as the very last step of a transaction.

The lock on a workspace's head orders its entries. It comes after all other locks, so it can close no circle.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, true, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from models.audit_log import AuditEntry, AuditHead
from models.database import Database
from rules.audit import GENESIS, HASHED, AuditAction, AuditActorKind, AuditOutcome, entry_hash

PAGE = 500


@dataclass(frozen=True, slots=True)
class NewAuditEntry:
    """An entry to append. Ids are global ids."""

    action: AuditAction
    actor_kind: AuditActorKind
    actor_id: str | None
    actor_name: str
    address: str
    target_id: str | None = None
    outcome: AuditOutcome = AuditOutcome.OK
    code: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


async def append_audit(
    session: AsyncSession, workspace_id: UUID, entries: Sequence[NewAuditEntry], at: datetime
) -> None:
    """Append entries to a workspace's chain, which stays locked until the transaction ends."""
    empty = upsert(AuditHead).values(workspace_id=workspace_id, position=0, hash=GENESIS)
    await session.execute(empty.on_conflict_do_nothing())
    head = await session.execute(
        select(AuditHead.position, AuditHead.hash)
        .where(AuditHead.workspace_id == workspace_id)
        .with_for_update()
    )
    position, previous = head.one()
    rows = []
    for entry in entries:
        position += 1
        row = {**asdict(entry), "workspace_id": workspace_id, "position": position, "occurred_at": at}
        row |= {"previous_hash": previous, "hash": entry_hash(previous, row)}
        rows.append(row)
        previous = row["hash"]
    await session.execute(insert(AuditEntry), rows)
    await session.execute(
        update(AuditHead)
        .where(AuditHead.workspace_id == workspace_id)
        .values(position=position, hash=previous)
        .execution_options(synchronize_session=False)
    )


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """The result of checking a workspace's chain. `broken_at` is the first wrong position."""

    workspace_id: UUID
    entries: int
    broken_at: int | None


async def verify_chain(database: Database, workspace_id: UUID) -> ChainCheck:
    """Check positions and hashes of a workspace's audit log, page by page, up to its head.

    A missing end is found, since the head has the position and hash of the last entry.
    """
    position, previous = 0, GENESIS
    async with database.autocommit_session() as session:
        # What is appended meanwhile is after this head.
        head = await session.get(AuditHead, workspace_id)
        end, end_hash = (head.position, head.hash) if head else (0, GENESIS)
        while True:
            page = await session.scalars(
                select(AuditEntry)
                .where(AuditEntry.workspace_id == workspace_id, AuditEntry.position > position)
                .where(AuditEntry.position <= end if head else true())
                .order_by(AuditEntry.position)
                .limit(PAGE)
            )
            rows = page.all()
            for row in rows:
                expected = entry_hash(previous, {name: getattr(row, name) for name in HASHED})
                if (row.position, row.previous_hash, row.hash) != (position + 1, previous, expected):
                    return ChainCheck(workspace_id, position, position + 1)
                position, previous = row.position, row.hash
            session.expunge_all()
            if len(rows) < PAGE:
                break
    whole = (position, previous) == (end, end_hash)
    return ChainCheck(workspace_id, position, None if whole else min(position, end) + 1)
