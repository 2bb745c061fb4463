"""Credentials: their tokens, and the actors that they identify."""

import hashlib
import hmac
import secrets
import struct
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ARRAY, LargeBinary, Uuid, any_, bindparam, select, update

from models.api_key import ApiKey
from models.compiled_select import CompiledSelect
from models.conversation import Conversation
from models.database import Database
from models.member import Member, MemberSession
from resolvers.actor import Actor, ActorKind
from rules.encoding import decode_base64url, encode_base64url
from rules.roles import SCOPES_OF_ROLE, Scope

API_KEY_START = "baton_sk_"
SESSION_START = "baton_ss_"
WIDGET_START = "baton_wt_"
INVITATION_START = "baton_in_"
PREFIX_LENGTH = len(API_KEY_START) + 6

SESSION_LIFETIME = timedelta(days=30)
INVITATION_LIFETIME = timedelta(days=7)
WIDGET_LIFETIME = timedelta(hours=1)
WIDGET_REFRESH = timedelta(days=30)
CLOCK_TOLERANCE = timedelta(minutes=5)

_WIDGET_FORM = struct.Struct(">16sQ")
_USE_PRECISION = timedelta(minutes=1)


def new_token(start: str) -> str:
    """Return a new token of 256 random bits."""
    return start + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return the stored form of a token: SHA-256, since 256 random bits cannot be guessed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class WidgetTokens:
    """Signs and reads widget tokens, which are not stored."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"baton widget token\0" + secret.encode()).digest()

    def issue(self, conversation_id: UUID, now: datetime) -> tuple[str, datetime]:
        """Return a token that opens the conversation for an hour, and its end."""
        expires_at = (now + WIDGET_LIFETIME).replace(microsecond=0)
        body = _WIDGET_FORM.pack(conversation_id.bytes, int(expires_at.timestamp()))
        signed = body + hmac.digest(self._key, body, "sha256")
        return WIDGET_START + encode_base64url(signed), expires_at

    def read(self, token: str) -> tuple[UUID, datetime] | None:
        """Return the conversation and the end of a token that was signed with this key, otherwise None.

        A token that ends later than one issued now is refused, signed or not.
        """
        try:
            signed = decode_base64url(token.removeprefix(WIDGET_START))
        except ValueError:
            return None
        body, signature = signed[: _WIDGET_FORM.size], signed[_WIDGET_FORM.size :]
        if len(body) < _WIDGET_FORM.size:
            return None
        if not hmac.compare_digest(signature, hmac.digest(self._key, body, "sha256")):
            return None
        conversation_bytes, expires_at = _WIDGET_FORM.unpack(body)
        latest = datetime.now(UTC) + WIDGET_LIFETIME + CLOCK_TOLERANCE
        if expires_at > latest.timestamp():
            return None
        return UUID(bytes=conversation_bytes), datetime.fromtimestamp(expires_at, UTC)


_HASHES = any_(bindparam("hashes", type_=ARRAY(LargeBinary)))
_API_KEYS = CompiledSelect(
    select(ApiKey.key_hash, ApiKey.id, ApiKey.workspace_id, ApiKey.scopes, ApiKey.last_used_at).where(
        ApiKey.key_hash == _HASHES, ApiKey.revoked_at.is_(None)
    )
)
_SESSIONS = CompiledSelect(
    select(MemberSession.token_hash, Member.id, Member.workspace_id, Member.role)
    .join(Member, MemberSession.member_id == Member.id)
    .where(
        MemberSession.token_hash == _HASHES,
        MemberSession.expires_at > bindparam("now"),
        Member.removed_at.is_(None),
    )
)
_CONVERSATIONS = CompiledSelect(
    select(Conversation.id, Conversation.workspace_id).where(
        Conversation.id == any_(bindparam("ids", type_=ARRAY(Uuid))), Conversation.erased_at.is_(None)
    )
)


@dataclass(frozen=True, slots=True)
class _Credential:
    actor: Actor
    last_used_at: datetime | None = None


async def actor_of(database: Database, widget_tokens: WidgetTokens, token: str) -> Actor | None:
    """Return the actor of a token that a caller presents, or None for one that is not valid.

    The use of an API key is recorded, to the minute: that keeps the write out of nearly every call.
    """
    credential = (await _valid_credentials(database, widget_tokens, [token])).get(token)
    if credential is None:
        return None
    key_id, used, now = credential.actor.api_key_id, credential.last_used_at, datetime.now(UTC)
    if key_id and (used is None or now - used > _USE_PRECISION):
        async with database.autocommit_session() as session:
            await session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=now))
    return credential.actor


async def actors_of(
    database: Database, widget_tokens: WidgetTokens, tokens: Collection[str]
) -> dict[str, Actor]:
    """Return the actors of those `tokens` that are valid now, with one query for each kind of token.

    The actor of a widget token past its hour is `expired`, for the 30 days in which it can be refreshed.
    """
    credentials = await _valid_credentials(database, widget_tokens, tokens)
    return {token: credential.actor for token, credential in credentials.items()}


async def _valid_credentials(
    database: Database, widget_tokens: WidgetTokens, tokens: Collection[str]
) -> dict[str, _Credential]:
    return {
        **await _api_keys(database, _starting(tokens, API_KEY_START)),
        **await _sessions(database, _starting(tokens, SESSION_START)),
        **await _widgets(database, widget_tokens, _starting(tokens, WIDGET_START)),
    }


def _starting(tokens: Collection[str], start: str) -> list[str]:
    return [token for token in tokens if token.startswith(start)]


async def _api_keys(database: Database, tokens: list[str]) -> dict[str, _Credential]:
    if not tokens:
        return {}
    hashes = {token_hash(token): token for token in tokens}
    return {
        hashes[key_hash]: _Credential(
            Actor(ActorKind.API_KEY, workspace_id, frozenset(map(Scope, scopes)), api_key_id=key_id),
            last_used_at,
        )
        for key_hash, key_id, workspace_id, scopes, last_used_at in await _API_KEYS.rows(
            database, hashes=list(hashes)
        )
    }


async def _sessions(database: Database, tokens: list[str]) -> dict[str, _Credential]:
    if not tokens:
        return {}
    hashes = {token_hash(token): token for token in tokens}
    return {
        hashes[hashed]: _Credential(
            Actor(
                ActorKind.TEAM_MEMBER,
                workspace_id,
                SCOPES_OF_ROLE[role],
                member_id=member_id,
                session_hash=hashed,
            )
        )
        for hashed, member_id, workspace_id, role in await _SESSIONS.rows(
            database, hashes=list(hashes), now=datetime.now(UTC)
        )
    }


async def _widgets(
    database: Database, widget_tokens: WidgetTokens, tokens: list[str]
) -> dict[str, _Credential]:
    now = datetime.now(UTC)
    opened = {
        token: contents
        for token in tokens
        if (contents := widget_tokens.read(token)) and now <= contents[1] + WIDGET_REFRESH
    }
    if not opened:
        return {}
    ids = {conversation_id for conversation_id, _ in opened.values()}
    workspaces = dict(await _CONVERSATIONS.rows(database, ids=list(ids)))
    return {
        token: _Credential(
            Actor(
                ActorKind.CUSTOMER,
                workspaces[conversation_id],
                conversation_id=conversation_id,
                expired=now >= expires_at,
            )
        )
        for token, (conversation_id, expires_at) in opened.items()
        if conversation_id in workspaces
    }
