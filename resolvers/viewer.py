"""Who is calling, looked up."""

from models.api_key import ApiKey
from resolvers.context import Context
from resolvers.permissions import permitted
from resolvers.visible import visible_api_keys


@permitted("viewer")
async def viewer_api_key(context: Context) -> ApiKey | None:
    """The API key that was presented, if one was."""
    if context.actor.api_key_id is None:
        return None
    async with context.house.database.reading() as session:
        found: ApiKey | None = await session.scalar(
            visible_api_keys(context.actor).where(ApiKey.id == context.actor.api_key_id)
        )
        return found
