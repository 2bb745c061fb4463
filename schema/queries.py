"""Root fields of queries, except those of analytics."""

from typing import TypeVar

import strawberry
from strawberry.utils.await_maybe import AwaitableOrValue

from resolvers import agent as agents
from resolvers import api_key as api_keys
from resolvers import conversation_queries as conversations
from resolvers import delivery as deliveries
from resolvers import escalation_queries as escalations
from resolvers import member as members
from resolvers import member_sessions
from resolvers.caller import viewer_api_key
from resolvers.conversation_queries import ConversationOrder
from resolvers.escalation_queries import EscalationOrder
from resolvers.pagination import PageRequest
from rules.delivery import DeliveryChannel, DeliveryStatus
from rules.roles import Scope, ViewerKind
from rules.typeid import AGENT, CONVERSATION, ESCALATION, MEMBER, WORKSPACE
from schema.agent.settings import EscalationSettings
from schema.agent.types import Agent
from schema.context import Info, parse_global_id, sync_or_async_field
from schema.conversation.types import (
    Conversation,
    ConversationConnection,
    ConversationFilter,
)
from schema.escalation.connection import EscalationConnection
from schema.escalation.types import Escalation, EscalationFilter
from schema.nodes import Node, load_node, load_optional_node, query_any_node, query_node
from schema.notifications.delivery import DeliveryConnection
from schema.team.api_key import ApiKey
from schema.team.member import TeamMember
from schema.team.session import MemberSession
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

    @sync_or_async_field(Workspace)
    def workspace(self, info: Info) -> AwaitableOrValue[Workspace]:
        """The workspace that it belongs to."""
        return load_node(info, WORKSPACE, info.context.actor.workspace_id)

    @strawberry.field
    async def cursor(self, info: Info) -> str | None:
        """The head of the workspace's log: subscribe with it as `after`. Null for customers."""
        return None if info.context.actor.is_customer else await escalations.workspace_cursor(info.context)

    @sync_or_async_field(TeamMember | None)
    def member(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """The team member who is signed in."""
        return load_optional_node(info, MEMBER, info.context.actor.member_id)

    @sync_or_async_field(Conversation | None)
    def conversation(self, info: Info) -> AwaitableOrValue[Conversation | None]:
        """The conversation that a widget token opens."""
        return load_optional_node(info, CONVERSATION, info.context.actor.conversation_id)


@strawberry.type
class Query:
    """Queries."""

    @strawberry.field
    async def viewer(self, info: Info) -> Viewer:
        """Identity and rights of the caller."""
        row, actor = await viewer_api_key(info.context), info.context.actor
        api_key = ApiKey.of(row, info.context) if row else None
        return Viewer(kind=actor.viewer_kind, scopes=sorted(actor.scopes), api_key=api_key)

    @strawberry.field
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002 - the name in the API
        """Object of this id, if the caller may see it."""
        result: Node | None = await query_any_node(info, id)
        return result

    @strawberry.field
    async def agent(self, info: Info, id: strawberry.ID) -> Agent | None:  # noqa: A002 - the name in the API
        """An AI agent."""
        result: Agent | None = await query_node(info, AGENT, id)
        return result

    @strawberry.field
    async def agents(self, info: Info) -> list[Agent]:
        """The workspace's AI agents, by name."""
        return [Agent.of(row, info.context) for row in await agents.agents(info.context)]

    @strawberry.field
    async def members(self, info: Info) -> list[TeamMember]:
        """The team, by name."""
        return [TeamMember.of(row, info.context) for row in await members.members(info.context)]

    @strawberry.field
    async def api_keys(self, info: Info) -> list[ApiKey]:
        """The API keys, newest first."""
        return [ApiKey.of(row, info.context) for row in await api_keys.api_keys(info.context)]

    @strawberry.field
    async def sessions(self, info: Info, member_id: strawberry.ID | None = None) -> list[MemberSession]:
        """Valid sessions of a team member, the last used first, at most 100.

        For signed-in team members. Those of another member need the scope ADMIN.
        """
        key = None if member_id is None else parse_global_id(info, MEMBER, member_id, "member_id")
        rows = await member_sessions.sessions(info.context, key)
        return [MemberSession.of(row, info.context) for row in rows]

    @strawberry.field
    async def conversation(self, info: Info, id: strawberry.ID) -> Conversation | None:  # noqa: A002 - the name in the API
        """A conversation."""
        result: Conversation | None = await query_node(info, CONVERSATION, id)
        return result

    @strawberry.field
    async def conversations(
        self,
        info: Info,
        filter: ConversationFilter | None = None,  # noqa: A002 - the name in the API
        order_by: ConversationOrder = ConversationOrder.CREATED_DESC,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> ConversationConnection:
        """Conversations of the workspace."""
        info.context.require_signed_in()
        chosen = (filter or ConversationFilter()).read(info)
        context = info.context
        awaiting = conversations.conversations_awaiting_ai
        read = awaiting if chosen.awaiting_ai else conversations.conversations
        page = await read(context, chosen, order_by, PageRequest(first, after, last, before))
        return await ConversationConnection.of(page, info, chosen)

    @strawberry.field
    async def escalation(self, info: Info, id: strawberry.ID) -> Escalation | None:  # noqa: A002 - the name in the API
        """An escalation."""
        result: Escalation | None = await query_node(info, ESCALATION, id)
        return result

    @strawberry.field
    async def escalations(
        self,
        info: Info,
        filter: EscalationFilter | None = None,  # noqa: A002 - the name in the API
        order_by: EscalationOrder = EscalationOrder.CREATED_DESC,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> EscalationConnection:
        """The workspace's escalations."""
        info.context.require_signed_in()
        chosen = (filter or EscalationFilter()).read(info)
        request = PageRequest(first, after, last, before)
        result = await escalations.escalations(info.context, chosen, order_by, request)
        return EscalationConnection.of(result, info, chosen)

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
        page = await deliveries.deliveries(info.context, chosen, PageRequest(first, after))
        return DeliveryConnection.of(page, info)
