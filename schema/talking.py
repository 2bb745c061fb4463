"""Mutations of an AI agent's back end and of the widget."""

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry.scalars import JSON
from strawberry.utils.await_maybe import await_maybe

from models.escalation import Escalation as EscalationRow
from resolvers import conversation, escalation_triggers, message
from resolvers.conversation import Customer as NewCustomer
from resolvers.message import NewMessage
from resolvers.raise_escalation import EscalationResult
from rules.typeid import AGENT, CONVERSATION
from schema.basics import as_object
from schema.context import Info, parse_global_id
from schema.conversation import (
    AiControl,
    Conversation,
    PendingEscalation,
    active_escalation,
    the_conversation,
)
from schema.escalation import Escalation
from schema.message import Message, RecordMessageInput
from schema.mutation import mutation


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


@strawberry.input
class ReportToolResultInput:
    """Result of a tool."""

    conversation_id: strawberry.ID
    """The conversation."""
    tool: str
    """Name of the tool."""
    succeeded: bool
    """True if the tool worked."""
    critical: bool = True
    """True if repeated failures must escalate."""
    error: str | None = None
    """Error message of the tool."""


@strawberry.type
class ReportToolResultPayload:
    """Consecutive failures of the tool, and the escalation that is active after the report."""

    consecutive_failures: int
    """Failures of the tool since its last success in this conversation."""
    escalation: Escalation | None
    """Escalation that is active after the report."""


@strawberry.input
class SubmitFormInput:
    """A form that the customer filled in."""

    conversation_id: strawberry.ID
    """The conversation."""
    form: str
    """Name of the form."""
    fields: JSON
    """JSON object of the fields that the customer filled in."""
    escalate: bool = True
    """True if the form asks for a person."""
    idempotency_key: str | None = None
    """Key of the request, for 24 hours. The same key and input return the first result again."""


@strawberry.type
class EscalatePayload:
    """The escalation that a call led to."""

    escalation: Escalation
    """The active escalation."""
    created: bool
    """False if an active escalation took this trigger in."""
    confirmation_message: str
    """Text that the customer is shown."""

    @classmethod
    def of(cls, raised: EscalationResult, info: Info) -> "EscalatePayload":
        """Build the payload of an escalation."""
        return cls(
            escalation=Escalation.of(raised.escalation, info.context),
            created=raised.created,
            confirmation_message=raised.escalation.confirmation,
        )


@strawberry.type
class TalkingMutation:
    """Conversations: starting them, what is said in them, asking for people."""

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
    async def report_tool_result(
        self,
        info: Info,
        input: ReportToolResultInput,  # noqa: A002
    ) -> ReportToolResultPayload | None:
        """Report the result of a tool."""
        report = await escalation_triggers.report_tool_result(
            info.context,
            parse_global_id(info, CONVERSATION, input.conversation_id, "conversation_id"),
            input.tool,
            input.succeeded,
            input.critical,
            input.error,
        )
        return ReportToolResultPayload(
            consecutive_failures=report.consecutive_failures,
            escalation=Escalation.of(report.escalation, info.context) if report.escalation else None,
        )

    @mutation
    async def refresh_widget_token(self, info: Info, conversation_id: strawberry.ID) -> str | None:
        """Make a new token for a widget whose token ends."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        return await conversation.refresh_widget_token(info.context, key)

    @mutation
    async def request_human(
        self, info: Info, conversation_id: strawberry.ID, idempotency_key: str | None = None
    ) -> EscalatePayload | None:
        """Ask for a person with the button of the widget."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        raised = await escalation_triggers.request_human(info.context, key, idempotency_key)
        return EscalatePayload.of(raised, info)

    @mutation
    async def submit_form(
        self,
        info: Info,
        input: SubmitFormInput,  # noqa: A002
    ) -> EscalatePayload | None:
        """Submit a form. The payload is null if it does not escalate."""
        raised = await escalation_triggers.submit_form(
            info.context,
            parse_global_id(info, CONVERSATION, input.conversation_id, "conversation_id"),
            input.form,
            as_object(input.fields, "fields") or {},
            input.escalate,
            input.idempotency_key,
        )
        return EscalatePayload.of(raised, info) if raised else None

    @mutation
    async def set_typing(self, info: Info, conversation_id: strawberry.ID, typing: bool) -> bool | None:
        """Show the others in the conversation that the caller is typing. Nothing is stored."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        await conversation.set_typing(info.context, key, typing)
        return True
