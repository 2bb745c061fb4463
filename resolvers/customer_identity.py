"""Signed identities of customers: the secrets of AI agents, and the conversation that an identity resumes."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import bindparam, func, select, update

from models.compiled_select import CompiledSelect
from models.conversation import Conversation
from models.identity_secret import IdentitySecret
from models.sealing import Seal, UnreadableSecretError
from realtime.transaction import Transaction
from resolvers.audit import record_act
from resolvers.context import Context
from resolvers.customer import Customer, customer_of, set_customer
from resolvers.errors import ConflictError, UnauthenticatedError
from resolvers.locks import lock_conversation
from resolvers.permissions import permitted
from resolvers.visibility import AGENT, CONVERSATION
from rules.audit import AuditAction
from rules.customer_identity import CustomerIdentity, InvalidIdentityError, read_identity
from rules.typeid import AGENT as AGENT_PREFIX
from rules.typeid import format_id

SECRET_START = "baton_is_"  # noqa: S105 - only the start of a secret
PREVIOUS_LIFETIME = timedelta(hours=24)

_SECRETS = CompiledSelect(select(IdentitySecret).where(IdentitySecret.agent_id == bindparam("agent")))
_AGENT_OF = CompiledSelect(select(Conversation.agent_id).where(Conversation.id == bindparam("conversation")))

_logger = structlog.get_logger(__name__)


@permitted("rotateIdentitySecret", AGENT)
async def rotate_identity_secret(context: Context, agent_id: UUID) -> str:
    """Make a new identity secret and return it, this once. The one before it is valid for 24 more hours."""
    seal, new = context.services.seal, SECRET_START + secrets.token_urlsafe(32)
    async with context.services.transactions.begin() as tx:
        agent = await AGENT.lock(tx, context.actor, agent_id)
        now = await tx.read_clock()
        row = await tx.session.get(IdentitySecret, agent_id)
        if row is None:
            row = IdentitySecret(agent_id=agent_id, workspace_id=agent.workspace_id)
            tx.session.add(row)
        else:
            row.previous, row.previous_expires_at = row.secret, now + PREVIOUS_LIFETIME
        row.secret, row.rotated_at = seal.seal(new, row.purpose), now
        await record_act(tx, context, AuditAction.ROTATE_IDENTITY_SECRET, format_id(AGENT_PREFIX, agent_id))
    return new


async def verify_identity(context: Context, agent_id: UUID, token: str) -> CustomerIdentity:
    """Return the identity that a token proves for this AI agent; raises UnauthenticatedError."""
    now = datetime.now(UTC)
    rows = await _SECRETS.rows(context.database, agent=agent_id)
    valid = [secret for (row,) in rows for secret in _valid_secrets(context.services.seal, row, now)]
    if not valid:
        raise UnauthenticatedError(
            "This AI agent has no identity secret for verifying identities: rotateIdentitySecret makes one."
        )
    try:
        return read_identity(token, valid, format_id(AGENT_PREFIX, agent_id), now)
    except InvalidIdentityError as error:
        raise UnauthenticatedError(f"The identity {error}.") from None


def _valid_secrets(seal: Seal, row: IdentitySecret, now: datetime) -> list[str]:
    sealed = [row.secret]
    if row.previous is not None and row.previous_expires_at is not None and row.previous_expires_at > now:
        sealed.append(row.previous)
    opened = []
    for secret in sealed:
        try:
            opened.append(seal.open(secret, row.purpose))
        except UnreadableSecretError as error:
            _logger.warning("identity_secret.unreadable", agent=str(row.agent_id), error=str(error))
    return opened


async def lock_identity(tx: Transaction, agent_id: UUID, subject: str) -> UUID | None:
    """Lock an identity until the transaction ends and return the conversation that it resumes, if any.

    This lock is taken before that of a conversation.
    """
    key = func.hashtextextended(f"{agent_id} {subject}", 0)
    await tx.session.execute(select(func.pg_advisory_xact_lock(key)))
    resumed: UUID | None = await tx.session.scalar(
        select(Conversation.id).where(
            Conversation.agent_id == agent_id,
            Conversation.customer_subject == subject,
            Conversation.customer_external_id == subject,
        )
    )
    return resumed


async def release_identity(tx: Transaction, agent_id: UUID, subject: str) -> None:
    """Let another conversation be the one that the locked identity resumes."""
    await tx.session.execute(
        update(Conversation)
        .where(Conversation.agent_id == agent_id, Conversation.customer_subject == subject)
        .values(customer_subject=None)
    )


def adopt_identity(tx: Transaction, conversation: Conversation, identity: CustomerIdentity) -> None:
    """Store the customer of a locked conversation as the identity names them.

    What only a page has said is dropped: `verified` covers the whole customer. Facts of the integrator's back
    end stay, unless the identity has others.
    """
    stored = customer_of(conversation) if conversation.customer_verified else Customer()
    named = replace(
        stored,
        external_id=identity.subject,
        email=identity.email or stored.email,
        name=identity.name or stored.name,
    )
    set_customer(tx, conversation, named, verified=True)


@permitted("identifyCustomer", CONVERSATION)
async def identify_customer(context: Context, conversation_id: UUID, token: str) -> None:
    """Prove who the customer of a conversation is; from then on the identity resumes it on every device.

    Raises UnauthenticatedError, and ConflictError when the conversation belongs to another identity.
    """
    await CONVERSATION.require_visible(context.database, context.actor, conversation_id)
    ((agent_id,),) = await _AGENT_OF.rows(context.database, conversation=conversation_id)
    identity = await verify_identity(context, agent_id, token)
    async with context.services.transactions.begin() as tx:
        resumed = await lock_identity(tx, agent_id, identity.subject)
        conversation = (await lock_conversation(tx, context.actor, conversation_id)).conversation
        if _belongs_to_another(conversation, identity.subject):
            raise ConflictError("This conversation belongs to another customer: open one for this identity.")
        if resumed != conversation_id:
            await release_identity(tx, agent_id, identity.subject)
            conversation.customer_subject = identity.subject
        adopt_identity(tx, conversation, identity)


def _belongs_to_another(conversation: Conversation, subject: str) -> bool:
    # An email from a form makes an identified customer unverified; the subject remains.
    owners = {conversation.customer_subject}
    if conversation.customer_verified:
        owners.add(conversation.customer_external_id)
    return not owners <= {None, subject}
