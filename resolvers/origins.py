"""The sites that may embed an AI agent's widget."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.agent import Agent
from models.conversation import Conversation
from resolvers.actor import Actor
from rules.settings import EscalationSettings


async def allowed_origins(session: AsyncSession, actor: Actor) -> list[str]:
    """The foreign origins, in lower case, from which the customer `actor` may call; none for anybody else."""
    settings = await session.scalar(
        select(Agent.settings)
        .join(Conversation, Conversation.agent_id == Agent.id)
        .where(Conversation.id == actor.conversation_id, Conversation.workspace_id == actor.workspace_id)
    )
    return [] if settings is None else EscalationSettings.model_validate(settings).widget.allowed_origins
