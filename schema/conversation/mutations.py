"""Mutations of conversations and their messages."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.await_maybe import AwaitableOrValue, await_maybe

from models.escalation import Escalation as EscalationRow
from resolvers import ai_control, conversation, message, widget_tokens
from resolvers.conversation import ConversationChanges
from resolvers.customer import Customer as NewCustomer
from resolvers.loaders import active_escalations
from resolvers.message import NewMessage
from resolvers.validation import check_object
from resolvers.viewing import set_viewing
from rules.typeid import AGENT, CONVERSATION, ESCALATION, MESSAGE
from schema.changes import changes_of
from schema.context import Info, parse_global_id, sync_or_async_field
from schema.conversation.message import Message, RecordMessageInput
from schema.conversation.types import (
    AiControl,
    Conversation,
    PendingEscalation,
)
from schema.mutation import deprecated_mutation, mutation
from schema.nodes import build_node, load_node, load_optional_node

if TYPE_CHECKING:
    from schema.escalation.types import Escalation


@strawberry.input
class CustomerInput:
    """The customer."""

    external_id: str | None = strawberry.UNSET
    """The integrator's own id for the customer."""
    email: str | None = strawberry.UNSET
    """Email address."""
    name: str | None = strawberry.UNSET
    """Name."""

    def read(self) -> NewCustomer:
        """Return the customer; what was left out is None."""
        return NewCustomer(**changes_of(self))


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
    may_be_escalated: strawberry.Private[bool]
    pending_key: strawberry.Private[UUID | None]
    message: Message
    """The message."""
    ai: AiControl
    """State of the AI after the message, with the epoch to answer with."""

    @sync_or_async_field(Annotated["Escalation", strawberry.lazy("schema.escalation.types")] | None)
    def escalation(self, info: Info) -> AwaitableOrValue["Escalation | None"]:
        """The escalation that is active after this message."""
        if self.raised:
            escalation: Escalation = build_node(info, ESCALATION, self.raised)
            return escalation
        if not self.may_be_escalated:
            return None
        return load_optional_node(info, ESCALATION, self.conversation_key, active_escalations)

    @sync_or_async_field(PendingEscalation | None)
    def pending_escalation(self, info: Info) -> AwaitableOrValue[PendingEscalation | None]:
        """The low-confidence escalation that waits after this message."""
        return PendingEscalation.load(info, self.pending_key)


@strawberry.input
class UpdateConversationInput:
    """Changes to a conversation. A field that is left out stays as it is."""

    conversation_id: strawberry.ID
    """The conversation."""
    customer: CustomerInput | None = None
    """Changes to the customer. A field that is left out stays as it is, and null clears it."""
    metadata: JSON | None = strawberry.UNSET
    """JSON object of the integrator's own, which replaces the whole object; null clears it."""
    language: str | None = strawberry.UNSET
    """BCP 47 tag of the customer's language, such as de or pt-BR; null clears it."""

    def changes(self) -> ConversationChanges:
        """Return the fields that were given."""
        changes = ConversationChanges()
        if self.customer:
            changes.update(changes_of(self.customer))
        if self.metadata is not strawberry.UNSET:
            changes["metadata"] = check_object("metadata", self.metadata)
        if self.language is not strawberry.UNSET:
            changes["language"] = self.language
        return changes


@strawberry.type
class WidgetTokenPayload:
    """A token that opens one conversation to a widget."""

    token: str
    """The new token."""
    expires_at: datetime
    """End of the token."""


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
        input: StartConversationInput,  # noqa: A002 - the name in the API
    ) -> StartConversationPayload | None:
        """Start a conversation."""
        started = await conversation.start_conversation(
            info.context,
            parse_global_id(info, AGENT, input.agent_id, "agent_id"),
            input.customer.read() if input.customer else NewCustomer(),
            check_object("metadata", input.metadata),
            input.idempotency_key,
            input.language,
        )
        return StartConversationPayload(
            conversation=await await_maybe(load_node(info, CONVERSATION, started.conversation_id)),
            widget_token=started.widget_token,
            widget_token_expires_at=started.expires_at,
        )

    @mutation
    async def record_message(
        self,
        info: Info,
        input: RecordMessageInput,  # noqa: A002 - the name in the API
    ) -> RecordMessagePayload | None:
        """Record a message of the customer or the AI."""
        new = NewMessage(
            role=input.role,
            content=input.content,
            confidence=input.confidence,
            intents=tuple(input.intents or ()),
            epoch=input.epoch,
            metadata=check_object("metadata", input.metadata),
        )
        key = parse_global_id(info, CONVERSATION, input.conversation_id, "conversation_id")
        recorded = await message.record_message(
            info.context, key, new, input.idempotency_key, input.probability
        )
        return RecordMessagePayload(
            conversation_key=key,
            raised=recorded.escalation,
            may_be_escalated=recorded.may_be_escalated,
            message=Message.of(recorded.message, info.context),
            ai=AiControl.of(recorded.conversation),
            pending_key=recorded.conversation.pending_escalation_id,
        )

    @deprecated_mutation("renewWidgetToken tells when the new token ends.")
    async def refresh_widget_token(self, info: Info, conversation_id: strawberry.ID) -> str | None:
        """Make a new token for a widget, like renewWidgetToken."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        return await widget_tokens.refresh_widget_token(info.context, key)

    @mutation
    async def renew_widget_token(
        self, info: Info, conversation_id: strawberry.ID
    ) -> WidgetTokenPayload | None:
        """Make a new token for a widget whose token expires soon or has expired.

        Callers are the widget, with a token that has expired up to 30 days ago, and others with
        CONVERSATIONS_WRITE.
        """
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        renewed = await widget_tokens.renew_widget_token(info.context, key)
        return WidgetTokenPayload(token=renewed.token, expires_at=renewed.expires_at)

    @mutation
    async def revoke_widget_tokens(self, info: Info, conversation_id: strawberry.ID) -> bool | None:
        """End every widget token that the conversation has now, for example when a device is lost.

        Requests with them are UNAUTHENTICATED immediately, and sockets that use them end within 5 seconds.
        `renewWidgetToken`, called by a back end, and `openConversation` make valid tokens again.
        """
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        await widget_tokens.revoke_widget_tokens(info.context, key)
        return True

    @mutation
    async def update_conversation(
        self,
        info: Info,
        input: UpdateConversationInput,  # noqa: A002 - the name in the API
    ) -> Conversation | None:
        """Change the customer, the metadata or the language of a conversation."""
        key = parse_global_id(info, CONVERSATION, input.conversation_id, "conversation_id")
        await conversation.update_conversation(info.context, key, input.changes())
        return await await_maybe(load_node(info, CONVERSATION, key))

    @mutation
    async def set_typing(self, info: Info, conversation_id: strawberry.ID, typing: bool) -> bool | None:
        """Show the others in the conversation that the caller is typing. Nothing is stored."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        await conversation.set_typing(info.context, key, typing)
        return True

    @mutation
    async def set_viewing(self, info: Info, conversation_id: strawberry.ID, viewing: bool) -> bool | None:
        """Show the team that the caller has the conversation open, or has left it. Repeat it every 20 s."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        await set_viewing(info.context, key, viewing)
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
        return AiControlPayload(conversation=await await_maybe(load_node(info, CONVERSATION, key)))

    @mutation
    async def resume_ai(self, info: Info, conversation_id: strawberry.ID) -> AiControlPayload | None:
        """Resume the AI in a conversation."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        await ai_control.resume_ai(info.context, key)
        return AiControlPayload(conversation=await await_maybe(load_node(info, CONVERSATION, key)))
