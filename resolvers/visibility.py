"""The rows that a caller may see. A row outside these selects does not exist for the caller."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import BindParameter, Select, Uuid, bindparam, false, select

from models.agent import Agent
from models.api_key import ApiKey
from models.compiled_select import CompiledSelect
from models.conversation import Conversation
from models.database import Database
from models.delivery import Delivery
from models.escalation import Escalation
from models.member import Member
from models.message import Message
from models.saved_reply import SavedReply
from models.webhook_endpoint import WebhookEndpoint
from models.workspace import Workspace
from realtime.transaction import Transaction
from resolvers.actor import Actor
from resolvers.errors import NotFoundError
from rules.message import MessageStatus

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Visibility:
    """The part of the database that a caller may see.

    It is a workspace, or for a customer one conversation in it. The ids are parameters in a select that is
    built once for all callers of a kind.
    """

    workspace_id: UUID | BindParameter[UUID]
    conversation_id: UUID | BindParameter[UUID] | None = None

    @classmethod
    def of(cls, actor: Actor) -> "Visibility":
        """Return what `actor` may see."""
        return cls(actor.workspace_id, actor.conversation_id if actor.is_customer else None)

    @classmethod
    def template(cls, *, customer: bool) -> "Visibility":
        """Return the visibility of all callers of a kind; `bind_values` gives its parameters."""
        conversation_id = bindparam("own_conversation", type_=Uuid) if customer else None
        return cls(bindparam("own_workspace", type_=Uuid), conversation_id)

    @property
    def is_customer(self) -> bool:
        """True if only one conversation is visible."""
        return self.conversation_id is not None


def bind_values(actor: Actor) -> dict[str, UUID | None]:
    """Return the values for the parameters of `Visibility.template`."""
    values: dict[str, UUID | None] = {"own_workspace": actor.workspace_id}
    return values | ({"own_conversation": actor.conversation_id} if actor.is_customer else {})


def visible_conversations(seen: Visibility) -> Select[Conversation]:
    """Select the workspace's conversations, for a customer its own."""
    rows = select(Conversation).where(Conversation.workspace_id == seen.workspace_id)
    return rows.where(Conversation.id == seen.conversation_id) if seen.is_customer else rows


def visible_messages(seen: Visibility) -> Select[Message]:
    """Select the messages of visible conversations, for a customer only delivered ones."""
    rows = (
        select(Message)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Conversation.workspace_id == seen.workspace_id)
    )
    if seen.is_customer:
        return rows.where(
            Message.conversation_id == seen.conversation_id, Message.status == MessageStatus.DELIVERED
        )
    return rows


def visible_escalations(seen: Visibility) -> Select[Escalation]:
    """Select the workspace's escalations, for a customer those of its conversation."""
    rows = select(Escalation).where(Escalation.workspace_id == seen.workspace_id)
    return rows.where(Escalation.conversation_id == seen.conversation_id) if seen.is_customer else rows


def visible_agents(seen: Visibility) -> Select[Agent]:
    """Select the workspace's AI agents, for a customer the one of its conversation."""
    rows = select(Agent).where(Agent.workspace_id == seen.workspace_id)
    if seen.is_customer:
        own = select(Conversation.agent_id).where(Conversation.id == seen.conversation_id)
        return rows.where(Agent.id.in_(own))
    return rows


def visible_members(seen: Visibility) -> Select[Member]:
    """Select the workspace's members, removed authors included. Customers see no members."""
    rows = select(Member).where(Member.workspace_id == seen.workspace_id)
    return rows.where(false()) if seen.is_customer else rows


def visible_api_keys(seen: Visibility) -> Select[ApiKey]:
    """Select the workspace's API keys. Customers see no keys."""
    rows = select(ApiKey).where(ApiKey.workspace_id == seen.workspace_id)
    return rows.where(false()) if seen.is_customer else rows


def visible_webhook_endpoints(seen: Visibility) -> Select[WebhookEndpoint]:
    """Select the workspace's webhook endpoints that are not deleted. Customers see no endpoints."""
    rows = select(WebhookEndpoint).where(
        WebhookEndpoint.workspace_id == seen.workspace_id, WebhookEndpoint.deleted_at.is_(None)
    )
    return rows.where(false()) if seen.is_customer else rows


def visible_deliveries(seen: Visibility) -> Select[Delivery]:
    """Select the workspace's deliveries. Customers see no deliveries."""
    rows = select(Delivery).where(Delivery.workspace_id == seen.workspace_id)
    return rows.where(false()) if seen.is_customer else rows


def visible_saved_replies(seen: Visibility) -> Select[SavedReply]:
    """Select the workspace's saved replies. Customers see no saved replies."""
    rows = select(SavedReply).where(SavedReply.workspace_id == seen.workspace_id)
    return rows.where(false()) if seen.is_customer else rows


def visible_workspaces(seen: Visibility) -> Select[Workspace]:
    """Select the caller's own workspace."""
    return select(Workspace).where(Workspace.id == seen.workspace_id)


@dataclass(frozen=True, eq=False)
class VisibleRow(Generic[T]):
    """A kind of row that is looked up by its id, with its name for messages."""

    name: str
    select: Callable[[Visibility], Select[T]]
    id: Any

    def by_id(self, actor: Actor, row_id: UUID) -> Select[T]:
        """Select the row if the caller may see it."""
        return self.select(Visibility.of(actor)).where(self.id == row_id)

    async def find(self, database: Database, actor: Actor, row_id: UUID) -> T | None:
        """Return the row if the caller may see it, otherwise None."""
        async with database.autocommit_session() as session:
            row: T | None = await session.scalar(self.by_id(actor, row_id))
            return row

    async def require(self, database: Database, actor: Actor, row_id: UUID) -> T:
        """Return the row; raises NotFoundError unless the caller may see it."""
        return self.known(await self.find(database, actor, row_id))

    async def lock(self, tx: Transaction, actor: Actor, row_id: UUID) -> T:
        """Return the row, locked; raises NotFoundError unless the caller may see it.

        Rows that refer to it can still be inserted.
        """
        row = await tx.session.scalar(self.by_id(actor, row_id).with_for_update(key_share=True))
        return self.known(row)

    def known(self, value: R | None) -> R:
        """Return the row, or a value from it; raises NotFoundError for None."""
        if value is None:
            raise NotFoundError(self.name)
        return value

    async def sees(self, database: Database, actor: Actor, row_id: UUID) -> bool:
        """Return whether the row exists for the caller, without reading it."""
        statement = _existence(self, actor.is_customer)
        return bool(await statement.rows(database, **bind_values(actor), row_id=row_id))

    async def require_visible(self, database: Database, actor: Actor, row_id: UUID) -> None:
        """Raise NotFoundError unless the caller may see the row."""
        if not await self.sees(database, actor, row_id):
            raise NotFoundError(self.name)


@cache
def _existence(row: VisibleRow[Any], customer: bool) -> CompiledSelect[UUID]:
    rows = row.select(Visibility.template(customer=customer))
    return CompiledSelect(rows.where(row.id == bindparam("row_id")).with_only_columns(row.id))


CONVERSATION = VisibleRow("conversation", visible_conversations, Conversation.id)
MESSAGE = VisibleRow("message", visible_messages, Message.id)
ESCALATION = VisibleRow("escalation", visible_escalations, Escalation.id)
AGENT = VisibleRow("AI agent", visible_agents, Agent.id)
MEMBER = VisibleRow("team member", visible_members, Member.id)
API_KEY = VisibleRow("API key", visible_api_keys, ApiKey.id)
WEBHOOK_ENDPOINT = VisibleRow("webhook endpoint", visible_webhook_endpoints, WebhookEndpoint.id)
DELIVERY = VisibleRow("delivery", visible_deliveries, Delivery.id)
SAVED_REPLY = VisibleRow("saved reply", visible_saved_replies, SavedReply.id)
WORKSPACE = VisibleRow("workspace", visible_workspaces, Workspace.id)
