"""Saved replies."""

from datetime import datetime

import strawberry

from models.saved_reply import SavedReply as SavedReplyRow
from resolvers import saved_reply
from resolvers.saved_reply import SavedReplyInput as NewSavedReply
from rules.typeid import SAVED_REPLY, format_id
from schema.context import GraphQLContext, Info, parse_global_id
from schema.mutation import mutation
from schema.nodes import Node, node


@node(SAVED_REPLY, "saved reply", saved_reply.saved_reply_by_id)
@strawberry.type
class SavedReply(Node):
    """A reply that the team keeps for reuse.

    Placeholders in its content: {customer}, {member}, {agent}.
    """

    shortcut: str
    """Text to type after “/” in the reply box. It is unique in the workspace, in any case."""
    title: str
    """Title, for lists."""
    content: str
    """Text of the reply."""
    updated_at: datetime
    """Time of the last change."""

    @classmethod
    def of(cls, row: SavedReplyRow, _: GraphQLContext) -> "SavedReply":
        """Build the type from a row."""
        return cls(
            id=strawberry.ID(format_id(SAVED_REPLY, row.id)),
            shortcut=row.shortcut,
            title=row.title,
            content=row.content,
            updated_at=row.updated_at,
        )


@strawberry.input
class SavedReplyInput:
    """The content of a saved reply."""

    shortcut: str
    """Text to type after “/”: up to 40 characters without white space, unique in any case."""
    title: str
    """Title, up to 200 characters."""
    content: str
    """Text of the reply, up to 5,000 characters."""

    def read(self) -> NewSavedReply:
        """Return the input of the resolver."""
        return NewSavedReply(self.shortcut, self.title, self.content)


@strawberry.type
class SavedReplyQuery:
    """Queries of saved replies."""

    @strawberry.field
    async def saved_replies(self, info: Info, search: str | None = None) -> list[SavedReply]:
        """The team's saved replies by shortcut; with `search`, those that hold all of its words."""
        return [
            SavedReply.of(row, info.context) for row in await saved_reply.saved_replies(info.context, search)
        ]


@strawberry.type
class SavedReplyMutation:
    """Mutations of saved replies."""

    @mutation
    async def create_saved_reply(
        self,
        info: Info,
        input: SavedReplyInput,  # noqa: A002 - the name in the API
    ) -> SavedReply | None:
        """Add a saved reply. CONFLICT if the shortcut is in use, or if the team has 500."""
        row = await saved_reply.create_saved_reply(info.context, input.read())
        return SavedReply.of(row, info.context)

    @mutation
    async def update_saved_reply(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002 - the name in the API
        input: SavedReplyInput,  # noqa: A002 - the name in the API
    ) -> SavedReply | None:
        """Replace a saved reply. CONFLICT if the shortcut is in use."""
        key = parse_global_id(info, SAVED_REPLY, id, "id")
        row = await saved_reply.update_saved_reply(info.context, key, input.read())
        return SavedReply.of(row, info.context)

    @mutation
    async def delete_saved_reply(self, info: Info, id: strawberry.ID) -> bool | None:  # noqa: A002 - the name in the API
        """Delete a saved reply."""
        await saved_reply.delete_saved_reply(info.context, parse_global_id(info, SAVED_REPLY, id, "id"))
        return True
