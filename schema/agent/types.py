"""AI agents."""

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry.utils.await_maybe import AwaitableOrValue

from models.agent import Agent as AgentRow
from resolvers.agent import escalation_settings
from resolvers.errors import NotFoundError
from resolvers.loaders import agents_by_id
from rules.typeid import AGENT, format_id
from schema.agent.settings import EscalationSettings
from schema.context import Info
from schema.nodes import Node


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
        return EscalationSettings.of(await escalation_settings(info.context, self.row.id))

    @classmethod
    def of(cls, row: AgentRow) -> "Agent":
        """Build the type from a row."""
        key = strawberry.ID(format_id(AGENT, row.id))
        return cls(id=key, row=row, name=row.name, created_at=row.created_at)


def the_agent(info: Info, key: UUID) -> AwaitableOrValue[Agent]:
    """Return the visible AI agent of that id; raise NotFoundError."""

    def dress(row: AgentRow | None) -> Agent:
        if row is None:
            raise NotFoundError("AI agent")
        return Agent.of(row)

    return info.context.resolve_node(agents_by_id, key, dress)
