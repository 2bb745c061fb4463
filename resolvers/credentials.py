"""Credentials: their tokens, and the actors that they identify."""

import hashlib
import hmac
import secrets
import struct
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

from sqlalchemy import bindparam, func, select, update

from models.api_key import ApiKey
from models.compiled_look_up import CompiledLookUp
from models.conversation import Conversation
from models.database import Database
from models.member import Member, MemberSession
from resolvers.actor import Actor, ActorKind
from resolvers.signing import SigningKeys
from rules.api_key_text import is_api_key_text
from rules.encoding import decode_base64url, encode_base64url
from rules.network_address import is_in_networks
from rules.roles import SCOPES_OF_ROLE, Scope

SESSION_START = "baton_ss_"
WIDGET_START = "baton_wt_"
INVITATION_START = "baton_in_"

SESSION_LIFETIME = timedelta(days=30)
INVITATION_LIFETIME = timedelta(days=7)
WIDGET_LIFETIME = timedelta(hours=1)
WIDGET_REFRESH = timedelta(days=30)
CLOCK_TOLERANCE = timedelta(minutes=5)

_WIDGET_FORM = struct.Struct(">16sQI")
_FIRST_FORM_BYTES = 24
_USE_PRECISION = timedelta(minutes=1)


def new_token(start: str) -> str:
    """Return a new token of 256 random bits."""
    return start + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return the stored form of a token: SHA-256, since 256 random bits cannot be guessed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class WidgetClaims:
    """The contents of a widget token. `family` is the number of the conversation's revocations before it."""

    conversation_id: UUID
    expires_at: datetime
    family: int = 0


class WidgetTokens:
    """Signs and reads widget tokens, which are not stored."""

    def __init__(self, *secret_keys: str) -> None:
        self._keys = SigningKeys("widget token 2", secret_keys)
        self._first_form_keys = [
            hashlib.sha256(b"baton widget token\0" + secret.encode()).digest() for secret in secret_keys
        ]

    def issue(self, conversation_id: UUID, now: datetime, family: int = 0) -> tuple[str, datetime]:
        """Return a token that opens the conversation for an hour, and its end."""
        expires_at = (now + WIDGET_LIFETIME).replace(microsecond=0)
        body = _WIDGET_FORM.pack(conversation_id.bytes, int(expires_at.timestamp()), family)
        return WIDGET_START + encode_base64url(self._keys.sign(body)), expires_at

    def read(self, token: str) -> WidgetClaims | None:
        """Return the claims of a token that was signed with one of the keys, otherwise None.

        A token that ends later than one issued now is refused, signed or not.
        """
        try:
            signed = decode_base64url(token.removeprefix(WIDGET_START))
        except ValueError:
            return None
        body = self._keys.open(signed) or self._open_first_form(signed)
        if body is None or len(body) != _WIDGET_FORM.size:
            return None
        conversation_bytes, expires_at, family = _WIDGET_FORM.unpack(body)
        latest = datetime.now(UTC) + WIDGET_LIFETIME + CLOCK_TOLERANCE
        if expires_at > latest.timestamp():
            return None
        return WidgetClaims(UUID(bytes=conversation_bytes), datetime.fromtimestamp(expires_at, UTC), family)

    def _open_first_form(self, signed: bytes) -> bytes | None:
        """Return the body of a token without key id and family, as Baton issued them at first."""
        body, signature = signed[:_FIRST_FORM_BYTES], signed[_FIRST_FORM_BYTES:]
        for key in self._first_form_keys:
            if hmac.compare_digest(signature, hmac.digest(key, body, "sha256")):
                return body + bytes(_WIDGET_FORM.size - _FIRST_FORM_BYTES)
        return None


_API_KEYS = CompiledLookUp(
    select(
        ApiKey.key_hash,
        ApiKey.id,
        ApiKey.workspace_id,
        ApiKey.scopes,
        ApiKey.last_used_at,
        ApiKey.networks,
    ).where(ApiKey.revoked_at.is_(None), func.coalesce(ApiKey.expires_at > bindparam("now"), True)),
    ApiKey.key_hash,
)
_SESSIONS = CompiledLookUp(
    select(MemberSession.token_hash, Member.id, Member.workspace_id, Member.role, MemberSession.last_used_at)
    .join(Member, MemberSession.member_id == Member.id)
    .where(
        func.least(MemberSession.expires_at, MemberSession.idle_ends_at) > bindparam("now"),
        Member.removed_at.is_(None),
    ),
    MemberSession.token_hash,
)
_CONVERSATIONS = CompiledLookUp(
    select(Conversation.id, Conversation.workspace_id, Conversation.widget_family).where(
        Conversation.erased_at.is_(None)
    ),
    Conversation.id,
)


@dataclass(frozen=True, slots=True)
class CredentialUse:
    """The use of a credential: from a network address. A session ends `session_idle` after its last use."""

    address: str
    session_idle: timedelta


@dataclass(frozen=True, slots=True)
class _Credential:
    actor: Actor
    last_used_at: datetime | None = None
    networks: Collection[str] = ()


async def actor_of(
    database: Database, widget_tokens: WidgetTokens, token: str, use: CredentialUse | None = None
) -> Actor | None:
    """Return the actor of a token that a caller presents, or None for one that is not valid there.

    The use of an API key or session is recorded, to the minute: that keeps the write out of nearly every
    call.
    """
    credential = (await _valid_credentials(database, widget_tokens, [token])).get(token)
    if credential is None:
        return None
    if use is not None:
        if credential.networks and not is_in_networks(use.address, credential.networks):
            return None
        await _record_use(database, credential, use)
    return credential.actor


async def _record_use(database: Database, credential: _Credential, use: CredentialUse) -> None:
    actor, used, now = credential.actor, credential.last_used_at, datetime.now(UTC)
    if actor.is_customer or (used is not None and now - used <= _USE_PRECISION):
        return
    if actor.api_key_id:
        recorded = update(ApiKey).where(ApiKey.id == actor.api_key_id)
        recorded = recorded.values(last_used_at=now, last_address=use.address)
    else:
        recorded = update(MemberSession).where(MemberSession.token_hash == actor.session_hash)
        recorded = recorded.values(last_used_at=now, address=use.address, idle_ends_at=now + use.session_idle)
    async with database.autocommit_session() as session:
        await session.execute(recorded)


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
        **await _api_keys(database, [token for token in tokens if is_api_key_text(token)]),
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
            Actor(ActorKind.API_KEY, workspace_id, _scopes_of(*scopes), api_key_id=key_id),
            last_used_at,
            networks,
        )
        for key_hash, key_id, workspace_id, scopes, last_used_at, networks in await _API_KEYS.rows(
            database, list(hashes), now=datetime.now(UTC)
        )
    }


@lru_cache(1_024)
def _scopes_of(*names: str) -> frozenset[Scope]:
    return frozenset(map(Scope, names))


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
            ),
            last_used_at,
        )
        for hashed, member_id, workspace_id, role, last_used_at in await _SESSIONS.rows(
            database, list(hashes), now=datetime.now(UTC)
        )
    }


async def _widgets(
    database: Database, widget_tokens: WidgetTokens, tokens: list[str]
) -> dict[str, _Credential]:
    now = datetime.now(UTC)
    opened = {
        token: contents
        for token in tokens
        if (contents := widget_tokens.read(token)) and now <= contents.expires_at + WIDGET_REFRESH
    }
    if not opened:
        return {}
    ids = {claims.conversation_id for claims in opened.values()}
    rows = await _CONVERSATIONS.rows(database, list(ids))
    current = {(conversation_id, family): workspace_id for conversation_id, workspace_id, family in rows}
    return {
        token: _Credential(
            Actor(
                ActorKind.CUSTOMER,
                current[claims.conversation_id, claims.family],
                conversation_id=claims.conversation_id,
                expired=now >= claims.expires_at,
            )
        )
        for token, claims in opened.items()
        # A token of an earlier family is revoked.
        if (claims.conversation_id, claims.family) in current
    }
