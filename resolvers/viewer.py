"""Who is calling, looked up."""

from uuid import UUID

from models.api_key import ApiKey
from models.workspace import Workspace
from resolvers.context import Context
from resolvers.permissions import permitted
from resolvers.visibility import WORKSPACE, visible_api_keys, visible_workspaces


@permitted("viewer")
async def viewer_api_key(context: Context) -> ApiKey | None:
    """The API key that was presented, if one was."""
    if context.actor.api_key_id is None:
        return None
    async with context.database.autocommit_session() as session:
        found: ApiKey | None = await session.scalar(
            visible_api_keys(context.actor).where(ApiKey.id == context.actor.api_key_id)
        )
        return found


@permitted("node", WORKSPACE)
async def workspace_by_id(context: Context, workspace_id: UUID) -> Workspace | None:
    """The caller's own workspace, or None."""
    async with context.database.autocommit_session() as session:
        found: Workspace | None = await session.scalar(
            visible_workspaces(context.actor).where(Workspace.id == workspace_id)
        )
        return found
