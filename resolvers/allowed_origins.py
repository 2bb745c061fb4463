"""The sites that may embed an AI agent's widget."""

from sqlalchemy import bindparam, select

from models.agent import Agent
from models.compiled_select import CompiledSelect
from models.conversation import Conversation
from models.database import Database
from resolvers.actor import Actor
from rules.agent_settings import EscalationSettings

_SETTINGS = CompiledSelect(
    select(Agent.settings)
    .join(Conversation, Conversation.agent_id == Agent.id)
    .where(Conversation.id == bindparam("conversation"), Conversation.workspace_id == bindparam("workspace"))
)


async def allowed_origins(database: Database, actor: Actor) -> list[str]:
    """Return the foreign origins, in lower case, from which a customer may call; other actors have none."""
    results = await _SETTINGS.rows(database, conversation=actor.conversation_id, workspace=actor.workspace_id)
    return [
        origin
        for (settings,) in results
        for origin in EscalationSettings.model_validate(settings).widget.allowed_origins
    ]
