"""Read positions: how far the customer and the team have read a conversation."""

from uuid import UUID

from resolvers.context import Context
from resolvers.customer import log_change
from resolvers.errors import BadInputError
from resolvers.locks import lock_conversation
from resolvers.permissions import permitted
from resolvers.visibility import CONVERSATION


@permitted("markRead", CONVERSATION)
async def mark_read(context: Context, conversation_id: UUID, position: int) -> None:
    """Store that the caller's side has read up to a position; it never goes back."""
    if position < 0:
        raise BadInputError("position", "is negative")
    async with context.services.transactions.begin() as tx:
        conversation = (await lock_conversation(tx, context.actor, conversation_id)).conversation
        if position > conversation.messages:
            raise BadInputError("position", "is after the last message")
        if context.actor.is_customer:
            advances = position > conversation.customer_read_position
            conversation.customer_read_position = max(position, conversation.customer_read_position)
        else:
            advances = position > conversation.team_read_position
            conversation.team_read_position = max(position, conversation.team_read_position)
        if advances:
            log_change(tx, conversation, "read")
