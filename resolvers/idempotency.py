"""Idempotency: the same key and input return the first result."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert

from models.database import Database
from models.idempotency_key import IdempotencyKey
from realtime.transaction import Transaction
from resolvers.actor import Actor
from resolvers.errors import IdempotencyMismatchError
from resolvers.validation import check_key

LIFETIME = timedelta(hours=24)


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
            await self._tx.session.execute(
                update(IdempotencyKey)
                .filter_by(**self._where)
                .values(result={name: str(value) for name, value in ids.items() if value is not None})
            )


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
    where = {"scope_id": scope_id, "operation": operation, "key": key}
    hashed = _hash_of(inputs)
    if await _take(tx, where, hashed):
        return IdempotentCall(tx, where, None)
    row = (await tx.session.execute(select(IdempotencyKey).filter_by(**where))).scalar_one()
    if row.input_hash != hashed:
        raise IdempotencyMismatchError
    return IdempotentCall(tx, where, row.result)


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
    fresh = insert(IdempotencyKey).values(**where, input_hash=hashed, result=None, created_at=now)
    renewed = fresh.on_conflict_do_update(
        index_elements=["scope_id", "operation", "key"],
        set_={"input_hash": hashed, "result": None, "created_at": now},
        where=IdempotencyKey.created_at < now - LIFETIME,
    ).returning(IdempotencyKey.key)
    return await tx.session.scalar(renewed) is not None


def _hash_of(inputs: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(orjson.dumps(inputs, default=str, option=orjson.OPT_SORT_KEYS)).digest()
