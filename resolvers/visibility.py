"""The rows that a caller may see. Others do not exist for the caller."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select, Uuid, bindparam, false, select

from models.agent import Agent
from models.api_key import ApiKey
from models.compiled_select import CompiledSelect
from models.conversation import Conversation
from models.database import Database
from models.delivery import Delivery
from models.escalation import Escalation
from models.member import Member
from models.message import Message
from models.webhook_endpoint import WebhookEndpoint
from models.workspace import Workspace
from resolvers.actor import Actor, ActorKind
from resolvers.errors import NotFoundError
from rules.message import MessageStatus


def visible_conversations(actor: Actor) -> Select[Conversation]:
    """Select the workspace's conversations; for a customer its own."""
    statement = select(Conversation).where(Conversation.workspace_id == actor.workspace_id)
    return statement.where(Conversation.id == actor.conversation_id) if actor.is_customer else statement


def visible_messages(actor: Actor) -> Select[Message]:
    """Select the messages of visible conversations; for a customer the delivered ones."""
    statement = (
        select(Message)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Conversation.workspace_id == actor.workspace_id)
    )
    if actor.is_customer:
        return statement.where(
            Message.conversation_id == actor.conversation_id, Message.status == MessageStatus.DELIVERED
        )
    return statement


def visible_escalations(actor: Actor) -> Select[Escalation]:
    """Select the workspace's escalations; for a customer those of its conversation."""
    statement = select(Escalation).where(Escalation.workspace_id == actor.workspace_id)
    return (
        statement.where(Escalation.conversation_id == actor.conversation_id)
        if actor.is_customer
        else statement
    )


def visible_agents(actor: Actor) -> Select[Agent]:
    """Select the workspace's AI agents; for a customer that of its conversation."""
    statement = select(Agent).where(Agent.workspace_id == actor.workspace_id)
    if actor.is_customer:
        own = select(Conversation.agent_id).where(Conversation.id == actor.conversation_id)
        return statement.where(Agent.id.in_(own))
    return statement


def visible_members(actor: Actor) -> Select[Member]:
    """Select the workspace's members, including removed ones, who remain authors. Customers see none."""
    statement = select(Member).where(Member.workspace_id == actor.workspace_id)
    return statement.where(false()) if actor.is_customer else statement


def visible_api_keys(actor: Actor) -> Select[ApiKey]:
    """Select the workspace's rows. Customers see none."""
    statement = select(ApiKey).where(ApiKey.workspace_id == actor.workspace_id)
    return statement.where(false()) if actor.is_customer else statement


def visible_webhook_endpoints(actor: Actor) -> Select[WebhookEndpoint]:
    """Select the workspace's webhook endpoints except deleted ones. Customers see none."""
    statement = select(WebhookEndpoint).where(
        WebhookEndpoint.workspace_id == actor.workspace_id, WebhookEndpoint.deleted_at.is_(None)
    )
    return statement.where(false()) if actor.is_customer else statement


def visible_deliveries(actor: Actor) -> Select[Delivery]:
    """Select the workspace's rows. Customers see none."""
    statement = select(Delivery).where(Delivery.workspace_id == actor.workspace_id)
    return statement.where(false()) if actor.is_customer else statement


def visible_workspaces(actor: Actor) -> Select[Workspace]:
    """Select the caller's own workspace."""
    return select(Workspace).where(Workspace.id == actor.workspace_id)


_WORKSPACE, _CONVERSATION = "own_workspace", "own_conversation"


def template_actor(kind: ActorKind) -> Actor:
    """Return an actor whose ids are parameters, for a statement compiled once; `bind_values` fills them."""
    workspace, conversation = bindparam(_WORKSPACE, type_=Uuid), bindparam(_CONVERSATION, type_=Uuid)
    return Actor(kind, cast(UUID, workspace), conversation_id=cast(UUID, conversation))


def bind_values(actor: Actor) -> dict[str, UUID | None]:
    """Return the parameter values of a `template_actor` for an actor."""
    return {_WORKSPACE: actor.workspace_id, _CONVERSATION: actor.conversation_id}


@dataclass(frozen=True, eq=False)
class VisibleRow:
    """A kind of row that is looked up by its id, and its name in errors."""

    name: str
    select: Callable[[Actor], Select[Any]]
    key: Any

    async def sees(self, database: Database, actor: Actor, key: UUID) -> bool:
        """Return whether the row exists and is visible to the caller."""
        return bool(await _seen(self, actor.kind).rows(database, **bind_values(actor), key=key))

    async def require_visible(self, database: Database, actor: Actor, key: UUID) -> None:
        """Raise NotFoundError unless the caller may see the row."""
        if not await self.sees(database, actor, key):
            raise NotFoundError(self.name)


@cache
def _seen(what: VisibleRow, kind: ActorKind) -> CompiledSelect[UUID]:
    return CompiledSelect(
        what.select(template_actor(kind)).where(what.key == bindparam("key")).with_only_columns(what.key)
    )


CONVERSATION = VisibleRow("conversation", visible_conversations, Conversation.id)
MESSAGE = VisibleRow("message", visible_messages, Message.id)
ESCALATION = VisibleRow("escalation", visible_escalations, Escalation.id)
AGENT = VisibleRow("AI agent", visible_agents, Agent.id)
MEMBER = VisibleRow("team member", visible_members, Member.id)
API_KEY = VisibleRow("API key", visible_api_keys, ApiKey.id)
WEBHOOK_ENDPOINT = VisibleRow("webhook endpoint", visible_webhook_endpoints, WebhookEndpoint.id)
DELIVERY = VisibleRow("delivery", visible_deliveries, Delivery.id)
WORKSPACE = VisibleRow("workspace", visible_workspaces, Workspace.id)
