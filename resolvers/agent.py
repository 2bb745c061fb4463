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
    """The AI agent, or None."""
    async with context.database.autocommit_session() as session:
        found: Agent | None = await session.scalar(visible_agents(context.actor).where(Agent.id == agent_id))
        return found


@permitted("agents")
async def agents(context: Context) -> list[Agent]:
    """The workspace's AI agents, by name."""
    async with context.database.autocommit_session() as session:
        found = await session.scalars(
            visible_agents(context.actor).order_by(func.lower(Agent.name), Agent.id)
        )
        return list(found)


@permitted("escalationSettings", AGENT)
async def escalation_settings(context: Context, agent_id: UUID) -> Agent:
    """The AI agent with its settings; raises NotFoundError."""
    async with context.database.autocommit_session() as session:
        found: Agent | None = await session.scalar(visible_agents(context.actor).where(Agent.id == agent_id))
    if found is None:
        raise NotFoundError("AI agent")
    return found


@permitted("createAgent")
async def create_agent(context: Context, name: str) -> Agent:
    """A new AI agent with the default settings."""
    check_name("name", name)
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        return make_agent(tx, context.actor.workspace_id, name)


def make_agent(
    tx: Transaction, workspace_id: UUID, name: str, settings: EscalationSettings | None = None
) -> Agent:
    """Adds the row of a new AI agent."""
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
    Lays `changes` (nested, in snake case, only what is to change) over the settings.

    They hold for what happens from then on. Raises BadInputError with the path of what is refused, and
    ConflictError when `expected_version` is not the version any more.
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
    The settings with `changes` laid over; raises BadInputError for the first that is refused.

    Targets that would not be reached within ten years from `now` are refused too.
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
