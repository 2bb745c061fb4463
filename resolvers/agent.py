"""AI agents and their escalation settings."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import func

from models.agent import Agent
from realtime.transaction import Transaction
from resolvers.context import Context
from resolvers.errors import BadInputError, ConflictError, NotFoundError
from resolvers.permissions import permitted
from resolvers.validation import check_name
from resolvers.visibility import AGENT, visible_agents
from rules.agent_settings import EscalationSettings, changed, unreachable_target


@permitted("agent", AGENT)
async def agent_by_id(context: Context, agent_id: UUID) -> Agent | None:
    """Return the AI agent, or None."""
    async with context.database.autocommit_session() as session:
        row: Agent | None = await session.scalar(visible_agents(context.actor).where(Agent.id == agent_id))
        return row


@permitted("agents")
async def agents(context: Context) -> list[Agent]:
    """Return the workspace's AI agents, by name."""
    async with context.database.autocommit_session() as session:
        rows = await session.scalars(visible_agents(context.actor).order_by(func.lower(Agent.name), Agent.id))
        return list(rows)


@permitted("escalationSettings", AGENT)
async def escalation_settings(context: Context, agent_id: UUID) -> Agent:
    """Return the AI agent with its settings; raises NotFoundError."""
    async with context.database.autocommit_session() as session:
        row: Agent | None = await session.scalar(visible_agents(context.actor).where(Agent.id == agent_id))
    if row is None:
        raise NotFoundError("AI agent")
    return row


@permitted("createAgent")
async def create_agent(context: Context, name: str) -> Agent:
    """Create an AI agent with the default settings."""
    check_name("name", name)
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        return make_agent(tx, context.actor.workspace_id, name)


def make_agent(
    tx: Transaction, workspace_id: UUID, name: str, settings: EscalationSettings | None = None
) -> Agent:
    """Add the row of a new AI agent."""
    agent = Agent(
        workspace_id=workspace_id,
        name=name,
        settings=(settings or EscalationSettings()).model_dump(mode="json"),
        settings_version=1,
        settings_updated_at=tx.now,
        created_at=tx.now,
    )
    tx.session.add(agent)
    return agent


@permitted("updateEscalationSettings", AGENT)
async def update_escalation_settings(
    context: Context, agent_id: UUID, changes: dict[str, Any], expected_version: int | None = None
) -> Agent:
    """
    Merge `changes` (nested, in snake case, only changed fields) into the settings.

    New settings apply to later events. Raises BadInputError with the path of the refused field, and
    ConflictError when `expected_version` is outdated.
    """
    async with context.services.transactions.begin() as tx:
        agent = await tx.session.scalar(
            visible_agents(context.actor).where(Agent.id == agent_id).with_for_update()
        )
        if agent is None:
            raise NotFoundError("AI agent")
        if expected_version not in (None, agent.settings_version):
            raise ConflictError(
                f"The settings have changed: they are at version {agent.settings_version}. Read them again."
            )
        now = await tx.read_clock()
        new = settings_changed(EscalationSettings.model_validate(agent.settings), changes, now)
        document = new.model_dump(mode="json")
        if document != agent.settings:
            agent.settings = document
            agent.settings_version += 1
            agent.settings_updated_at = now
    return agent


def settings_changed(
    settings: EscalationSettings, changes: dict[str, Any], now: datetime
) -> EscalationSettings:
    """
    Return the settings with `changes` merged in; raises BadInputError for the first refused field.

    Targets out of reach within ten years from `now` are refused too.
    """
    try:
        new = changed(settings, changes)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(step) for step in first["loc"])
        raise BadInputError(path, _in_words(first)) from error
    if new.sla != settings.sla and (fault := unreachable_target(new.sla, now)):
        raise BadInputError(*fault)
    return new


def _in_words(error: Any) -> str:
    if error["type"] == "refused":
        return str(error["msg"])
    return f"is refused: {error['msg'][0].lower()}{error['msg'][1:]}"
