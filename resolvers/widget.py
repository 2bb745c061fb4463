"""The widget on a page: what it shows before a conversation exists, and conversations that a page starts."""

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import structlog
from sqlalchemy import bindparam, exists, select

from models.agent import Agent
from models.compiled_select import CompiledSelect
from models.conversation import Conversation
from models.workspace import Workspace
from realtime.transaction import Transaction
from resolvers.actor import Actor, ActorKind
from resolvers.context import Context
from resolvers.conversation import NewConversation, StartedConversation, insert_conversation
from resolvers.customer import Customer, check_customer
from resolvers.customer_identity import adopt_identity, lock_identity, release_identity, verify_identity
from resolvers.errors import ConflictError, ForbiddenError, RateLimitedError
from resolvers.idempotency import begin_idempotent_in, is_used
from resolvers.locks import lock_conversation
from resolvers.permissions import permitted
from resolvers.validation import check_json, check_key, check_not_reserved
from resolvers.widget_tokens import issue_widget_token
from rules.agent_settings import CustomerTexts, EscalationSettings
from rules.business_hours import hours_of
from rules.customer_identity import CustomerIdentity
from rules.language import page_language
from rules.network_address import network_of
from rules.origin import is_listed, normalized

_SHOWN_ORIGIN = 200

_AGENT = CompiledSelect(
    select(Agent.id, Agent.workspace_id, Agent.settings)
    .join(Workspace, Workspace.id == Agent.workspace_id)
    .where(Agent.id == bindparam("agent"), ~Workspace.scratch)
)

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """A web page of an allowed origin, and the AI agent whose widget it shows."""

    origin: str
    agent_id: UUID
    workspace_id: UUID
    settings: EscalationSettings


@dataclass(frozen=True, slots=True)
class Widget:
    """The texts of an empty widget, and whether people answer now; `opens_at` is None while they do."""

    agent_id: UUID
    settings: EscalationSettings
    texts: CustomerTexts
    online: bool
    opens_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewVisit:
    """A conversation that a page starts. `identity` is a signed token; `customer` is what the page says."""

    agent_id: UUID
    identity: str | None = None
    customer: Customer = field(default_factory=Customer)
    metadata: dict[str, Any] | None = None
    language: str | None = None
    idempotency_key: str | None = None


@permitted("widget")
async def widget(context: Context, agent_id: UUID, language: str | None) -> Widget:
    """Return the widget of an AI agent; raises ForbiddenError for a page of an origin that is not allowed.

    The team of its workspace may read it from any page: the dashboard shows whether the team is online.
    """
    page = await _page(context, agent_id, team_may=True)
    now = datetime.now(UTC)
    opening = hours_of(page.settings.sla.business_hours.model_dump(mode="json")).opening(now)
    online = opening == now
    texts = page.settings.widget.texts_for(page_language(language))
    return Widget(agent_id, page.settings, texts, online, None if online else opening)


async def _page(context: Context, agent_id: UUID, *, team_may: bool = False) -> Page:
    """Return the calling page. An unknown agent gets the error of a foreign page, which discloses nothing."""
    origin = context.origin
    if origin is None:
        raise ForbiddenError(
            "Only web pages may call this: the header Origin must name one that the setting "
            "widget.allowedOrigins of the AI agent lists."
        )
    for id_, workspace_id, document in await _AGENT.rows(context.database, agent=agent_id):
        settings = EscalationSettings.model_validate(document)
        listed = is_listed(origin, settings.widget.allowed_origins)
        if listed or (team_may and _is_of_team(context.caller, workspace_id)):
            return Page(origin, id_, workspace_id, settings)
    raise ForbiddenError(
        f"Pages of {origin[:_SHOWN_ORIGIN]} may not use this AI agent: it does not exist, or its setting "
        "widget.allowedOrigins does not list this origin."
    )


def _is_of_team(caller: Actor | None, workspace_id: UUID) -> bool:
    return caller is not None and not caller.is_customer and caller.workspace_id == workspace_id


@permitted("openConversation")
async def open_conversation(context: Context, new: NewVisit) -> tuple[Actor, StartedConversation]:
    """Start a conversation for a page, or resume that of its signed identity. Return it with its customer.

    Raises ForbiddenError for a page that may not, UnauthenticatedError for an invalid identity, and
    RateLimitedError after too many starts from one address or origin.
    """
    check_customer(new.customer)
    check_json("metadata", new.metadata)
    check_not_reserved("metadata", new.metadata)
    check_key("idempotency_key", new.idempotency_key)
    new = replace(new, language=page_language(new.language))
    page = await _page(context, new.agent_id)
    identity = await _identity_of(context, page, new)
    scope = _key_scope(context, page, identity)
    if not await _exists(context, page, identity, scope, new.idempotency_key):
        await _count_start(context, page)
    async with context.services.transactions.begin() as tx:
        inputs = {**asdict(new), "identity": identity}
        call = await begin_idempotent_in(tx, scope, "openConversation", new.idempotency_key, inputs)
        await tx.read_clock()
        if call.result is not None:
            conversation_id = UUID(call.result["conversation"])
            await _require_still_own(tx, conversation_id, identity)
        else:
            conversation_id = await _open(tx, page, identity, new)
            await call.store_result(conversation=conversation_id)
        token = await issue_widget_token(context, tx.session, conversation_id, tx.now)
    actor = Actor(ActorKind.CUSTOMER, page.workspace_id, conversation_id=conversation_id)
    return actor, StartedConversation(conversation_id, token.token, token.expires_at)


async def _identity_of(context: Context, page: Page, new: NewVisit) -> CustomerIdentity | None:
    """Return the verified identity of a visitor, or None for one who needs none."""
    if new.identity is not None:
        return await verify_identity(context, page.agent_id, new.identity)
    if not page.settings.widget.anonymous_conversations:
        raise ForbiddenError(
            "Visitors need a signed identity here: the setting widget.anonymousConversations is off."
        )
    return None


def _key_scope(context: Context, page: Page, identity: CustomerIdentity | None) -> UUID:
    # A visitor must not get the conversation of another one who has used the same key.
    owner = f"subject {identity.subject}" if identity else f"visitor {page.origin} {context.address}"
    return uuid5(page.agent_id, owner)


async def _exists(
    context: Context, page: Page, identity: CustomerIdentity | None, scope: UUID, key: str | None
) -> bool:
    """Return whether the call starts nothing: it repeats another, or its identity has a conversation."""
    if await is_used(context.database, scope, "openConversation", key):
        return True
    if identity is None:
        return False
    running = exists().where(
        Conversation.agent_id == page.agent_id, Conversation.customer_subject == identity.subject
    )
    async with context.database.autocommit_session() as session:
        return bool(await session.scalar(select(running)))


async def _count_start(context: Context, page: Page) -> None:
    limits, limiter = context.services.start_limits, context.services.rate_limiter
    network, site = network_of(context.address), (str(page.workspace_id), normalized(page.origin))
    for limit, key, counted in (
        (limits.of_address(), ("start", "address", network), "address"),
        (limits.of_origin(), ("start", "origin", *site), "origin"),
    ):
        if seconds := await limiter.count(limit, *key):
            # With the field `error`, at most one line in a second is written.
            error = f"too many starts by {counted}"
            _logger.warning("widget.starts_limited", error=error, address=network, origin=page.origin)
            raise RateLimitedError(
                f"Too many conversations were started from this {counted}: at most {limit.amount} in an "
                f"hour. Try again in {seconds} s.",
                seconds,
            )


async def _open(tx: Transaction, page: Page, identity: CustomerIdentity | None, new: NewVisit) -> UUID:
    if identity is None:
        return await _insert(tx, page, new, new.customer)
    resumed = await lock_identity(tx, page.agent_id, identity.subject)
    if resumed is None:
        await release_identity(tx, page.agent_id, identity.subject)
        named = Customer(identity.subject, identity.email, identity.name)
        return await _insert(tx, page, new, named, identity.subject)
    actor = Actor(ActorKind.CUSTOMER, page.workspace_id, conversation_id=resumed)
    conversation = (await lock_conversation(tx, actor, resumed)).conversation
    adopt_identity(tx, conversation, identity)
    conversation.language = conversation.language or new.language
    return resumed


async def _require_still_own(
    tx: Transaction, conversation_id: UUID, identity: CustomerIdentity | None
) -> None:
    """Raise ConflictError if the conversation of a repeated anonymous start is identified by now."""
    verified = select(Conversation.customer_verified).where(Conversation.id == conversation_id)
    if identity is None and await tx.session.scalar(verified):
        raise ConflictError("The customer of this conversation is identified by now: use the identity.")


async def _insert(
    tx: Transaction, page: Page, new: NewVisit, customer: Customer, subject: str | None = None
) -> UUID:
    row = NewConversation(
        page.workspace_id,
        page.agent_id,
        customer,
        verified=subject is not None,
        metadata=new.metadata,
        language=new.language,
        subject=subject,
    )
    return (await insert_conversation(tx, row)).id
