"""The rows that a connection sees under row-level security.

The setting `baton.workspace` of a connection names the scope: a workspace's id, or “*” for Baton's own work
across workspaces. Without it the policies of `models.row_security` show no row.
"""

from typing import Any, Final
from uuid import UUID

import asyncpg

from models.keep_alive import KeptAliveConnection

EVERY_WORKSPACE: Final = "*"
NO_WORKSPACE: Final = ""


def scope_of(workspace_id: UUID | None) -> str:
    """Return the scope of a workspace; None has no rows."""
    return NO_WORKSPACE if workspace_id is None else str(workspace_id)


def begin_in(scope: str) -> str:
    """Return the statements that begin a transaction in a scope."""
    return f"BEGIN; SET LOCAL baton.workspace = '{scope}'"


class ScopedConnection(KeptAliveConnection):
    """A connection that remembers its scope, so that it is set only when it changes."""

    _scope: str | None = None  # unknown

    async def see(self, scope: str) -> None:
        """Set the scope of the statements that follow, outside a transaction."""
        if self._scope != scope:
            # The scope is unknown until the statement has succeeded: a caller may be cancelled meanwhile.
            self._scope = None
            await self.execute(f"SET baton.workspace = '{scope}'")
            self._scope = scope


async def connect_across(url: str, **options: Any) -> asyncpg.Connection:
    """Connect for Baton's own work, which sees every workspace."""
    connection: asyncpg.Connection = await asyncpg.connect(url, **options)
    # A statement, as poolers refuse settings that they do not know.
    await connection.execute(f"SET baton.workspace = '{EVERY_WORKSPACE}'")
    return connection
