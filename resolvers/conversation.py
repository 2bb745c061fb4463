"""Conversations: starting and changing them, their tokens, and typing signals."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypedDict
from uuid import UUID

from models.conversation import Conversation
from models.ids import new_id
from realtime.log import open_stream
from realtime.pubsub import Typing
from realtime.transaction import Transaction
from resolvers.actor import ActorKind
from resolvers.context import Context
from resolvers.customer import Customer, check_customer, customer_of, log_change, set_customer
from resolvers.idempotency import begin_idempotent
from resolvers.locks import lock_conversation
from resolvers.permissions import permitted
from resolvers.rate_limits import TYPING
from resolvers.validation import check_json, check_language
from resolvers.visibility import AGENT, CONVERSATION
from resolvers.widget_tokens import issue_widget_token
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
        issued_at = max(now, datetime.now(UTC))
        token = await issue_widget_token(context, tx.session, conversation_id, issued_at)
    return StartedConversation(conversation_id, token.token, token.expires_at)


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
    # A stream belongs to the workspace of its conversation.
    await tx.session.flush()
    await open_stream(tx.session, conversation.id, tx.now)
    tx.log_to_workspace(
        new.workspace_id, "conversation.created", conversation=conversation.id, agent=new.agent_id
    )
    return conversation


class ConversationChanges(TypedDict, total=False):
    """The changes of a conversation. What is absent stays as it is, and None clears it."""

    external_id: str | None
    email: str | None
    name: str | None
    metadata: dict[str, Any] | None
    language: str | None


@permitted("updateConversation", CONVERSATION)
async def update_conversation(context: Context, conversation_id: UUID, changes: ConversationChanges) -> None:
    """Change the customer, the metadata or the language of a conversation."""
    given = Customer(changes.get("external_id"), changes.get("email"), changes.get("name"))
    check_customer(given)
    check_json("metadata", changes.get("metadata"))
    check_language("language", changes.get("language"))
    async with context.services.transactions.begin(context.replay_clock) as tx:
        conversation = (await lock_conversation(tx, context.actor, conversation_id)).conversation
        _change_customer(tx, conversation, changes)
        if "metadata" in changes and changes["metadata"] != conversation.details:
            conversation.details = changes["metadata"]
            log_change(tx, conversation, "metadata_changed")
        if "language" in changes and changes["language"] != conversation.language:
            conversation.language = changes["language"]
            log_change(tx, conversation, "language_changed")


def _change_customer(tx: Transaction, conversation: Conversation, changes: ConversationChanges) -> None:
    customer = customer_of(conversation)
    if "external_id" in changes:
        customer = replace(customer, external_id=changes["external_id"])
    if "email" in changes:
        customer = replace(customer, email=changes["email"])
    if "name" in changes:
        customer = replace(customer, name=changes["name"])
    # An address from a form stays unverified until the caller gives one.
    doubtful = conversation.customer_email is not None and not conversation.customer_verified
    verified = customer.is_named and ("email" in changes or not doubtful)
    set_customer(tx, conversation, customer, verified=verified)


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
