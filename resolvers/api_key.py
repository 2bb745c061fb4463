"""API keys."""

from collections.abc import Sequence
from uuid import UUID

from models.api_key import ApiKey
from realtime.transaction import Transaction
from resolvers.context import Context
from resolvers.credentials import API_KEY_START, PREFIX_LENGTH, new_token, token_hash
from resolvers.errors import BadInputError, NotFoundError
from resolvers.permissions import permitted
from resolvers.validation import check_name
from resolvers.visibility import API_KEY, visible_api_keys
from rules.roles import Scope


@permitted("apiKeys")
async def api_keys(context: Context) -> list[ApiKey]:
    """The workspace's keys, newest first, revoked ones included."""
    async with context.database.autocommit_session() as session:
        found = await session.scalars(visible_api_keys(context.actor).order_by(ApiKey.id.desc()))
        return list(found)


@permitted("createApiKey")
async def create_api_key(context: Context, name: str, scopes: Sequence[Scope]) -> tuple[ApiKey, str]:
    """A new key: its row, and the key itself, which is shown this once."""
    check_name("name", name)
    if not scopes:
        raise BadInputError("scopes", "is empty: a key without a scope can do nothing")
    if Scope.INCOMING_WEBHOOK in scopes and len(set(scopes)) > 1:
        raise BadInputError(
            "scopes",
            "mixes INCOMING_WEBHOOK with others: its key stands in an address, so it is for that alone",
        )
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        return make_api_key(tx, context.actor.workspace_id, name, scopes)


def make_api_key(
    tx: Transaction, workspace_id: UUID, name: str, scopes: Sequence[Scope]
) -> tuple[ApiKey, str]:
    """Adds the row of a new key, and gives the key itself."""
    token = new_token(API_KEY_START)
    key = ApiKey(
        workspace_id=workspace_id,
        name=name,
        prefix=token[:PREFIX_LENGTH],
        key_hash=token_hash(token),
        scopes=sorted({scope.value for scope in scopes}),
        created_at=tx.now,
    )
    tx.session.add(key)
    return key, token


@permitted("revokeApiKey", API_KEY)
async def revoke_api_key(context: Context, key_id: UUID) -> ApiKey:
    """Ends a key; ending it again changes nothing."""
    async with context.services.transactions.begin() as tx:
        found = await tx.session.execute(
            visible_api_keys(context.actor).where(ApiKey.id == key_id).with_for_update()
        )
        key = found.scalar_one_or_none()
        if key is None:
            raise NotFoundError("API key")
        now = await tx.read_clock()
        key.revoked_at = key.revoked_at or now
    return key


@permitted("apiKeys", API_KEY)
async def api_key_by_id(context: Context, key_id: UUID) -> ApiKey | None:
    """The key's row, or None."""
    async with context.database.autocommit_session() as session:
        found: ApiKey | None = await session.scalar(
            visible_api_keys(context.actor).where(ApiKey.id == key_id)
        )
        return found
