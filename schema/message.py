"""Messages."""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.await_maybe import AwaitableOrValue

from models.message import Message as MessageRow
from resolvers.conversation import count_messages
from resolvers.pagination import Page
from rules.message import MessageKind, MessageRole, MessageStatus
from rules.typeid import CONVERSATION, MESSAGE, format_id
from schema.basics import Node, PageInfo
from schema.context import GraphQLContext, Info, sync_or_async_field
from schema.people import TeamMember, member


@strawberry.type
class Message(Node):
    """What was said."""

    author_key: strawberry.Private[UUID | None]
    conversation_id: strawberry.ID
    position: int
    role: MessageRole
    status: MessageStatus
    content: str
    kind: MessageKind | None
    confidence: float | None
    intents: list[str]
    metadata: JSON | None
    created_at: datetime

    @classmethod
    def of(cls, row: MessageRow, call: GraphQLContext) -> "Message":
        """Dresses a row; customers see neither confidence, nor intents, nor metadata."""
        shown: dict[str, Any] = {"confidence": None, "intents": [], "metadata": None}
        if not call.actor.is_customer:
            shown = {"confidence": row.confidence, "intents": row.intents, "metadata": row.details}
        return cls(
            id=strawberry.ID(format_id(MESSAGE, row.id)),
            author_key=row.author_id,
            conversation_id=strawberry.ID(format_id(CONVERSATION, row.conversation_id)),
            position=row.position,
            role=row.role,
            status=row.status,
            content=row.content,
            kind=row.kind,
            created_at=row.created_at,
            **shown,
        )

    @sync_or_async_field(TeamMember | None)
    def author(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """The team member who wrote it."""
        return member(info, self.author_key)


@strawberry.type
class MessageEdge:
    """A message in its list."""

    cursor: str
    node: Message


@strawberry.type
class MessageConnection:
    """A page of messages."""

    conversation_key: strawberry.Private[UUID]
    edges: list[MessageEdge]
    nodes: list[Message]
    page_info: PageInfo

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        """How many there are in all."""
        return await count_messages(info.context, self.conversation_key)

    @classmethod
    def of(cls, key: UUID, page: Page[MessageRow], call: GraphQLContext) -> "MessageConnection":
        """Dresses a page."""
        nodes = [Message.of(row, call) for row in page.rows]
        edges = [MessageEdge(cursor=at, node=node) for at, node in zip(page.cursors, nodes, strict=True)]
        return cls(conversation_key=key, edges=edges, nodes=nodes, page_info=PageInfo.of(page))


@strawberry.input
class RecordMessageInput:
    """What the customer or the AI said."""

    conversation_id: strawberry.ID
    role: MessageRole
    content: str
    confidence: float | None = None
    intents: list[str] | None = None
    epoch: int | None = None
    metadata: JSON | None = None
    idempotency_key: str | None = None
