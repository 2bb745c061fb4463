"""Mutations of AI agents and their settings."""

import strawberry

from resolvers import agent, slack_connection
from rules.typeid import AGENT
from schema.agent.settings import EscalationSettings, SettingsPayload
from schema.agent.settings_inputs import UpdateEscalationSettingsInput
from schema.agent.types import Agent
from schema.context import Info, parse_global_id
from schema.mutation import mutation


@strawberry.type
class AgentMutation:
    """Mutations of AI agents, their settings and their Slack connection."""

    @mutation
    async def create_agent(self, info: Info, name: str) -> Agent | None:
        """Create an AI agent with the default settings."""
        return Agent.of(await agent.create_agent(info.context, name), info.context)

    @mutation
    async def update_escalation_settings(
        self,
        info: Info,
        input: UpdateEscalationSettingsInput,  # noqa: A002 - the name in the API
    ) -> SettingsPayload | None:
        """Change the settings of an AI agent."""
        key = parse_global_id(info, AGENT, input.agent_id, "agent_id")
        row = await agent.update_escalation_settings(
            info.context, key, input.changes(), input.expected_version
        )
        return SettingsPayload(settings=EscalationSettings.of(row))

    @mutation
    async def connect_slack(
        self, info: Info, agent_id: strawberry.ID, bot_token: str
    ) -> SettingsPayload | None:
        """Verify and store the token of a Slack bot."""
        key = parse_global_id(info, AGENT, agent_id, "agent_id")
        row = await slack_connection.connect_slack(info.context, key, bot_token)
        return SettingsPayload(settings=EscalationSettings.of(row))

    @mutation
    async def disconnect_slack(self, info: Info, agent_id: strawberry.ID) -> SettingsPayload | None:
        """Delete the token of the Slack bot."""
        key = parse_global_id(info, AGENT, agent_id, "agent_id")
        row = await slack_connection.disconnect_slack(info.context, key)
        return SettingsPayload(settings=EscalationSettings.of(row))
