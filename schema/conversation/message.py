"""Messages."""

from datetime import datetime
from operator import attrgetter
from types import NoneType
from uuid import UUID

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.await_maybe import AwaitableOrValue

from models.message import Message as MessageRow
from resolvers.loaders import messages_by_id
from resolvers.message import message_by_id
from resolvers.pagination import Page
from resolvers.related_pages import message_counts_of
from rules import typeid
from rules.message import MessageKind, MessageRole, MessageStatus
from rules.typeid import format_id
from schema.context import GraphQLContext, Info, sync_or_async_field
from schema.nodes import Node, load_optional_node, node
from schema.pagination import Connection
from schema.row_fields import needs, row_field, row_type
from schema.team.member import TeamMember
from schema.team.recorder import Recorder


@node(typeid.MESSAGE, "message", message_by_id, messages_by_id)
@row_type(MessageRow)
@strawberry.type
class Message(Node):
    """A message of a conversation."""

    row: strawberry.Private[MessageRow]
    for_team: strawberry.Private[bool]
    id: strawberry.ID = row_field(lambda self: format_id(typeid.MESSAGE, self.row.id))
    conversation_id: strawberry.ID = row_field(
        lambda self: format_id(typeid.CONVERSATION, self.row.conversation_id)
    )
    """The conversation."""
    position: int = row_field()
    """Position in the conversation: 1, 2, 3 …, without gaps."""
    role: MessageRole = row_field()
    """Author's side of the conversation."""
    status: MessageStatus = row_field()
    """DELIVERED if the customer sees it."""
    content: str = row_field()
    """Text, as it was written."""
    kind: MessageKind | None = row_field()
    """Kind of a message whose role is SYSTEM; null for others."""
    confidence: float | None = row_field(hidden=NoneType)
    """The AI's confidence in this reply, in percent. Null for customers."""
    intents: list[str] = row_field(hidden=list)
    """Intents that the AI reported. Empty for customers."""
    metadata: JSON | None = row_field(attrgetter("row.details"), "details", hidden=NoneType)
    """Data of the integrator's own, as it was given. Null for customers."""
    created_at: datetime = row_field()
    """Time at which it was recorded."""

    @classmethod
    def of(cls, row: MessageRow, call: GraphQLContext) -> "Message":
        """Build a message. Customers see neither confidence, nor intents, nor metadata."""
        return cls(row=row, for_team=call.for_team)

    @sync_or_async_field(TeamMember | None, needs())
    def author(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """Team member who wrote it, if the role is HUMAN."""
        return load_optional_node(info, typeid.MEMBER, self.row.author_id)

    @sync_or_async_field(Recorder | None, needs("recorder_kind"))
    def recorded_by(self, info: Info) -> Recorder | None:
        """Caller that recorded it. Null for customers, and if an older version recorded it."""
        return Recorder.of(self.row) if self.for_team else None


@strawberry.type
class MessageConnection(Connection[Message]):
    """A page of messages."""

    conversation_key: strawberry.Private[UUID]

    @sync_or_async_field(int)
    def total_count(self, info: Info) -> AwaitableOrValue[int]:
        """Number of items on all pages."""
        return info.context.look_up(message_counts_of, self.conversation_key, lambda count: count or 0)

    @classmethod
    def of(cls, key: UUID, page: Page[MessageRow], call: GraphQLContext) -> "MessageConnection":
        """Build a page."""
        for_team = call.for_team
        nodes = [Message(row=row, for_team=for_team) for row in page.rows]
        return cls.build(page, nodes, conversation_key=key)


@strawberry.input
class RecordMessageInput:
    """A message of the customer or the AI."""

    conversation_id: strawberry.ID
    """The conversation."""
    role: MessageRole
    """USER or ASSISTANT."""
    content: str
    """Text, at most 20,000 characters."""
    confidence: float | None = None
    """For ASSISTANT: the AI's confidence in percent, 0 to 100. A value between 0 and 1 is refused."""
    probability: float | None = None
    """The confidence as a share, 0 to 1, instead of `confidence`."""
    intents: list[str] | None = None
    """Intents that the AI recognised."""
    epoch: int | None = None
    """For ASSISTANT: the epoch of the turn that it answers. A reply with an old epoch is held.

    A reply without an epoch is held only while the AI is paused.
    """
    metadata: JSON | None = None
    """JSON object of the integrator's own."""
    idempotency_key: str | None = None
    """Key of the request, for 24 hours. The same key and input return the first result again."""
