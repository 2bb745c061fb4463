"""What a caller may see. A row outside these selects does not exist for them."""

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
    """The workspace's; for a customer its own."""
    found = select(Conversation).where(Conversation.workspace_id == actor.workspace_id)
    return found.where(Conversation.id == actor.conversation_id) if actor.is_customer else found


def visible_messages(actor: Actor) -> Select[Message]:
    """The messages of visible conversations; for a customer those that were delivered."""
    found = (
        select(Message)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Conversation.workspace_id == actor.workspace_id)
    )
    if actor.is_customer:
        return found.where(
            Message.conversation_id == actor.conversation_id, Message.status == MessageStatus.DELIVERED
        )
    return found


def visible_escalations(actor: Actor) -> Select[Escalation]:
    """The workspace's; for a customer those of its conversation."""
    found = select(Escalation).where(Escalation.workspace_id == actor.workspace_id)
    return found.where(Escalation.conversation_id == actor.conversation_id) if actor.is_customer else found


def visible_agents(actor: Actor) -> Select[Agent]:
    """The workspace's; for a customer the one that it talks to."""
    found = select(Agent).where(Agent.workspace_id == actor.workspace_id)
    if actor.is_customer:
        own = select(Conversation.agent_id).where(Conversation.id == actor.conversation_id)
        return found.where(Agent.id.in_(own))
    return found


def visible_members(actor: Actor) -> Select[Member]:
    """The workspace's, removed ones included: they wrote what they wrote. Customers look up nobody."""
    found = select(Member).where(Member.workspace_id == actor.workspace_id)
    return found.where(false()) if actor.is_customer else found


def visible_api_keys(actor: Actor) -> Select[ApiKey]:
    """The workspace's. Customers see none."""
    found = select(ApiKey).where(ApiKey.workspace_id == actor.workspace_id)
    return found.where(false()) if actor.is_customer else found


def visible_webhook_endpoints(actor: Actor) -> Select[WebhookEndpoint]:
    """The workspace's that have not been deleted. Customers see none."""
    found = select(WebhookEndpoint).where(
        WebhookEndpoint.workspace_id == actor.workspace_id, WebhookEndpoint.deleted_at.is_(None)
    )
    return found.where(false()) if actor.is_customer else found


def visible_deliveries(actor: Actor) -> Select[Delivery]:
    """The workspace's. Customers see none."""
    found = select(Delivery).where(Delivery.workspace_id == actor.workspace_id)
    return found.where(false()) if actor.is_customer else found


def visible_workspaces(actor: Actor) -> Select[Workspace]:
    """The caller's own."""
    return select(Workspace).where(Workspace.id == actor.workspace_id)


_WORKSPACE, _CONVERSATION = "own_workspace", "own_conversation"


def template_actor(kind: ActorKind) -> Actor:
    """Stands for all callers of a kind where a statement is made for them once; `bind_values` fills it in."""
    workspace, conversation = bindparam(_WORKSPACE, type_=Uuid), bindparam(_CONVERSATION, type_=Uuid)
    return Actor(kind, cast(UUID, workspace), conversation_id=cast(UUID, conversation))


def bind_values(actor: Actor) -> dict[str, UUID | None]:
    """The values of the parameters that `template_actor` leaves open."""
    return {_WORKSPACE: actor.workspace_id, _CONVERSATION: actor.conversation_id}


@dataclass(frozen=True, eq=False)
class VisibleRow:
    """A kind of row that can be looked for by its key, and what it is called."""

    name: str
    select: Callable[[Actor], Select[Any]]
    key: Any

    async def sees(self, database: Database, actor: Actor, key: UUID) -> bool:
        """Whether the caller may see the row; in particular whether it is there."""
        return bool(await _seen(self, actor.kind).rows(database, **bind_values(actor), key=key))

    async def require_visible(self, database: Database, actor: Actor, key: UUID) -> None:
        """Raises NotFoundError unless the caller may see the row."""
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
