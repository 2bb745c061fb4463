"""Mutations of conversations and their messages."""

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.await_maybe import await_maybe

from models.escalation import Escalation as EscalationRow
from resolvers import ai_control, conversation, message
from resolvers.customer import Customer as NewCustomer
from resolvers.message import NewMessage
from rules.typeid import AGENT, CONVERSATION, MESSAGE
from schema.context import Info, parse_global_id
from schema.conversation.message import Message, RecordMessageInput
from schema.conversation.types import (
    AiControl,
    Conversation,
    PendingEscalation,
    active_escalation,
    the_conversation,
)
from schema.escalation.types import Escalation
from schema.mutation import mutation
from schema.scalars import as_object


@strawberry.input
class CustomerInput:
    """The customer."""

    external_id: str | None = None
    """The integrator's own id for the customer."""
    email: str | None = None
    """Email address."""
    name: str | None = None
    """Name."""


@strawberry.input
class StartConversationInput:
    """A new conversation."""

    agent_id: strawberry.ID
    """AI agent that the customer talks to."""
    customer: CustomerInput | None = None
    """The customer, if known."""
    metadata: JSON | None = None
    """JSON object of the integrator's own."""
    language: str | None = None
    """BCP 47 tag of the customer's language, such as de or pt-BR."""
    idempotency_key: str | None = None
    """Key of the request, for 24 hours. The same key and input return the first result again."""


@strawberry.type
class StartConversationPayload:
    """The conversation, and a token that opens it to a widget."""

    conversation: Conversation
    """The new conversation."""
    widget_token: str
    """Token that opens this one conversation to a widget."""
    widget_token_expires_at: datetime
    """End of the token."""


@strawberry.type
class RecordMessagePayload:
    """The message, and who may speak after it."""

    conversation_key: strawberry.Private[UUID]
    raised: strawberry.Private[EscalationRow | None]
    pending_key: strawberry.Private[UUID | None]
    message: Message
    """The message."""
    ai: AiControl
    """State of the AI after the message, with the epoch to answer with."""

    @strawberry.field
    async def escalation(self, info: Info) -> Escalation | None:
        """The escalation that is active after this message."""
        if self.raised:
            return Escalation.of(self.raised, info.context)
        return await await_maybe(active_escalation(info, self.conversation_key))

    @strawberry.field
    async def pending_escalation(self, info: Info) -> PendingEscalation | None:
        """The low-confidence escalation that waits after this message."""
        return await PendingEscalation.load(info, self.pending_key)


@strawberry.type
class AiControlPayload:
    """The conversation after the change."""

    conversation: Conversation
    """The conversation after the change."""


@strawberry.type
class ConversationMutation:
    """Mutations of conversations, their messages and the AI's control."""

    @mutation
    async def start_conversation(
        self,
        info: Info,
        input: StartConversationInput,  # noqa: A002
    ) -> StartConversationPayload | None:
        """Start a conversation."""
        who = input.customer or CustomerInput()
        started = await conversation.start_conversation(
            info.context,
            parse_global_id(info, AGENT, input.agent_id, "agent_id"),
            NewCustomer(who.external_id, who.email, who.name),
            as_object(input.metadata, "metadata"),
            input.idempotency_key,
            input.language,
        )
        return StartConversationPayload(
            conversation=await await_maybe(the_conversation(info, started.conversation_id)),
            widget_token=started.widget_token,
            widget_token_expires_at=started.expires_at,
        )

    @mutation
    async def record_message(
        self,
        info: Info,
        input: RecordMessageInput,  # noqa: A002
    ) -> RecordMessagePayload | None:
        """Record a message of the customer or the AI."""
        new = NewMessage(
            role=input.role,
            content=input.content,
            confidence=input.confidence,
            intents=tuple(input.intents or ()),
            epoch=input.epoch,
            metadata=as_object(input.metadata, "metadata"),
        )
        key = parse_global_id(info, CONVERSATION, input.conversation_id, "conversation_id")
        recorded = await message.record_message(info.context, key, new, input.idempotency_key)
        return RecordMessagePayload(
            conversation_key=key,
            raised=recorded.escalation,
            message=Message.of(recorded.message, info.context),
            ai=AiControl.of(recorded.conversation),
            pending_key=recorded.conversation.pending_escalation_id,
        )

    @mutation
    async def refresh_widget_token(self, info: Info, conversation_id: strawberry.ID) -> str | None:
        """Make a new token for a widget whose token ends."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        return await conversation.refresh_widget_token(info.context, key)

    @mutation
    async def set_typing(self, info: Info, conversation_id: strawberry.ID, typing: bool) -> bool | None:
        """Show the others in the conversation that the caller is typing. Nothing is stored."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        await conversation.set_typing(info.context, key, typing)
        return True

    @mutation
    async def discard_held_reply(self, info: Info, message_id: strawberry.ID) -> Message | None:
        """Discard a held AI reply."""
        key = parse_global_id(info, MESSAGE, message_id, "message_id")
        return Message.of(await message.discard_held_reply(info.context, key), info.context)

    @mutation
    async def pause_ai(self, info: Info, conversation_id: strawberry.ID) -> AiControlPayload | None:
        """Pause the AI in a conversation."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        await ai_control.pause_ai(info.context, key)
        return AiControlPayload(conversation=await await_maybe(the_conversation(info, key)))

    @mutation
    async def resume_ai(self, info: Info, conversation_id: strawberry.ID) -> AiControlPayload | None:
        """Resume the AI in a conversation."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        await ai_control.resume_ai(info.context, key)
        return AiControlPayload(conversation=await await_maybe(the_conversation(info, key)))
