"""Whom credentials that were presented a while ago speak for by now: many at once."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from itertools import islice

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.api_key import ApiKey
from models.conversation import Conversation
from models.member import Member, MemberSession
from resolvers.actor import Actor, ActorKind
from resolvers.credentials import API_KEY_START, SESSION_START, WIDGET_START, WidgetTokens, token_hash
from rules.roles import SCOPES_OF_ROLE, Scope

# A statement takes at most 32,767 parameters.
_BATCH = 1_000


async def current_actors(
    session: AsyncSession, widget_tokens: WidgetTokens, tokens: Collection[str]
) -> dict[str, Actor]:
    """
    What `credentials.actor_of` says of each of `tokens`, in three statements for every thousand.

    Those that are no longer good are left out, and so are widget tokens past their hour.
    """
    found: dict[str, Actor] = {}
    for batch in _batches(token for token in tokens if token.startswith(API_KEY_START)):
        found |= await _api_keys(session, batch)
    for batch in _batches(token for token in tokens if token.startswith(SESSION_START)):
        found |= await _members(session, batch)
    for batch in _batches(token for token in tokens if token.startswith(WIDGET_START)):
        found |= await _customers(session, widget_tokens, batch)
    return found


def _batches(tokens: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(tokens, _BATCH)):
        yield batch


async def _api_keys(session: AsyncSession, tokens: list[str]) -> dict[str, Actor]:
    hashes = {token_hash(token): token for token in tokens}
    rows = await session.execute(
        select(ApiKey.key_hash, ApiKey.id, ApiKey.workspace_id, ApiKey.scopes).where(
            ApiKey.key_hash.in_(hashes), ApiKey.revoked_at.is_(None)
        )
    )
    return {
        hashes[row.key_hash]: Actor(
            ActorKind.API_KEY, row.workspace_id, frozenset(map(Scope, row.scopes)), api_key_id=row.id
        )
        for row in rows
    }


async def _members(session: AsyncSession, tokens: list[str]) -> dict[str, Actor]:
    hashes = {token_hash(token): token for token in tokens}
    rows = await session.execute(
        select(MemberSession.token_hash, Member.id, Member.workspace_id, Member.role)
        .join(Member, MemberSession.member_id == Member.id)
        .where(
            MemberSession.token_hash.in_(hashes),
            MemberSession.expires_at > datetime.now(UTC),
            Member.removed_at.is_(None),
        )
    )
    return {
        hashes[row.token_hash]: Actor(
            ActorKind.TEAM_MEMBER,
            row.workspace_id,
            SCOPES_OF_ROLE[row.role],
            member_id=row.id,
            session_hash=row.token_hash,
        )
        for row in rows
    }


async def _customers(
    session: AsyncSession, widget_tokens: WidgetTokens, tokens: list[str]
) -> dict[str, Actor]:
    now = datetime.now(UTC)
    opened = {token: read for token in tokens if (read := widget_tokens.read(token)) and now < read[1]}
    rows = await session.execute(
        select(Conversation.id, Conversation.workspace_id).where(
            Conversation.id.in_({conversation for conversation, _ in opened.values()})
        )
    )
    workspaces = {row.id: row.workspace_id for row in rows}
    return {
        token: Actor(ActorKind.CUSTOMER, workspaces[conversation], conversation_id=conversation)
        for token, (conversation, _) in opened.items()
        if conversation in workspaces
    }
