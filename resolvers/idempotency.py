"""Idempotency: the same key and input return the first result."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import bindparam, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from models.compiled_select import CompiledSelect, CompiledWrite
from models.database import Database
from models.idempotency_key import IdempotencyKey
from realtime.transaction import Transaction
from resolvers.actor import Actor
from resolvers.errors import IdempotencyMismatchError
from resolvers.validation import check_key

LIFETIME = timedelta(hours=24)


# The names of parameters differ from those of columns, which SQLAlchemy would set.
_SCOPE = bindparam("of_scope", type_=IdempotencyKey.scope_id.type)
_OPERATION = bindparam("of_operation", type_=IdempotencyKey.operation.type)
_KEY = bindparam("of_key", type_=IdempotencyKey.key.type)
_HASH = bindparam("of_input", type_=IdempotencyKey.input_hash.type)
_NOW = bindparam("now", type_=IdempotencyKey.created_at.type)
_SAME_KEY = (
    IdempotencyKey.scope_id == _SCOPE,
    IdempotencyKey.operation == _OPERATION,
    IdempotencyKey.key == _KEY,
)
_TAKE = CompiledWrite(
    insert(IdempotencyKey)
    .values(scope_id=_SCOPE, operation=_OPERATION, key=_KEY, input_hash=_HASH, result=None, created_at=_NOW)
    .on_conflict_do_update(
        index_elements=["scope_id", "operation", "key"],
        set_={"input_hash": _HASH, "result": None, "created_at": _NOW},
        where=IdempotencyKey.created_at < bindparam("expired_before", type_=IdempotencyKey.created_at.type),
    )
    .returning(IdempotencyKey.key)
)
_FIRST_CALL = CompiledSelect(select(IdempotencyKey.input_hash, IdempotencyKey.result).where(*_SAME_KEY))
_STORE = CompiledWrite(
    update(IdempotencyKey)
    .where(*_SAME_KEY)
    .values(result=bindparam("ids", type_=IdempotencyKey.result.type))
    .returning(IdempotencyKey.key)
)


class IdempotentCall:
    """A call with an idempotency key. `result` holds the ids of the first call when this one repeats it.

    A call without a key never repeats another and stores nothing.
    """

    def __init__(
        self, tx: Transaction, where: Mapping[str, Any] | None, result: dict[str, Any] | None
    ) -> None:
        self._tx = tx
        self._where = where
        self.result = result

    async def store_result(self, **ids: Any) -> None:
        """Store the ids of the result in the transaction, for repeated calls."""
        if self._where is not None:
            result = {name: str(value) for name, value in ids.items() if value is not None}
            await self._tx.fetch(_STORE, **self._where, ids=result)


async def begin_idempotent(
    tx: Transaction, actor: Actor, operation: str, key: str | None, inputs: Mapping[str, Any]
) -> IdempotentCall:
    """Take the key as the transaction's first lock: a concurrent call with the same key waits here.

    Raises IdempotencyMismatchError when it was used with another input within 24 hours.
    """
    return await begin_idempotent_in(tx, actor.idempotency_scope, operation, key, inputs)


async def begin_idempotent_in(
    tx: Transaction, scope_id: UUID, operation: str, key: str | None, inputs: Mapping[str, Any]
) -> IdempotentCall:
    """Take the key within a scope other than the actor's own, as `begin_idempotent` does."""
    if check_key("idempotency_key", key) is None:
        return IdempotentCall(tx, None, None)
    where = {"of_scope": scope_id, "of_operation": operation, "of_key": key}
    hashed = _hash_of(inputs)
    if await _take(tx, where, hashed):
        return IdempotentCall(tx, where, None)
    ((first_hash, result),) = await tx.fetch(_FIRST_CALL, **where)
    if first_hash != hashed:
        raise IdempotencyMismatchError
    return IdempotentCall(tx, where, result)


async def is_used(database: Database, scope_id: UUID, operation: str, key: str | None) -> bool:
    """Return whether a call with this key has been made, whatever its input."""
    if key is None:
        return False
    now = datetime.now(UTC)
    used = exists().where(
        IdempotencyKey.scope_id == scope_id,
        IdempotencyKey.operation == operation,
        IdempotencyKey.key == key,
        IdempotencyKey.created_at >= now - LIFETIME,
    )
    async with database.autocommit_session() as session:
        return bool(await session.scalar(select(used)))


async def _take(tx: Transaction, where: Mapping[str, Any], hashed: bytes) -> bool:
    now = datetime.now(UTC)
    return bool(await tx.fetch(_TAKE, **where, of_input=hashed, now=now, expired_before=now - LIFETIME))


def _hash_of(inputs: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(orjson.dumps(inputs, default=str, option=orjson.OPT_SORT_KEYS)).digest()
