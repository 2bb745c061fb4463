"""Mutations of pages that show the widget, and of identities."""

import strawberry
from strawberry.utils.await_maybe import await_maybe

from resolvers.customer_identity import identify_customer, rotate_identity_secret
from resolvers.read_positions import mark_read
from resolvers.widget import open_conversation
from rules.typeid import AGENT, CONVERSATION
from schema.context import Info, parse_global_id
from schema.conversation.mutations import StartConversationPayload
from schema.conversation.types import Conversation
from schema.mutation import mutation
from schema.nodes import load_node
from schema.widget.types import IdentitySecretPayload, OpenConversationInput


@strawberry.type
class WidgetMutation:
    """Mutations of the widget."""

    @mutation
    async def open_conversation(
        self,
        info: Info,
        input: OpenConversationInput,  # noqa: A002 - the name in the API
    ) -> StartConversationPayload | None:
        """Start a conversation from a page of an allowed origin. Needs no credential.

        Starts are limited by network address and by origin.
        """
        customer, started = await open_conversation(info.context, input.read(info))
        # The payload shows what the customer who has just come may see.
        info.context.acts_as(customer)
        return StartConversationPayload(
            conversation=await await_maybe(load_node(info, CONVERSATION, started.conversation_id)),
            widget_token=started.widget_token,
            widget_token_expires_at=started.expires_at,
        )

    @mutation
    async def identify_customer(
        self, info: Info, conversation_id: strawberry.ID, identity: str
    ) -> Conversation | None:
        """Prove the identity of the customer of a running conversation.

        CONFLICT if the conversation belongs to another identity.
        """
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        await identify_customer(info.context, key, identity)
        return await await_maybe(load_node(info, CONVERSATION, key))

    @mutation
    async def mark_read(
        self, info: Info, conversation_id: strawberry.ID, position: int
    ) -> Conversation | None:
        """Mark messages up to a position as read by the caller's side. It never goes back."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        await mark_read(info.context, key, position)
        return await await_maybe(load_node(info, CONVERSATION, key))

    @mutation
    async def rotate_identity_secret(
        self, info: Info, agent_id: strawberry.ID
    ) -> IdentitySecretPayload | None:
        """Make a new secret for signing identities. The one before it is valid for 24 more hours."""
        key = parse_global_id(info, AGENT, agent_id, "agent_id")
        return IdentitySecretPayload(secret=await rotate_identity_secret(info.context, key))
