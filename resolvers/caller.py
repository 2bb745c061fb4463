"""The caller and its workspace."""

from uuid import UUID

from models.api_key import ApiKey
from models.workspace import Workspace
from resolvers.context import Context
from resolvers.permissions import permitted
from resolvers.visibility import API_KEY, WORKSPACE


@permitted("viewer")
async def viewer_api_key(context: Context) -> ApiKey | None:
    """Return the API key of the caller, if it presented one."""
    key_id = context.actor.api_key_id
    return await API_KEY.find(context.database, context.actor, key_id) if key_id else None


@permitted("node", WORKSPACE)
async def workspace_by_id(context: Context, workspace_id: UUID) -> Workspace | None:
    """Return the caller's own workspace, or None."""
    return await WORKSPACE.find(context.database, context.actor, workspace_id)
