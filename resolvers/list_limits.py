"""Bounds of the lists that have no pages, such as a workspace's AI agents: one more is refused."""

from typing import Any

from sqlalchemy import func, select

from realtime.transaction import Transaction
from resolvers.errors import ConflictError

AGENTS, MEMBERS, API_KEYS = 200, 1_000, 500


async def check_row_limit(tx: Transaction, table: Any, limit: int, name: str, *conditions: Any) -> None:
    """Raise ConflictError if as many rows as are allowed meet the conditions."""
    counted = select(func.count()).select_from(table).where(*conditions)
    if (await tx.session.execute(counted)).scalar_one() >= limit:
        raise ConflictError(f"The workspace has {limit:,} {name}, the maximum. Remove one first.")
