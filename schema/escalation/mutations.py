"""Mutations that raise, take, answer and end escalations."""

import strawberry
from strawberry.scalars import JSON

from resolvers import escalation, escalation_triggers, reply
from resolvers.escalation import EscalationChanges, ResolutionInput
from resolvers.escalation_triggers import EscalateCall
from resolvers.raise_escalation import EscalationResult
from resolvers.validation import check_object
from rules.escalation import Disposition, EscalationStatus, Priority
from rules.typeid import CONVERSATION, ESCALATION, MESSAGE
from schema.context import Info, parse_global_id
from schema.conversation.message import Message
from schema.escalation.types import Escalation
from schema.mutation import mutation


@strawberry.input
class EscalateConversationInput:
    """Why a conversation is escalated."""

    conversation_id: strawberry.ID
    """The conversation."""
    reason: str
    """Reason, in the caller's own words."""
    priority: Priority | None = None
    """Priority; the default priority of the settings if null."""
    assign_to: str | None = None
    """Email address of the team member who must answer."""
    summary: str | None = None
    """Words for the person who answers, at most 2,000 characters. They replace those of an earlier call."""
    metadata: JSON | None = None
    """JSON object of the caller's own. It replaces that of an earlier call."""
    idempotency_key: str | None = None
    """Key of the request, for 24 hours. The same key and input return the first result again."""


@strawberry.input
class UpdateEscalationInput:
    """Changes to an escalation. A field that is null stays as it is."""

    escalation_id: strawberry.ID
    """The escalation."""
    status: EscalationStatus | None = None
    """New status."""
    priority: Priority | None = None
    """New priority, which also changes the target of the clock."""
    assign_to: str | None = None
    """Email address of a team member; an empty string unassigns."""
    note: str | None = None
    """Internal note. The customer never sees it."""
    expected_version: int | None = None
    """Version that the caller saw. Another version is refused with CONFLICT."""
    idempotency_key: str | None = None
    """Key of the request, for 24 hours. The same key and input return the first result again."""


@strawberry.type
class EscalationPayload:
    """The escalation after the change."""

    escalation: Escalation
    """The escalation after the change."""


@strawberry.input
class ReplyInput:
    """A person's words to the customer."""

    escalation_id: strawberry.ID
    """The escalation."""
    content: str
    """Text, at most 20,000 characters."""
    author_email: str | None = None
    """With an API key: email address of the team member who answers; null for no author."""
    idempotency_key: str | None = None
    """Key of the request, for 24 hours. The same key and input return the first result again."""


@strawberry.input
class ReplyToConversationInput:
    """A team member's reply to a conversation that the member takes over."""

    conversation_id: strawberry.ID
    """The conversation."""
    content: str
    """Text, at most 20,000 characters."""
    idempotency_key: str | None = None
    """Key of the request, for 24 hours. The same key and input return the first result again."""


@strawberry.type
class ReplyPayload:
    """The reply, and the escalation after it."""

    message: Message
    """The reply."""
    escalation: Escalation
    """The escalation after the reply."""

    @classmethod
    def of(cls, replied: reply.ReplyResult, info: Info) -> "ReplyPayload":
        """Build the payload of a reply."""
        return cls(
            message=Message.of(replied.message, info.context),
            escalation=Escalation.of(replied.escalation, info.context),
        )


@strawberry.input
class ResolveEscalationInput:
    """Resolution of an escalation."""

    escalation_id: strawberry.ID
    """The escalation."""
    note: str | None = None
    """Internal note on the resolution."""
    disposition: Disposition | None = None
    """The team's judgement of whether the escalation was needed."""
    keep_ai_paused: bool = False
    """True if the AI must stay paused. It does not pause an AI that answers already: see `pauseAi`."""


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
    idempotency_key: str | None = None
    """Key of the request, for 24 hours. The same key and input return the first result again."""


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
class EscalationMutation:
    """Mutations of escalations and their triggers."""

    @mutation
    async def escalate_conversation(
        self,
        info: Info,
        input: EscalateConversationInput,  # noqa: A002 - the name in the API
    ) -> EscalatePayload | None:
        """Escalate a conversation, or add a trigger to its active escalation."""
        raised = await escalation_triggers.escalate_conversation(
            info.context,
            parse_global_id(info, CONVERSATION, input.conversation_id, "conversation_id"),
            EscalateCall(
                input.reason,
                input.priority,
                input.assign_to,
                input.summary,
                check_object("metadata", input.metadata),
            ),
            input.idempotency_key,
        )
        return EscalatePayload.of(raised, info)

    @mutation
    async def update_escalation(
        self,
        info: Info,
        input: UpdateEscalationInput,  # noqa: A002 - the name in the API
    ) -> EscalationPayload | None:
        """Change an escalation; all changes are made, or none."""
        changes = EscalationChanges(
            input.status, input.priority, input.assign_to, input.note, input.expected_version
        )
        key = parse_global_id(info, ESCALATION, input.escalation_id, "escalation_id")
        row = await escalation.update_escalation(info.context, key, changes, input.idempotency_key)
        return EscalationPayload(escalation=Escalation.of(row, info.context))

    @mutation
    async def set_disposition(
        self,
        info: Info,
        escalation_id: strawberry.ID,
        disposition: Disposition | None = None,
    ) -> EscalationPayload | None:
        """Judge after the fact whether a resolved escalation was needed."""
        key = parse_global_id(info, ESCALATION, escalation_id, "escalation_id")
        row = await escalation.set_disposition(info.context, key, disposition)
        return EscalationPayload(escalation=Escalation.of(row, info.context))

    @mutation
    async def claim_escalation(self, info: Info, escalation_id: strawberry.ID) -> EscalationPayload | None:
        """Take an unassigned escalation. CONFLICT if it has an assignee."""
        key = parse_global_id(info, ESCALATION, escalation_id, "escalation_id")
        row = await escalation.claim_escalation(info.context, key)
        return EscalationPayload(escalation=Escalation.of(row, info.context))

    @mutation
    async def reply_to_escalation(
        self,
        info: Info,
        input: ReplyInput,  # noqa: A002 - the name in the API
    ) -> ReplyPayload | None:
        """Reply to the customer."""
        key = parse_global_id(info, ESCALATION, input.escalation_id, "escalation_id")
        replied = await reply.reply_to_escalation(
            info.context, key, input.content, input.author_email, input.idempotency_key
        )
        return ReplyPayload.of(replied, info)

    @mutation
    async def reply_to_conversation(
        self,
        info: Info,
        input: ReplyToConversationInput,  # noqa: A002 - the name in the API
    ) -> ReplyPayload | None:
        """Take over a conversation and reply, in one transaction, even if no escalation asked for it."""
        key = parse_global_id(info, CONVERSATION, input.conversation_id, "conversation_id")
        replied = await reply.reply_to_conversation(info.context, key, input.content, input.idempotency_key)
        return ReplyPayload.of(replied, info)

    @mutation
    async def send_held_reply(
        self, info: Info, message_id: strawberry.ID, content: str | None = None
    ) -> ReplyPayload | None:
        """Send a held AI reply as the caller's own, edited or not, unless a person has sent that text."""
        key = parse_global_id(info, MESSAGE, message_id, "message_id")
        return ReplyPayload.of(await reply.send_held_reply(info.context, key, content), info)

    @mutation
    async def resolve_escalation(
        self,
        info: Info,
        input: ResolveEscalationInput,  # noqa: A002 - the name in the API
    ) -> EscalationPayload | None:
        """Resolve an escalation."""
        how = ResolutionInput(input.note, input.disposition, input.keep_ai_paused)
        key = parse_global_id(info, ESCALATION, input.escalation_id, "escalation_id")
        row = await escalation.resolve_escalation(info.context, key, how)
        return EscalationPayload(escalation=Escalation.of(row, info.context))

    @mutation
    async def reopen_escalation(self, info: Info, escalation_id: strawberry.ID) -> EscalationPayload | None:
        """Reopen the last escalation of a conversation."""
        key = parse_global_id(info, ESCALATION, escalation_id, "escalation_id")
        row = await escalation.reopen_escalation(info.context, key)
        return EscalationPayload(escalation=Escalation.of(row, info.context))

    @mutation
    async def report_tool_result(
        self,
        info: Info,
        input: ReportToolResultInput,  # noqa: A002 - the name in the API
    ) -> ReportToolResultPayload | None:
        """Report the result of a tool."""
        report = await escalation_triggers.report_tool_result(
            info.context,
            parse_global_id(info, CONVERSATION, input.conversation_id, "conversation_id"),
            input.tool,
            input.succeeded,
            input.critical,
            input.error,
            input.idempotency_key,
        )
        return ReportToolResultPayload(
            consecutive_failures=report.consecutive_failures,
            escalation=Escalation.of(report.escalation, info.context) if report.escalation else None,
        )

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
        input: SubmitFormInput,  # noqa: A002 - the name in the API
    ) -> EscalatePayload | None:
        """Submit a form. The payload is null if it does not escalate."""
        raised = await escalation_triggers.submit_form(
            info.context,
            parse_global_id(info, CONVERSATION, input.conversation_id, "conversation_id"),
            input.form,
            check_object("fields", input.fields) or {},
            input.escalate,
            input.idempotency_key,
        )
        return EscalatePayload.of(raised, info) if raised else None
