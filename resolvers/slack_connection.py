"""Slack connections: the bot that posts an AI agent's events to the team's Slack workspace."""

from uuid import UUID

from models.agent import Agent
from models.slack_connection import SlackConnection
from resolvers.audit import record_act
from resolvers.context import Context
from resolvers.errors import BadInputError, ConflictError
from resolvers.permissions import permitted
from resolvers.visibility import AGENT
from rules.audit import AuditAction
from rules.typeid import AGENT as AGENT_PREFIX
from rules.typeid import format_id


@permitted("connectSlack", AGENT)
async def connect_slack(context: Context, agent_id: UUID, bot_token: str) -> Agent:
    """Verify the token with Slack and store it sealed; it replaces the previous one."""
    # Ask Slack only for an agent that the caller may see.
    await AGENT.require_visible(context.database, context.actor, agent_id)
    try:
        team = await context.services.external.slack_team(bot_token)
    except ValueError as error:
        raise BadInputError("bot_token", str(error)) from None
    except ConnectionError as error:
        raise ConflictError(f"{error}. Nothing was changed; try again.") from None
    async with context.services.transactions.begin() as tx:
        agent = await AGENT.lock(tx, context.actor, agent_id)
        connection = SlackConnection(
            agent_id=agent_id,
            workspace_id=agent.workspace_id,
            team_name=team,
            connected_at=await tx.read_clock(),
        )
        connection.token = context.services.seal.seal(bot_token, connection.purpose)
        await tx.session.merge(connection)
        await record_act(tx, context, AuditAction.CONNECT_SLACK, format_id(AGENT_PREFIX, agent_id))
    return agent


@permitted("disconnectSlack", AGENT)
async def disconnect_slack(context: Context, agent_id: UUID) -> Agent:
    """Delete the token; disconnecting again changes nothing."""
    async with context.services.transactions.begin() as tx:
        agent = await AGENT.lock(tx, context.actor, agent_id)
        connection = await tx.session.get(SlackConnection, agent_id)
        if connection is not None:
            await tx.session.delete(connection)
            await record_act(tx, context, AuditAction.DISCONNECT_SLACK, format_id(AGENT_PREFIX, agent_id))
    return agent
