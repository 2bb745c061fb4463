"""API keys."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from models.api_key import ApiKey
from models.ids import new_id
from realtime.transaction import Transaction
from resolvers.audit import record_act
from resolvers.context import Context
from resolvers.credentials import token_hash
from resolvers.errors import BadInputError, ConflictError
from resolvers.list_limits import API_KEYS, check_row_limit
from resolvers.permissions import permitted
from resolvers.validation import check_name, check_range
from resolvers.visibility import API_KEY, Visibility, visible_api_keys
from rules.api_key_text import api_key_prefix, api_key_text
from rules.audit import AuditAction
from rules.network_address import network_error
from rules.roles import Scope
from rules.typeid import API_KEY as API_KEY_PREFIX
from rules.typeid import format_id

LIFETIME = timedelta(days=365)
LONGEST_LIFETIME = 100 * LIFETIME
LONGEST_OVERLAP = timedelta(days=30)
MOST_NETWORKS = 50


@permitted("apiKeys")
async def api_keys(context: Context) -> list[ApiKey]:
    """Return the newest keys of the workspace, newest first, revoked ones included."""
    # Revoked keys give way to the others.
    order = ApiKey.revoked_at.is_not(None), ApiKey.id.desc()
    listed = visible_api_keys(Visibility.of(context.actor)).order_by(*order).limit(API_KEYS)
    async with context.database.autocommit_session() as session:
        return sorted(await session.scalars(listed), key=lambda key: key.id, reverse=True)


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """The input of a new key. `expires_at` is None for a key that never ends.

    With `networks` in CIDR notation, the key is valid only for addresses in one of them.
    """

    name: str
    scopes: Sequence[Scope]
    expires_at: datetime | None
    networks: Sequence[str] = ()
    owner_id: UUID | None = None


def default_key_end() -> datetime:
    """Return the end of a key for which none is given: after one year."""
    return datetime.now(UTC) + LIFETIME


@permitted("createApiKey")
async def create_api_key(context: Context, new: NewApiKey) -> tuple[ApiKey, str]:
    """Create a key; return its row and the key itself, which is shown only once."""
    check_name("name", new.name)
    if not new.scopes:
        raise BadInputError("scopes", "is empty: a key without a scope has no use")
    if Scope.INCOMING_WEBHOOK in new.scopes and len(set(new.scopes)) > 1:
        raise BadInputError(
            "scopes", "combines INCOMING_WEBHOOK with others: an incoming-webhook key appears in a URL"
        )
    _check_networks(new.networks)
    async with context.services.transactions.begin() as tx:
        now = await tx.read_clock()
        if new.expires_at is not None and new.expires_at <= now:
            raise BadInputError("expires_at", "is in the past")
        if new.expires_at is not None and new.expires_at > now + LONGEST_LIFETIME:
            raise BadInputError(
                "expires_at", "is more than 100 years from now; null makes a key that does not end"
            )
        valid = ApiKey.workspace_id == context.actor.workspace_id, ApiKey.revoked_at.is_(None)
        await check_row_limit(tx, ApiKey, API_KEYS, "API keys that are not revoked", *valid)
        owned = replace(new, owner_id=context.actor.member_id)
        key, token = make_api_key(tx, context.actor.workspace_id, owned)
        target = format_id(API_KEY_PREFIX, key.id)
        await record_act(tx, context, AuditAction.CREATE_API_KEY, target, scopes=key.scopes)
    return key, token


def _check_networks(networks: Sequence[str]) -> None:
    if len(networks) > MOST_NETWORKS:
        raise BadInputError("networks", f"has {len(networks)} entries; at most {MOST_NETWORKS} are allowed")
    for place, network in enumerate(networks):
        if fault := network_error(network):
            raise BadInputError(f"networks.{place}", fault)


def make_api_key(tx: Transaction, workspace_id: UUID, new: NewApiKey) -> tuple[ApiKey, str]:
    """Add the row of a new key; return it and the key itself."""
    key_id = new_id()
    text = api_key_text(key_id, secrets.token_urlsafe(32))
    key = ApiKey(
        id=key_id,
        workspace_id=workspace_id,
        name=new.name,
        prefix=api_key_prefix(key_id),
        key_hash=token_hash(text),
        scopes=sorted({scope.value for scope in new.scopes}),
        owner_id=new.owner_id,
        networks=list(new.networks),
        created_at=tx.now,
        expires_at=new.expires_at,
    )
    tx.session.add(key)
    return key, text


@permitted("rotateApiKey", API_KEY)
async def rotate_api_key(context: Context, key_id: UUID, overlap_seconds: int) -> tuple[ApiKey, ApiKey, str]:
    """Create a key in the place of another; return the old row, the new one, and the new key itself.

    The new key has the name, scopes, networks and lifetime of the old one, which ends after the overlap.
    Raises ConflictError for a key that has ended.
    """
    check_range("overlap_seconds", overlap_seconds, 0, int(LONGEST_OVERLAP.total_seconds()))
    async with context.services.transactions.begin() as tx:
        old = await API_KEY.lock(tx, context.actor, key_id)
        now = await tx.read_clock()
        if old.revoked_at or (old.expires_at and old.expires_at <= now):
            raise ConflictError("This key has ended: create another one.")
        lifetime = old.expires_at - old.created_at if old.expires_at else None
        new = NewApiKey(
            name=old.name,
            scopes=[Scope(scope) for scope in old.scopes],
            expires_at=now + lifetime if lifetime else None,
            networks=old.networks,
            owner_id=context.actor.member_id,
        )
        key, text = make_api_key(tx, context.actor.workspace_id, new)
        ends = now + timedelta(seconds=overlap_seconds)
        old.expires_at = min(old.expires_at or ends, ends)
        target = format_id(API_KEY_PREFIX, key_id)
        created = format_id(API_KEY_PREFIX, key.id)
        await record_act(tx, context, AuditAction.ROTATE_API_KEY, target, created=created)
    return old, key, text


@permitted("revokeApiKey", API_KEY)
async def revoke_api_key(context: Context, key_id: UUID) -> ApiKey:
    """Revoke a key; revoking it again changes nothing."""
    async with context.services.transactions.begin() as tx:
        key = await API_KEY.lock(tx, context.actor, key_id)
        now = await tx.read_clock()
        if key.revoked_at is None:
            key.revoked_at = now
            await record_act(tx, context, AuditAction.REVOKE_API_KEY, format_id(API_KEY_PREFIX, key_id))
    return key


@permitted("apiKeys", API_KEY)
async def api_key_by_id(context: Context, key_id: UUID) -> ApiKey | None:
    """Return the key's row, or None."""
    return await API_KEY.find(context.database, context.actor, key_id)
