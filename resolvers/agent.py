"""AI agents and their escalation settings."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from models.agent import Agent
from models.words import folded
from realtime.delivery_queue import TargetKey, lock_targets
from realtime.recipients import request_confirmation, unconfirmed
from realtime.transaction import Transaction
from resolvers.audit import record_act
from resolvers.context import Context
from resolvers.errors import BadInputError, ConflictError
from resolvers.list_limits import AGENTS, check_row_limit
from resolvers.permissions import permitted
from resolvers.timer_handlers import withdraw_pending
from resolvers.validation import check_name
from resolvers.visibility import AGENT, Visibility, visible_agents
from rules.agent_settings import EmailNotifications, EscalationSettings, changed
from rules.audit import AuditAction, changed_paths
from rules.email_address import address_key
from rules.sla_targets import unreachable_target
from rules.stored_settings import stored_settings
from rules.typeid import AGENT as AGENT_PREFIX
from rules.typeid import format_id


@permitted("agent", AGENT)
async def agent_by_id(context: Context, agent_id: UUID) -> Agent | None:
    """Return the AI agent, or None."""
    return await AGENT.find(context.database, context.actor, agent_id)


@permitted("agents")
async def agents(context: Context) -> list[Agent]:
    """Return the workspace's AI agents, by name."""
    by_name = visible_agents(Visibility.of(context.actor)).order_by(folded(Agent.name), Agent.id)
    async with context.database.autocommit_session() as session:
        return list(await session.scalars(by_name))


@permitted("escalationSettings", AGENT)
async def escalation_settings(context: Context, agent_id: UUID) -> Agent:
    """Return the AI agent with its settings; raises NotFoundError."""
    return await AGENT.require(context.database, context.actor, agent_id)


@permitted("escalationSettings")
async def settings_of(_: Context, agent: Agent) -> Agent:
    """Return an AI agent that the caller was shown, for its settings."""
    return agent


@permitted("createAgent")
async def create_agent(context: Context, name: str) -> Agent:
    """Create an AI agent with the default settings."""
    check_name("name", name)
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        own = Agent.workspace_id == context.actor.workspace_id
        await check_row_limit(tx, Agent, AGENTS, "AI agents", own)
        agent = make_agent(tx, context.actor.workspace_id, name)
        await tx.session.flush()
        await record_act(tx, context, AuditAction.CREATE_AGENT, format_id(AGENT_PREFIX, agent.id))
    return agent


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
    """Apply `changes` (nested, in snake case, only the fields to change) to the settings.

    They apply from now on; pending escalations that they no longer ask for are withdrawn. Raises
    BadInputError with the path of a refused value, and ConflictError if `expected_version` is no longer the
    version.
    """
    async with context.services.transactions.begin() as tx:
        agent = await AGENT.lock(tx, context.actor, agent_id)
        if expected_version not in (None, agent.settings_version):
            raise ConflictError(
                f"The settings have changed: they are at version {agent.settings_version}. Read them again."
            )
        now = await tx.read_clock()
        new = settings_changed(EscalationSettings.model_validate(agent.settings), changes, now)
        await withdraw_pending(tx, context.actor, agent_id, new.auto_escalation)
        document = new.model_dump(mode="json")
        if document != agent.settings:
            await _request_confirmations(tx, context, agent, new.notifications.email)
            await _store_settings(tx, context, agent, document)
    return agent


async def _store_settings(tx: Transaction, context: Context, agent: Agent, document: dict[str, Any]) -> None:
    """Store other settings of a locked AI agent as their next version, and record it."""
    names, target = changed_paths(agent.settings, document), format_id(AGENT_PREFIX, agent.id)
    await record_act(tx, context, AuditAction.UPDATE_SETTINGS, target, changed=names)
    agent.settings = document
    agent.settings_version += 1
    agent.settings_updated_at = tx.now


async def remove_recipient(tx: Transaction, context: Context, address: str) -> None:
    """Take an address, in any form of it, out of the email recipients of the workspace's AI agents."""
    # All are locked, so that a concurrent change of settings does not keep the address. One order for all.
    agents = visible_agents(Visibility.of(context.actor)).order_by(Agent.id).with_for_update(key_share=True)
    for agent in list(await tx.session.scalars(agents)):
        document = stored_settings(agent.settings).model_dump(mode="json")
        email = document["notifications"]["email"]
        others = [listed for listed in email["recipients"] if address_key(listed) != address_key(address)]
        if len(others) < len(email["recipients"]):
            email["recipients"] = others
            await _store_settings(tx, context, agent, document)


async def _request_confirmations(
    tx: Transaction, context: Context, agent: Agent, email: EmailNotifications
) -> None:
    """Ask the recipients that the settings add to confirm their addresses."""
    external = context.services.external
    before = EscalationSettings.model_validate(agent.settings).notifications.email
    recipients = {*map(address_key, before.recipients)} if before.enabled else set()
    added = [address for address in email.recipients if address_key(address) not in recipients]
    if not added or not email.enabled or not external.sends_email:
        return
    addresses = await unconfirmed(tx.session, agent.workspace_id, added, external.confirmed_domains)
    keys = [TargetKey.email(address) for address in addresses]
    for key, target in (await lock_targets(tx, agent.workspace_id, keys)).items():
        request_confirmation(tx, target, agent.id, key.address)


def settings_changed(
    settings: EscalationSettings, changes: dict[str, Any], now: datetime
) -> EscalationSettings:
    """Return the settings with `changes` applied; raises BadInputError for the first refused value.

    Targets that cannot be reached within ten years from `now` are also refused.
    """
    try:
        new = changed(settings, changes)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(step) for step in first["loc"])
        raise BadInputError(path, _message_of(first)) from error
    if new.sla != settings.sla and (fault := unreachable_target(new.sla, now)):
        raise BadInputError(*fault)
    return new


def _message_of(error: Any) -> str:
    if error["type"] == "refused":
        return str(error["msg"])
    return f"is refused: {error['msg'][0].lower()}{error['msg'][1:]}"
