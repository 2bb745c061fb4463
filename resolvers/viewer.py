"""The rows of the caller."""

from uuid import UUID

from models.api_key import ApiKey
from models.workspace import Workspace
from resolvers.context import Context
from resolvers.permissions import permitted
from resolvers.visibility import WORKSPACE, visible_api_keys, visible_workspaces


@permitted("viewer")
async def viewer_api_key(context: Context) -> ApiKey | None:
    """Return the API key of the caller, or None."""
    if context.actor.api_key_id is None:
        return None
    async with context.database.autocommit_session() as session:
        row: ApiKey | None = await session.scalar(
            visible_api_keys(context.actor).where(ApiKey.id == context.actor.api_key_id)
        )
        return row


@permitted("node", WORKSPACE)
async def workspace_by_id(context: Context, workspace_id: UUID) -> Workspace | None:
    """Return the caller's own workspace, or None."""
    async with context.database.autocommit_session() as session:
        row: Workspace | None = await session.scalar(
            visible_workspaces(context.actor).where(Workspace.id == workspace_id)
        )
        return row
