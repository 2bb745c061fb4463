"""Conversations, who has control in them, and their escalations."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from operator import attrgetter
from types import NoneType
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.await_maybe import AwaitableOrValue

from models.conversation import Conversation as ConversationRow
from resolvers.actor import ActorKind
from resolvers.conversation_queries import ConversationFilter as Filter
from resolvers.conversation_queries import (
    ConversationPage,
    conversation_by_id,
    count_conversations,
)
from resolvers.errors import ForbiddenError
from resolvers.loaders import (
    CURSOR,
    SETTINGS,
    ConversationState,
    active_escalations,
    conversations_by_id,
    pending_by_id,
    viewers_of,
)
from resolvers.related_pages import escalations_of, messages_of
from rules import typeid
from rules.ai_control import AiPauseCause, AiState
from rules.button import button_visible
from rules.typeid import format_id
from schema.agent.types import Agent
from schema.context import GraphQLContext, Info, forbidden_to_customers, parse_global_id, sync_or_async_field
from schema.conversation.message import MessageConnection
from schema.nodes import Node, connection_of, load_node, load_nodes, load_optional_node, node
from schema.pagination import Connection
from schema.row_fields import needs, row_field, row_type
from schema.team.member import TeamMember

if TYPE_CHECKING:
    from models.pending_escalation import PendingEscalation as PendingRow
    from resolvers.escalation_queries import EscalationPage
    from schema.escalation.connection import EscalationConnection
    from schema.escalation.types import Escalation


@strawberry.type
class Customer:
    """The customer, as the integrator described them."""

    external_id: str | None
    """The integrator's own id for the customer."""
    email: str | None
    """Email address."""
    name: str | None
    """Name."""
    verified: bool
    """True if an API key, the team or a signed identity named the customer; false for words of a page."""

    @classmethod
    def of(cls, row: ConversationRow) -> "Customer":
        """Build the customer of a conversation."""
        return cls(
            external_id=row.customer_external_id,
            email=row.customer_email,
            name=row.customer_name,
            verified=row.customer_verified,
        )


@strawberry.type
class ReadPositions:
    """Progress of each side in reading, as message positions; 0 before anything was read."""

    customer: int
    """Furthest position that the customer has read."""
    team: int
    """Furthest position that any team member has read."""

    @classmethod
    def of(cls, row: ConversationRow) -> "ReadPositions":
        """Build the positions from the row of a conversation."""
        return cls(customer=row.customer_read_position, team=row.team_read_position)


@strawberry.type
class AiControl:
    """Control of a conversation, by the AI or by people."""

    state: AiState
    """ACTIVE if the AI may answer."""
    epoch: int
    """Number that grows by one whenever control passes between the AI and people."""
    paused_at: datetime | None
    """Time of the pause; null while the AI is active."""
    paused_by: AiPauseCause | None
    """Cause of the pause; null while the AI is active."""

    @classmethod
    def of(cls, row: ConversationRow) -> "AiControl":
        """Build the state from the row of a conversation."""
        return cls(
            state=row.ai_state,
            epoch=row.ai_epoch,
            paused_at=row.ai_paused_at,
            paused_by=row.ai_pause_cause,
        )


@strawberry.type
class WidgetButton:
    """The “talk to a human” button."""

    visible: bool
    """True if the widget must show the button now."""
    text: str
    """Text of the button."""

    @classmethod
    def of(cls, state: ConversationState) -> "WidgetButton":
        """Build the button of a conversation."""
        assert state.settings is not None
        row, widget = state.row, state.settings.widget
        visible = button_visible(
            widget.button_visibility,
            widget.button_after_messages,
            row.customer_messages,
            row.uncertain_replies,
        )
        return cls(visible=visible, text=widget.texts_for(row.language).button_text)


def _button(self: "Conversation") -> WidgetButton:
    return WidgetButton.of(self.state)


@strawberry.type
class PendingEscalation:
    """A low-confidence escalation that waits for the customer to clarify."""

    confidence: float
    """The AI's confidence in its reply, in percent. Not for customers."""
    requested_at: datetime
    """Time of the uncertain reply."""
    fires_at: datetime
    """Time at which it escalates."""

    @classmethod
    def load(cls, info: Info, key: UUID | None) -> AwaitableOrValue["PendingEscalation | None"]:
        """Return the pending escalation of that id, if any. Customers do not see its confidence."""
        for_customer = info.context.actor.is_customer

        def build(row: "PendingRow | None") -> PendingEscalation | None:
            if row is None:
                return None
            confidence = forbidden_to_customers() if for_customer else row.confidence
            return cls(confidence=confidence, requested_at=row.requested_at, fires_at=row.fires_at)

        return None if key is None else info.context.look_up(pending_by_id, key, build)


@node(typeid.CONVERSATION, "conversation", conversation_by_id, conversations_by_id)
@row_type(ConversationRow)
@strawberry.type
class Conversation(Node):
    """A customer's conversation with an AI agent."""

    row: strawberry.Private[ConversationRow]
    state: strawberry.Private[ConversationState]
    for_team: strawberry.Private[bool]
    id: strawberry.ID = row_field(lambda self: format_id(typeid.CONVERSATION, self.row.id))
    customer: Customer = row_field(
        lambda self: Customer.of(self.row), "customer_email", "customer_name", "customer_verified"
    )
    """The customer."""
    ai: AiControl = row_field(
        lambda self: AiControl.of(self.row), "ai_state", "ai_epoch", "ai_paused_at", "ai_pause_cause"
    )
    """State of the AI in this conversation."""
    button: WidgetButton = strawberry.field(
        resolver=_button,
        description="The “talk to a human” button, as it must look now.",
        metadata=needs(SETTINGS, "customer_messages", "uncertain_replies", "language"),
    )
    metadata: JSON | None = row_field(attrgetter("row.details"), "details", hidden=NoneType)
    """Data of the integrator's own, as it was given. Null for customers."""
    language: str | None = row_field()
    """BCP 47 tag of the customer's language, if known. It chooses the texts that the customer sees."""
    read_positions: ReadPositions = row_field(
        lambda self: ReadPositions.of(self.row), "customer_read_position", "team_read_position"
    )
    """Progress of each side in reading."""
    created_at: datetime = row_field()
    """Time of its start."""
    last_message_at: datetime | None = row_field()
    """Time of the last message; null before the first."""
    cursor: str = row_field(attrgetter("state.cursor"), CURSOR)
    """Head of the conversation's log, read before the other fields. Subscribe with it as `after`."""

    @classmethod
    def of(cls, state: ConversationState, call: GraphQLContext) -> "Conversation":
        """Build a conversation. Customers do not see its metadata."""
        return cls(row=state.row, state=state, for_team=call.for_team)

    @sync_or_async_field(Agent, needs())
    def agent(self, info: Info) -> AwaitableOrValue[Agent]:
        """AI agent that the customer talks to."""
        return load_node(info, typeid.AGENT, self.row.agent_id)

    @sync_or_async_field(MessageConnection, needs())
    def messages(
        self,
        info: Info,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> AwaitableOrValue[MessageConnection]:
        """Messages, in order."""
        call, key = info.context, self.row.id
        request = first, after, last, before
        return call.look_up_page(
            messages_of, key, request, lambda page: MessageConnection.of(key, page, call)
        )

    @sync_or_async_field(list[TeamMember], needs())
    def viewers(self, info: Info) -> AwaitableOrValue[list[TeamMember]]:
        """Team members who have it open now, at most 20, for 30 s after setViewing. Only for team members."""
        if not self.for_team:
            return []
        if info.context.actor.kind is not ActorKind.TEAM_MEMBER:
            raise ForbiddenError("This field is for signed-in team members.")
        call = info.context
        return call.look_up(
            viewers_of, self.row.id, lambda rows: [TeamMember.of(row, call) for row in rows or ()]
        )

    @sync_or_async_field(PendingEscalation | None, needs())
    def pending_escalation(self, info: Info) -> AwaitableOrValue[PendingEscalation | None]:
        """A low-confidence escalation that waits for the customer to clarify."""
        return PendingEscalation.load(info, self.row.pending_escalation_id)

    @sync_or_async_field(Annotated["Escalation", strawberry.lazy("schema.escalation.types")] | None, needs())
    def active_escalation(self, info: Info) -> AwaitableOrValue["Escalation | None"]:
        """Escalation that is open or in progress, if any."""
        return load_optional_node(info, typeid.ESCALATION, self.row.id, active_escalations)

    @sync_or_async_field(
        Annotated["EscalationConnection", strawberry.lazy("schema.escalation.connection")], needs()
    )
    def escalations(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> AwaitableOrValue["EscalationConnection"]:
        """Its escalations, newest first."""
        build: Callable[[EscalationPage], EscalationConnection] = partial(
            connection_of(typeid.ESCALATION).of, info=info, of_what=self.row.id
        )
        return info.context.look_up_page(escalations_of, self.row.id, (first, after), build)


@row_type(ConversationPage)
@strawberry.type
class ConversationConnection(Connection[Conversation]):
    """A page of conversations."""

    wanted: strawberry.Private[Filter]
    head: strawberry.Private[str | None]
    cursor: str = row_field(attrgetter("head"), CURSOR)
    """Head of the workspace's log, taken before the rows were read. Subscribe with it as `after`."""

    @sync_or_async_field(int, needs())
    async def total_count(self, info: Info) -> int:
        """Number of items on all pages. Of a search, at most 1,000 are counted."""
        return await count_conversations(info.context, self.wanted)

    @classmethod
    async def of(cls, listed: ConversationPage, info: Info, wanted: Filter) -> "ConversationConnection":
        """Build a page from the ids of its conversations."""
        nodes = await load_nodes(info, typeid.CONVERSATION, listed.page.rows)
        return cls.build(listed.page, nodes, wanted=wanted, head=listed.cursor)


@strawberry.input
class ConversationFilter:
    """Which conversations are listed; what is left out does not choose."""

    agent_id: strawberry.ID | None = None
    """Conversations of this AI agent."""
    ai_state: AiState | None = None
    """Conversations in which the AI has this state."""
    escalated: bool | None = None
    """Conversations with (true) or without (false) an escalation, active or resolved."""
    customer_email: str | None = None
    """Conversations of the customer with this email address. Requires CONVERSATIONS_READ."""
    customer_external_id: str | None = None
    """Conversations of the customer with this id of the integrator's own, compared exactly.

    Requires CONVERSATIONS_READ.
    """
    awaiting_ai: bool | None = None
    """Conversations in which the AI may answer and the customer's last words have no answer."""
    search: str | None = None
    """Beginnings of words in the messages, or the customer's name, email address or own id; or an id.

    Each word must be in the conversation, in any case. Words of Chinese, Japanese, Thai and other scripts
    without spaces are found anywhere in a sentence. Requires CONVERSATIONS_READ.
    """

    def read(self, info: Info) -> Filter:
        """Return the filter with UUIDs in place of TypeIDs; raise BadInputError."""
        agent_id = None
        if self.agent_id is not None:
            agent_id = parse_global_id(info, typeid.AGENT, self.agent_id, "filter.agent_id")
        return Filter(
            agent_id=agent_id,
            ai_state=self.ai_state,
            escalated=self.escalated,
            customer_email=self.customer_email,
            customer_external_id=self.customer_external_id,
            awaiting_ai=self.awaiting_ai,
            search=self.search,
        )
