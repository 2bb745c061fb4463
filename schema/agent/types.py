"""AI agents."""

from datetime import datetime

import strawberry

from models.agent import Agent as AgentRow
from resolvers.agent import agent_by_id, settings_of
from resolvers.loaders import agents_by_id
from rules import typeid
from rules.typeid import format_id
from schema.agent.settings import EscalationSettings
from schema.context import GraphQLContext, Info
from schema.nodes import Node, node


@node(typeid.AGENT, "AI agent", agent_by_id, agents_by_id)
@strawberry.type
class Agent(Node):
    """An AI agent that talks to customers."""

    row: strawberry.Private[AgentRow]
    name: str
    """Name of the AI agent."""
    created_at: datetime
    """Time of its creation."""

    @strawberry.field
    async def settings(self, info: Info) -> EscalationSettings:
        """Its settings, for who may read them."""
        return EscalationSettings.of(await settings_of(info.context, self.row))

    @classmethod
    def of(cls, row: AgentRow, _: GraphQLContext) -> "Agent":
        """Build the type from a row."""
        key = strawberry.ID(format_id(typeid.AGENT, row.id))
        return cls(id=key, row=row, name=row.name, created_at=row.created_at)
