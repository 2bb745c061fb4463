"""Credentials: how they are made, and whom one that is presented speaks for."""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, select, update

from models.api_key import ApiKey
from models.compiled_select import CompiledSelect
from models.conversation import Conversation
from models.database import Database
from models.member import Member, MemberSession
from resolvers.actor import Actor, ActorKind
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
# Between the clock of the machine that signed a token and the one that reads it.
CLOCK_TOLERANCE = timedelta(minutes=5)

_WIDGET_FORM = struct.Struct(">16sQ")


def new_token(start: str) -> str:
    """A token of 256 random bits."""
    return start + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What is kept of a token. A plain SHA-256 does: 256 random bits cannot be guessed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class WidgetTokens:
    """Signs and reads widget tokens; nothing of them is stored."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"baton widget token\0" + secret.encode()).digest()

    def issue(self, conversation: UUID, now: datetime) -> tuple[str, datetime]:
        """A token that opens `conversation` for an hour, and when it ends."""
        expires_at = (now + WIDGET_LIFETIME).replace(microsecond=0)
        body = _WIDGET_FORM.pack(conversation.bytes, int(expires_at.timestamp()))
        signed = body + hmac.digest(self._key, body, "sha256")
        return WIDGET_START + base64.urlsafe_b64encode(signed).decode().rstrip("="), expires_at

    def read(self, token: str) -> tuple[UUID, datetime] | None:
        """Return the conversation and the end of a token that was signed here, else None.

        A token that ends later than one issued now is refused, signed or not.
        """
        text = token.removeprefix(WIDGET_START)
        try:
            signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        body, signature = signed[: _WIDGET_FORM.size], signed[_WIDGET_FORM.size :]
        if len(body) < _WIDGET_FORM.size:
            return None
        if not hmac.compare_digest(signature, hmac.digest(self._key, body, "sha256")):
            return None
        conversation, expires_at = _WIDGET_FORM.unpack(body)
        latest = datetime.now(UTC) + WIDGET_LIFETIME + CLOCK_TOLERANCE
        if expires_at > latest.timestamp():
            return None
        return UUID(bytes=conversation), datetime.fromtimestamp(expires_at, UTC)


_API_KEY = CompiledSelect(
    select(ApiKey.id, ApiKey.workspace_id, ApiKey.scopes, ApiKey.last_used_at).where(
        ApiKey.key_hash == bindparam("hash"), ApiKey.revoked_at.is_(None)
    )
)
_MEMBER = CompiledSelect(
    select(Member.id, Member.workspace_id, Member.role)
    .join(MemberSession, MemberSession.member_id == Member.id)
    .where(
        MemberSession.token_hash == bindparam("hash"),
        MemberSession.expires_at > bindparam("now"),
        Member.removed_at.is_(None),
    )
)
_WORKSPACE = CompiledSelect(
    select(Conversation.workspace_id).where(Conversation.id == bindparam("conversation"))
)


async def actor_of(database: Database, tokens: WidgetTokens, token: str) -> Actor | None:
    """Whom `token` speaks for now; None for one that is unknown, revoked or has run out."""
    if token.startswith(API_KEY_START):
        return await _api_key_actor(database, token)
    if token.startswith(SESSION_START):
        return await _member_actor(database, token)
    if token.startswith(WIDGET_START):
        return await _customer_actor(database, tokens, token)
    return None


async def _api_key_actor(database: Database, token: str) -> Actor | None:
    for key, workspace, scopes, last_used_at in await _API_KEY.rows(database, hash=token_hash(token)):
        await _note_use(database, key, last_used_at)
        return Actor(ActorKind.API_KEY, workspace, frozenset(map(Scope, scopes)), api_key_id=key)
    return None


async def _note_use(database: Database, key: UUID, last_used_at: datetime | None) -> None:
    # To the minute is enough, and keeps the write off nearly every call.
    now = datetime.now(UTC)
    if last_used_at is None or now - last_used_at > timedelta(minutes=1):
        async with database.autocommit_session() as session:
            await session.execute(update(ApiKey).where(ApiKey.id == key).values(last_used_at=now))


async def _member_actor(database: Database, token: str) -> Actor | None:
    hashed = token_hash(token)
    for member, workspace, role in await _MEMBER.rows(database, hash=hashed, now=datetime.now(UTC)):
        scopes = SCOPES_OF_ROLE[role]
        return Actor(ActorKind.TEAM_MEMBER, workspace, scopes, member_id=member, session_hash=hashed)
    return None


async def _customer_actor(database: Database, tokens: WidgetTokens, token: str) -> Actor | None:
    found = tokens.read(token)
    if found is None:
        return None
    conversation, expires_at = found
    now = datetime.now(UTC)
    if now > expires_at + WIDGET_REFRESH:
        return None
    for (workspace,) in await _WORKSPACE.rows(database, conversation=conversation):
        return Actor(ActorKind.CUSTOMER, workspace, conversation_id=conversation, expired=now >= expires_at)
    return None
