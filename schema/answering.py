"""The acts of integrators and dashboards: escalations, and control."""

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
    reason: str
    priority: Priority | None = None
    assign_to: str | None = None
    idempotency_key: str | None = None


@strawberry.input
class UpdateEscalationInput:
    """What is to change; what is left out stays."""

    escalation_id: strawberry.ID
    status: EscalationStatus | None = None
    priority: Priority | None = None
    assign_to: str | None = None
    note: str | None = None
    expected_version: int | None = None


@strawberry.type
class EscalationPayload:
    """The escalation after the change."""

    escalation: Escalation


@strawberry.input
class ReplyInput:
    """A person's words to the customer."""

    escalation_id: strawberry.ID
    content: str
    author_email: str | None = None
    idempotency_key: str | None = None


@strawberry.input
class ReplyToConversationInput:
    """A team member's reply to a conversation that the member takes over."""

    conversation_id: strawberry.ID
    content: str
    idempotency_key: str | None = None


@strawberry.type
class ReplyPayload:
    """The reply, and the escalation after it."""

    message: Message
    escalation: Escalation

    @classmethod
    def of(cls, replied: reply.ReplyResult, info: Info) -> "ReplyPayload":
        """Dresses a reply."""
        return cls(
            message=Message.of(replied.message, info.context),
            escalation=Escalation.of(replied.escalation, info.context),
        )


@strawberry.input
class ResolveEscalationInput:
    """How an escalation is resolved."""

    escalation_id: strawberry.ID
    note: str | None = None
    disposition: Disposition | None = None
    keep_ai_paused: bool = False


@strawberry.type
class AiControlPayload:
    """The conversation after the change."""

    conversation: Conversation


@strawberry.type
class AnsweringMutation:
    """Escalations: raising, taking, answering and ending them; and who speaks."""

    @mutation
    async def escalate_conversation(
        self,
        info: Info,
        input: EscalateConversationInput,  # noqa: A002
    ) -> EscalatePayload | None:
        """Escalates a conversation, or adds to its active escalation."""
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
        """Changes an escalation, all of it or nothing."""
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
        """The team's judgement, after the fact, whether a resolved escalation was needed."""
        key = parse_global_id(info, ESCALATION, escalation_id, "escalation_id")
        row = await escalation.set_disposition(info.context, key, disposition)
        return EscalationPayload(escalation=Escalation.of(row, info.context))

    @mutation
    async def claim_escalation(self, info: Info, escalation_id: strawberry.ID) -> EscalationPayload | None:
        """Takes an unassigned escalation."""
        key = parse_global_id(info, ESCALATION, escalation_id, "escalation_id")
        row = await escalation.claim_escalation(info.context, key)
        return EscalationPayload(escalation=Escalation.of(row, info.context))

    @mutation
    async def reply_to_escalation(
        self,
        info: Info,
        input: ReplyInput,  # noqa: A002
    ) -> ReplyPayload | None:
        """Answers the customer."""
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
        """Sends a held AI reply, as it is or edited, as a team member's own."""
        key = parse_global_id(info, MESSAGE, message_id, "message_id")
        return ReplyPayload.of(await reply.send_held_reply(info.context, key, content), info)

    @mutation
    async def discard_held_reply(self, info: Info, message_id: strawberry.ID) -> Message | None:
        """Passes a held AI reply over."""
        key = parse_global_id(info, MESSAGE, message_id, "message_id")
        return Message.of(await message.discard_held_reply(info.context, key), info.context)

    @mutation
    async def resolve_escalation(
        self,
        info: Info,
        input: ResolveEscalationInput,  # noqa: A002
    ) -> EscalationPayload | None:
        """Ends an escalation."""
        how = ResolutionInput(input.note, input.disposition, input.keep_ai_paused)
        key = parse_global_id(info, ESCALATION, input.escalation_id, "escalation_id")
        row = await escalation.resolve_escalation(info.context, key, how)
        return EscalationPayload(escalation=Escalation.of(row, info.context))

    @mutation
    async def reopen_escalation(self, info: Info, escalation_id: strawberry.ID) -> EscalationPayload | None:
        """Takes the last escalation of a conversation up again."""
        key = parse_global_id(info, ESCALATION, escalation_id, "escalation_id")
        row = await escalation.reopen_escalation(info.context, key)
        return EscalationPayload(escalation=Escalation.of(row, info.context))

    @mutation
    async def pause_ai(self, info: Info, conversation_id: strawberry.ID) -> AiControlPayload | None:
        """Silences the AI."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        await ai_control.pause_ai(info.context, key)
        return AiControlPayload(conversation=await await_maybe(the_conversation(info, key)))

    @mutation
    async def resume_ai(self, info: Info, conversation_id: strawberry.ID) -> AiControlPayload | None:
        """Lets the AI speak again."""
        key = parse_global_id(info, CONVERSATION, conversation_id, "conversation_id")
        await ai_control.resume_ai(info.context, key)
        return AiControlPayload(conversation=await await_maybe(the_conversation(info, key)))
