"""AI agents."""

from datetime import datetime

import strawberry

from models.agent import Agent as AgentRow
from resolvers.agent import escalation_settings
from rules.typeid import AGENT, spell_id
from schema.basics import Node
from schema.context import Info
from schema.settings import EscalationSettings


@strawberry.type
class Agent(Node):
    """An AI agent that talks to customers."""

    row: strawberry.Private[AgentRow]
    name: str
    created_at: datetime

    @strawberry.field
    async def settings(self, info: Info) -> EscalationSettings:
        """Its settings, for who may read them."""
        return EscalationSettings.of(await escalation_settings(info.context.context, self.row.id))

    @classmethod
    def of(cls, row: AgentRow) -> "Agent":
        """Dresses a row."""
        key = strawberry.ID(spell_id(AGENT, row.id))
        return cls(id=key, row=row, name=row.name, created_at=row.created_at)
