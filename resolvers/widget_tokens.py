"""Widget tokens of a conversation: issuing, renewing and revoking them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.conversation import Conversation
from resolvers.audit import record_act
from resolvers.context import Context
from resolvers.permissions import permitted
from resolvers.visibility import CONVERSATION
from rules.audit import AuditAction
from rules.typeid import CONVERSATION as CONVERSATION_PREFIX
from rules.typeid import format_id


@dataclass(frozen=True, slots=True)
class WidgetToken:
    """A widget token and its end."""

    token: str
    expires_at: datetime


@permitted("refreshWidgetToken", CONVERSATION)
async def refresh_widget_token(context: Context, conversation_id: UUID) -> str:
    """Return a new token for an hour; a customer's own may have expired up to 30 days ago."""
    return (await _new_widget_token(context, conversation_id)).token


@permitted("renewWidgetToken", CONVERSATION)
async def renew_widget_token(context: Context, conversation_id: UUID) -> WidgetToken:
    """Return a new token and its end; a customer's own may have expired up to 30 days ago."""
    return await _new_widget_token(context, conversation_id)


async def _new_widget_token(context: Context, conversation_id: UUID) -> WidgetToken:
    await CONVERSATION.require_visible(context.database, context.actor, conversation_id)
    async with context.database.autocommit_session() as session:
        return await issue_widget_token(context, session, conversation_id, datetime.now(UTC))


async def issue_widget_token(
    context: Context, session: AsyncSession, conversation_id: UUID, now: datetime
) -> WidgetToken:
    """Return a token of the conversation's current family. The caller has checked the permission."""
    family = select(Conversation.widget_family).where(Conversation.id == conversation_id)
    # A conversation that this transaction starts is not in the table yet.
    current = await session.scalar(family) or 0
    return WidgetToken(*context.services.widget_tokens.issue(conversation_id, now, current))


@permitted("revokeWidgetTokens", CONVERSATION)
async def revoke_widget_tokens(context: Context, conversation_id: UUID) -> None:
    """End all widget tokens that the conversation has; sockets that use them end within 5 seconds."""
    async with context.services.transactions.begin() as tx:
        conversation = await CONVERSATION.lock(tx, context.actor, conversation_id)
        await tx.read_clock()
        conversation.widget_family += 1
        target = format_id(CONVERSATION_PREFIX, conversation_id)
        await record_act(tx, context, AuditAction.REVOKE_WIDGET_TOKENS, target)
