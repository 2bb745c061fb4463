"""Mutations of integrators and dashboards: escalations and control."""

from typing import Annotated

import strawberry
from strawberry.utils.await_maybe import await_maybe

from resolvers import ai_control, escalation, escalation_triggers, message, reply
from resolvers.escalation import EscalationChanges, ResolutionInput
from rules.escalation import Disposition, EscalationStatus, Priority
from rules.typeid import CONVERSATION, ESCALATION, MESSAGE
from schema.context import Info, parse_global_id
from schema.conversation import Conversation, the_conversation
from schema.escalation import Escalation
from schema.message import Message
from schema.mutation import mutation
from schema.talking import EscalatePayload


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
    """True if the AI must stay paused."""


@strawberry.type
class AiControlPayload:
    """The conversation after the change."""

    conversation: Conversation
    """The conversation after the change."""


@strawberry.type
class AnsweringMutation:
    """Escalations: raising, taking, answering and ending them; and who speaks."""

    @mutation
    async def escalate_conversation(
        self,
        info: Info,
        input: EscalateConversationInput,  # noqa: A002
    ) -> EscalatePayload | None:
        """Escalate a conversation, or add a trigger to its active escalation."""
        raised = await escalation_triggers.escalate_conversation(
            info.context,
            parse_global_id(info, CONVERSATION, input.conversation_id, "conversation_id"),
            input.reason,
            input.priority,
            input.assign_to,
            input.idempotency_key,
        )
        return EscalatePayload.of(raised, info)

    @mutation
    async def update_escalation(
        self,
        info: Info,
        input: UpdateEscalationInput,  # noqa: A002
    ) -> EscalationPayload | None:
        """Change an escalation; all changes are made, or none."""
        changes = EscalationChanges(
            input.status, input.priority, input.assign_to, input.note, input.expected_version
        )
        key = parse_global_id(info, ESCALATION, input.escalation_id, "escalation_id")
        row = await escalation.update_escalation(info.context, key, changes)
        return EscalationPayload(escalation=Escalation.of(row, info.context))

    @mutation
    async def set_disposition(
        self,
        info: Info,
        escalation_id: Annotated[strawberry.ID, strawberry.argument(description="A resolved escalation.")],
        disposition: Annotated[
            Disposition | None, strawberry.argument(description="The judgement; null takes it back.")
        ] = None,
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
        input: ReplyInput,  # noqa: A002
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
        input: ReplyToConversationInput,  # noqa: A002
    ) -> ReplyPayload | None:
        """Take over a conversation and reply, in one transaction, without having been asked for."""
        key = parse_global_id(info, CONVERSATION, input.conversation_id, "conversation_id")
        replied = await reply.reply_to_conversation(info.context, key, input.content, input.idempotency_key)
        return ReplyPayload.of(replied, info)

    @mutation
    async def send_held_reply(
        self, info: Info, message_id: strawberry.ID, content: str | None = None
    ) -> ReplyPayload | None:
        """Send a held AI reply, edited or as it is, as the caller's own."""
        key = parse_global_id(info, MESSAGE, message_id, "message_id")
        return ReplyPayload.of(await reply.send_held_reply(info.context, key, content), info)

    @mutation
    async def discard_held_reply(self, info: Info, message_id: strawberry.ID) -> Message | None:
        """Discard a held AI reply."""
        key = parse_global_id(info, MESSAGE, message_id, "message_id")
        return Message.of(await message.discard_held_reply(info.context, key), info.context)

    @mutation
    async def resolve_escalation(
        self,
        info: Info,
        input: ResolveEscalationInput,  # noqa: A002
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
