"""The questions."""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import strawberry
from strawberry.utils.await_maybe import await_maybe

from resolvers import agent as agents
from resolvers import api_key as api_keys
from resolvers import conversation as conversations
from resolvers import delivery as deliveries
from resolvers import escalation_queries as escalations
from resolvers import member as members
from resolvers import message as messages
from resolvers.errors import BadInputError, NotFoundError
from resolvers.escalation_queries import EscalationOrder
from resolvers.loaders import workspaces_by_id
from resolvers.saved_reply import saved_reply_by_id
from resolvers.viewer import viewer_api_key, workspace_by_id
from resolvers.webhook_endpoint import webhook_endpoint_by_id
from rules import typeid
from rules.delivery import DeliveryChannel, DeliveryStatus
from rules.roles import Scope, ViewerKind
from rules.typeid import AGENT, CONVERSATION, ESCALATION
from schema.agent.settings import EscalationSettings
from schema.agent.types import Agent
from schema.context import Info, parse_global_id
from schema.conversation.message import Message
from schema.conversation.types import (
    Conversation,
    ConversationConnection,
    ConversationFilter,
    the_conversation,
)
from schema.escalation.connection import EscalationConnection
from schema.escalation.types import Escalation, EscalationFilter
from schema.nodes import Node
from schema.notifications.delivery import Delivery, DeliveryConnection
from schema.notifications.webhook_endpoint import WebhookEndpoint
from schema.pagination import page_request
from schema.team.api_key import ApiKey
from schema.team.member import TeamMember, member
from schema.team.saved_reply import SavedReply
from schema.team.workspace import Workspace

T = TypeVar("T")


@strawberry.type
class Viewer:
    """Identity and rights of the presented credential."""

    kind: ViewerKind
    """Kind of the credential."""
    scopes: list[Scope]
    """Scopes of the credential, in alphabetical order."""
    api_key: ApiKey | None
    """The API key, if one was presented."""

    @strawberry.field
    async def workspace(self, info: Info) -> Workspace:
        """The workspace that it belongs to."""
        result = await _workspace(info, info.context.actor.workspace_id)
        if result is None:
            raise NotFoundError("workspace")
        return result

    @strawberry.field
    async def cursor(self, info: Info) -> str | None:
        """The head of the workspace's log: subscribe with it as `after`. Null for customers."""
        return None if info.context.actor.is_customer else await escalations.workspace_cursor(info.context)

    @strawberry.field
    async def member(self, info: Info) -> TeamMember | None:
        """The team member who is signed in."""
        return await await_maybe(member(info, info.context.actor.member_id))

    @strawberry.field
    async def conversation(self, info: Info) -> Conversation | None:
        """The conversation that a widget token opens."""
        key = info.context.actor.conversation_id
        return await await_maybe(the_conversation(info, key)) if key else None


@strawberry.type
class Query:
    """Queries."""

    @strawberry.field
    async def viewer(self, info: Info) -> Viewer:
        """Identity and rights of the caller."""
        key = await viewer_api_key(info.context)
        actor = info.context.actor
        return Viewer(
            kind=actor.viewer_kind, scopes=sorted(actor.scopes), api_key=ApiKey.of(key) if key else None
        )

    @strawberry.field
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002
        """Object of this id, if the caller may see it."""
        info.context.require_signed_in()
        prefix = typeid.prefix_of(id)
        if prefix not in _NODES:
            raise BadInputError("id", "is not an id: it does not start with a known prefix")
        return await _or_null(_NODES[prefix](info, parse_global_id(info, prefix, id, "id")))

    @strawberry.field
    async def agent(self, info: Info, id: strawberry.ID) -> Agent | None:  # noqa: A002
        """An AI agent."""
        return await _or_null(_agent(info, parse_global_id(info, AGENT, id, "id")))

    @strawberry.field
    async def agents(self, info: Info) -> list[Agent]:
        """The workspace's AI agents, by name."""
        return [Agent.of(row) for row in await agents.agents(info.context)]

    @strawberry.field
    async def members(self, info: Info) -> list[TeamMember]:
        """The team, by name."""
        return [TeamMember.of(row, info.context) for row in await members.members(info.context)]

    @strawberry.field
    async def api_keys(self, info: Info) -> list[ApiKey]:
        """The API keys, newest first."""
        return [ApiKey.of(row) for row in await api_keys.api_keys(info.context)]

    @strawberry.field
    async def conversation(self, info: Info, id: strawberry.ID) -> Conversation | None:  # noqa: A002
        """A conversation."""
        return await _or_null(_conversation(info, parse_global_id(info, CONVERSATION, id, "id")))

    @strawberry.field
    async def conversations(
        self,
        info: Info,
        filter: ConversationFilter | None = None,  # noqa: A002
        first: int | None = None,
        after: str | None = None,
    ) -> ConversationConnection:
        """Conversations, newest first."""
        info.context.require_signed_in()
        chosen = (filter or ConversationFilter()).read(info)
        context = info.context
        awaiting = conversations.conversations_awaiting_ai
        read = awaiting if chosen.awaiting_ai else conversations.conversations
        page = await read(context, chosen, page_request(first, after))
        return await ConversationConnection.of(page, info)

    @strawberry.field
    async def escalation(self, info: Info, id: strawberry.ID) -> Escalation | None:  # noqa: A002
        """An escalation."""
        return await _or_null(_escalation(info, parse_global_id(info, ESCALATION, id, "id")))

    @strawberry.field
    async def escalations(
        self,
        info: Info,
        filter: EscalationFilter | None = None,  # noqa: A002
        order_by: EscalationOrder = EscalationOrder.CREATED_DESC,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> EscalationConnection:
        """The workspace's escalations."""
        info.context.require_signed_in()
        chosen = (filter or EscalationFilter()).read(info)
        request = page_request(first, after, last, before)
        result = await escalations.escalations(info.context, chosen, order_by, request)
        return await EscalationConnection.of(result, info, chosen)

    @strawberry.field
    async def escalation_settings(self, info: Info, agent_id: strawberry.ID) -> EscalationSettings:
        """An AI agent's settings."""
        key = parse_global_id(info, AGENT, agent_id, "agent_id")
        return EscalationSettings.of(await agents.escalation_settings(info.context, key))

    @strawberry.field
    async def deliveries(
        self,
        info: Info,
        escalation_id: strawberry.ID | None = None,
        status: DeliveryStatus | None = None,
        channel: DeliveryChannel | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> DeliveryConnection:
        """Deliveries of notifications, newest first."""
        info.context.require_signed_in()
        key = (
            None
            if escalation_id is None
            else parse_global_id(info, ESCALATION, escalation_id, "escalation_id")
        )
        chosen = deliveries.DeliveryFilter(key, status, channel)
        page = await deliveries.deliveries(info.context, chosen, page_request(first, after))
        return DeliveryConnection.of(page)


async def _or_null(result: Awaitable[T | None]) -> T | None:
    # What the caller may not see is not there for them, whatever their rights.
    try:
        return await result
    except NotFoundError:
        return None


async def _agent(info: Info, key: UUID) -> Agent | None:
    row = await agents.agent_by_id(info.context, key)
    return Agent.of(row) if row else None


async def _delivery(info: Info, key: UUID) -> Delivery | None:
    row = await deliveries.delivery_by_id(info.context, key)
    return Delivery.of(row) if row else None


async def _webhook_endpoint(info: Info, key: UUID) -> WebhookEndpoint | None:
    row = await webhook_endpoint_by_id(info.context, key)
    return WebhookEndpoint.of(row) if row else None


async def _api_key(info: Info, key: UUID) -> ApiKey | None:
    row = await api_keys.api_key_by_id(info.context, key)
    return ApiKey.of(row) if row else None


async def _conversation(info: Info, key: UUID) -> Conversation | None:
    state = await conversations.conversation_by_id(info.context, key)
    return Conversation.of(state, info.context) if state else None


async def _escalation(info: Info, key: UUID) -> Escalation | None:
    row = await escalations.escalation_by_id(info.context, key)
    return Escalation.of(row, info.context) if row else None


async def _member(info: Info, key: UUID) -> TeamMember | None:
    row = await members.member_by_id(info.context, key)
    return TeamMember.of(row, info.context) if row else None


async def _message(info: Info, key: UUID) -> Message | None:
    row = await messages.message_by_id(info.context, key)
    return Message.of(row, info.context) if row else None


async def _saved_reply(info: Info, key: UUID) -> SavedReply | None:
    row = await saved_reply_by_id(info.context, key)
    return SavedReply.of(row) if row else None


async def _workspace(info: Info, key: UUID) -> Workspace | None:
    row = await info.context.load(workspaces_by_id, key)
    return Workspace.of(row) if row else None


async def _workspace_node(info: Info, key: UUID) -> Workspace | None:
    row = await workspace_by_id(info.context, key)
    return Workspace.of(row) if row else None


_NODES: dict[str, Callable[[Info, UUID], Awaitable[Node | None]]] = {
    typeid.AGENT: _agent,
    typeid.API_KEY: _api_key,
    typeid.CONVERSATION: _conversation,
    typeid.DELIVERY: _delivery,
    typeid.ESCALATION: _escalation,
    typeid.MEMBER: _member,
    typeid.MESSAGE: _message,
    typeid.SAVED_REPLY: _saved_reply,
    typeid.WEBHOOK_ENDPOINT: _webhook_endpoint,
    typeid.WORKSPACE: _workspace_node,
}
