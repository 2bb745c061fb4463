"""Conversations: starting, listing and reading them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, not_, select

from models.conversation import Conversation
from models.escalation import Escalation
from models.ids import new_id
from models.message import Message
from realtime.log import open_stream
from realtime.pubsub import Typing
from realtime.transaction import Transaction
from resolvers.actor import ActorKind
from resolvers.context import Context
from resolvers.customer import Customer, check_customer
from resolvers.errors import BadInputError
from resolvers.idempotency import begin_idempotent
from resolvers.loaders import ConversationState, conversations_by_id
from resolvers.pagination import Order, Page, PageRequest, read_page
from resolvers.permissions import permitted
from resolvers.rate_limits import TYPING
from resolvers.validation import check_json, check_language
from resolvers.visibility import AGENT, CONVERSATION, Visibility, visible_conversations, visible_messages
from rules.ai_control import AiState
from rules.message import MessageRole


@dataclass(frozen=True, slots=True)
class StartedConversation:
    """A conversation, and a token that opens it to a widget for an hour."""

    conversation_id: UUID
    widget_token: str
    expires_at: datetime


@permitted("startConversation", AGENT)
async def start_conversation(
    context: Context,
    agent_id: UUID,
    customer: Customer,
    metadata: dict[str, Any] | None = None,
    idempotency_key: str | None = None,
    language: str | None = None,
) -> StartedConversation:
    """Start a conversation of a customer with an AI agent; raises NotFoundError for an unknown agent."""
    check_customer(customer)
    check_json("metadata", metadata)
    check_language("language", language)
    async with context.services.transactions.begin(context.replay_clock) as tx:
        inputs = {"agent": agent_id, "customer": customer, "metadata": metadata}
        if language is not None:
            inputs["language"] = language
        call = await begin_idempotent(tx, context.actor, "startConversation", idempotency_key, inputs)
        now = await tx.read_clock()
        if call.result is not None:
            conversation_id = UUID(call.result["conversation"])
        else:
            conversation_id = await _start(tx, context, agent_id, customer, metadata, language)
            await call.store_result(conversation=conversation_id)
    token, expires_at = context.services.widget_tokens.issue(conversation_id, max(now, datetime.now(UTC)))
    return StartedConversation(conversation_id, token, expires_at)


async def _start(
    tx: Transaction,
    context: Context,
    agent_id: UUID,
    customer: Customer,
    metadata: dict[str, Any] | None,
    language: str | None,
) -> UUID:
    agent = AGENT.known(await tx.session.scalar(AGENT.by_id(context.actor, agent_id)))
    new = NewConversation(agent.workspace_id, agent.id, customer, customer.is_named, metadata, language)
    return (await insert_conversation(tx, new)).id


@dataclass(frozen=True, slots=True)
class NewConversation:
    """A conversation to insert. `subject` is the signed identity that resumes it."""

    workspace_id: UUID
    agent_id: UUID
    customer: Customer
    verified: bool
    metadata: dict[str, Any] | None = None
    language: str | None = None
    subject: str | None = None


async def insert_conversation(tx: Transaction, new: NewConversation) -> Conversation:
    """Add the row of a new conversation and open its stream."""
    customer = new.customer
    conversation = Conversation(
        id=new_id(),
        workspace_id=new.workspace_id,
        agent_id=new.agent_id,
        customer_external_id=customer.external_id,
        customer_email=customer.email,
        customer_name=customer.name,
        customer_verified=new.verified,
        customer_subject=new.subject,
        details=new.metadata,
        language=new.language,
        created_at=tx.now,
    )
    tx.session.add(conversation)
    await open_stream(tx.session, conversation.id, tx.now)
    return conversation


@permitted("refreshWidgetToken", CONVERSATION)
async def refresh_widget_token(context: Context, conversation_id: UUID) -> str:
    """Return a new token for an hour; a customer's own may have expired up to 30 days ago."""
    await CONVERSATION.require_visible(context.database, context.actor, conversation_id)
    token, _ = context.services.widget_tokens.issue(conversation_id, datetime.now(UTC))
    return token


@permitted("setTyping", CONVERSATION)
async def set_typing(context: Context, conversation_id: UUID, typing: bool) -> None:
    """Publish a typing signal; it is not stored, and dropped if it comes too often."""
    await CONVERSATION.require_visible(context.database, context.actor, conversation_id)
    actor = context.actor
    if await context.services.rate_limiter.try_acquire(TYPING, str(actor.id), str(conversation_id)):
        role = _TYPING_ROLES[actor.kind]
        context.services.pubsub.publish_typing(Typing(conversation_id, role, str(actor.id), typing))


_TYPING_ROLES = {
    ActorKind.CUSTOMER: MessageRole.USER,
    ActorKind.API_KEY: MessageRole.ASSISTANT,
    ActorKind.TEAM_MEMBER: MessageRole.HUMAN,
}


@permitted("conversation", CONVERSATION)
async def conversation_by_id(context: Context, conversation_id: UUID) -> ConversationState | None:
    """Return the conversation if the caller may see it, otherwise None."""
    return (await conversations_by_id(context, [conversation_id])).get(conversation_id)


@dataclass(frozen=True, slots=True)
class ConversationFilter:
    """
    A filter of conversations; None does not restrict.

    `awaiting_ai`: the AI may answer, and the customer's last message has no answer.
    """

    agent_id: UUID | None = None
    ai_state: AiState | None = None
    escalated: bool | None = None
    customer_email: str | None = None
    awaiting_ai: bool | None = None


_NEWEST_FIRST = Order("created", (Conversation.created_at, Conversation.id), descending=True)
_BY_POSITION = Order("position", (Message.position,), descending=False)


@permitted("conversations")
async def conversations(context: Context, wanted: ConversationFilter, request: PageRequest) -> Page[UUID]:
    """Return the ids of a page of conversations, newest first."""
    return await _read_conversations(context, wanted, request)


@permitted("conversations(filter: {awaitingAi: true})")
async def conversations_awaiting_ai(
    context: Context, wanted: ConversationFilter, request: PageRequest
) -> Page[UUID]:
    """Return a page of conversations that wait for the AI; the scope of a back end is enough."""
    return await _read_conversations(context, replace(wanted, awaiting_ai=True), request)


async def _read_conversations(
    context: Context, wanted: ConversationFilter, request: PageRequest
) -> Page[UUID]:
    selection = visible_conversations(Visibility.of(context.actor)).where(*_conditions(wanted))
    async with context.database.autocommit_session() as session:
        page = await read_page(session, selection, Conversation, _NEWEST_FIRST, request)
    return page.of([row.id for row in page.rows])


def _conditions(wanted: ConversationFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.agent_id:
        conditions.append(Conversation.agent_id == wanted.agent_id)
    if wanted.ai_state:
        conditions.append(Conversation.ai_state == wanted.ai_state)
    if wanted.escalated is not None:
        any_escalation = exists().where(Escalation.conversation_id == Conversation.id)
        conditions.append(any_escalation if wanted.escalated else ~any_escalation)
    if wanted.customer_email is not None:
        if "\0" in wanted.customer_email:
            raise BadInputError("filter.customer_email", "is not an email address")
        conditions.append(func.lower(Conversation.customer_email) == wanted.customer_email.lower())
    if wanted.awaiting_ai is not None:
        awaiting = and_(Conversation.ai_state == AiState.ACTIVE, Conversation.awaiting_answer)
        conditions.append(awaiting if wanted.awaiting_ai else not_(awaiting))
    return conditions


@permitted("node")
async def messages_of(context: Context, conversation_id: UUID, request: PageRequest) -> Page[Message]:
    """Return a page of the messages that the caller may see, in order."""
    async with context.database.autocommit_session() as session:
        selection = _messages(context, conversation_id)
        return await read_page(session, selection, Message, _BY_POSITION, request)


@permitted("node")
async def count_messages(context: Context, conversation_id: UUID) -> int:
    """Count the messages of the conversation that the caller may see."""
    async with context.database.autocommit_session() as session:
        counted = select(func.count()).select_from(_messages(context, conversation_id).subquery())
        return (await session.execute(counted)).scalar_one()


def _messages(context: Context, conversation_id: UUID) -> Select[Message]:
    return visible_messages(Visibility.of(context.actor)).where(Message.conversation_id == conversation_id)
