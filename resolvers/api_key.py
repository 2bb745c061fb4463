"""API keys."""

from collections.abc import Sequence
from uuid import UUID

from models.api_key import ApiKey
from realtime.transaction import Transaction
from resolvers.context import Context
from resolvers.credentials import API_KEY_START, PREFIX_LENGTH, new_token, token_hash
from resolvers.errors import BadInputError
from resolvers.permissions import permitted
from resolvers.validation import check_name
from resolvers.visibility import API_KEY, Visibility, visible_api_keys
from rules.roles import Scope


@permitted("apiKeys")
async def api_keys(context: Context) -> list[ApiKey]:
    """Return the workspace's keys, newest first, revoked ones included."""
    newest_first = visible_api_keys(Visibility.of(context.actor)).order_by(ApiKey.id.desc())
    async with context.database.autocommit_session() as session:
        return list(await session.scalars(newest_first))


@permitted("createApiKey")
async def create_api_key(context: Context, name: str, scopes: Sequence[Scope]) -> tuple[ApiKey, str]:
    """Create a key; return its row and the key itself, which is shown only once."""
    check_name("name", name)
    if not scopes:
        raise BadInputError("scopes", "is empty: a key without a scope has no use")
    if Scope.INCOMING_WEBHOOK in scopes and len(set(scopes)) > 1:
        raise BadInputError(
            "scopes", "combines INCOMING_WEBHOOK with others: an incoming-webhook key appears in a URL"
        )
    async with context.services.transactions.begin() as tx:
        await tx.read_clock()
        return make_api_key(tx, context.actor.workspace_id, name, scopes)


def make_api_key(
    tx: Transaction, workspace_id: UUID, name: str, scopes: Sequence[Scope]
) -> tuple[ApiKey, str]:
    """Add the row of a new key; return it and the key itself."""
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
    """Revoke a key; revoking it again changes nothing."""
    async with context.services.transactions.begin() as tx:
        key = await API_KEY.lock(tx, context.actor, key_id)
        now = await tx.read_clock()
        key.revoked_at = key.revoked_at or now
    return key


@permitted("apiKeys", API_KEY)
async def api_key_by_id(context: Context, key_id: UUID) -> ApiKey | None:
    """Return the key's row, or None."""
    return await API_KEY.find(context.database, context.actor, key_id)
