"""Transactions that read and write all rows through a session, as a reference for the ledger."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, TypeVarTuple

import orjson
from sqlalchemy import text

from models.base import Base
from models.compiled_select import CompiledStatement
from models.database import Database
from models.driver_values import json_text
from models.ledger import Ledger
from models.plain_row import PlainRow
from models.write_statement import Append
from realtime import log
from realtime.pubsub import Wakeup
from realtime.timers import set_timers
from realtime.transaction import LockRequiredError, Transaction, Transactions, UnlockedTransaction

R = TypeVar("R")
T = TypeVar("T", bound="_SessionTransaction")
Ts = TypeVarTuple("Ts")

_APPEND = text(
    """
    WITH bumped AS (
        UPDATE streams SET head = head + :count, head_at = :at WHERE id = :stream RETURNING head
    )
    INSERT INTO log (stream, position, type, data, occurred_at)
    SELECT :stream, bumped.head - :count + fresh.place, fresh.type, CAST(fresh.data AS jsonb), :at
    FROM bumped,
         unnest(CAST(:types AS text[]), CAST(:data AS text[])) WITH ORDINALITY AS fresh (type, data, place)
    RETURNING position
    """
)


class _Copy:
    """The row of a session in place of a plain row; a change of one is made in the other, too."""

    def __init__(self, plain: PlainRow) -> None:
        self._plain = plain
        self.row = plain.model(**vars(plain))
        self._before = dict(vars(plain))

    def exchange(self) -> None:
        """Make the changes of each side in the other."""
        for key, before in self._before.items():
            if (value := getattr(self._plain, key)) != before:
                setattr(self.row, key, value)
            elif (value := getattr(self.row, key)) != before:
                setattr(self._plain, key, value)
            self._before[key] = value


class _SessionTransaction(Transaction):
    _copies: list[_Copy]

    def add(self, row: Base) -> None:
        assert isinstance(row, PlainRow)
        copy = _Copy(row)
        self._copies.append(copy)
        self.session.add(copy.row)

    def _exchange(self) -> None:
        for copy in self._copies:
            copy.exchange()

    async def fetch(self, statement: CompiledStatement[*Ts], **values: Any) -> list[tuple[*Ts]]:
        self._exchange()
        options = {"populate_existing": True, "synchronize_session": False}
        rows = await self.session.execute(statement.source, values, execution_options=options)
        return [tuple(row) for row in rows]

    async def flush(self) -> None:
        self._exchange()
        await self.session.flush()

    async def write(self) -> list[Wakeup]:
        await self.flush()
        if self._timers:
            await set_timers(self._opened.connection, self._timers)
        return [
            Wakeup(stream, await self._append(log.append(stream, entries, self.now)))
            for entries_of in (self._conversation, self._workspace)
            for stream, entries in sorted(entries_of.items())
        ]

    async def _append(self, new: Append) -> int:
        types, data = zip(*orjson.loads(new.entries), strict=True)
        values = {"stream": new.stream, "count": new.count, "at": new.at, "types": types}
        positions = await self.session.scalars(_APPEND, {**values, "data": [*map(json_text, data)]})
        return max(int(position) for position in positions)


class _UnlockedSessionTransaction(_SessionTransaction, UnlockedTransaction):
    """An unlocked transaction in a session: one call at a time needs no lock."""

    async def fetch(self, statement: CompiledStatement[*Ts], **values: Any) -> list[tuple[*Ts]]:
        raise LockRequiredError

    async def read(self, statement: CompiledStatement[*Ts], **values: Any) -> list[tuple[*Ts]]:
        return await _SessionTransaction.fetch(self, statement, **values)

    async def write(self) -> list[Wakeup]:
        if self._timers:
            raise LockRequiredError
        return await super().write()


@dataclass
class FixedClock:
    """The time of the transactions that follow."""

    now: datetime


class ClockedTransactions(Transactions):
    """Transactions of the service, at the time of a clock."""

    def __init__(self, database: Database, publish: Callable[[Wakeup], None], clock: FixedClock) -> None:
        super().__init__(database, publish)
        self._clock = clock

    @asynccontextmanager
    async def begin(self, replay_clock: datetime | None = None) -> AsyncIterator[Transaction]:
        async with super().begin(self._clock.now) as tx:
            yield tx

    async def change_without_lock(
        self, change: Callable[[UnlockedTransaction], Awaitable[R]], replay_clock: datetime | None = None
    ) -> R:
        return await super().change_without_lock(change, self._clock.now)


class SessionTransactions(ClockedTransactions):
    """The same, each in a session."""

    @asynccontextmanager
    async def begin(self, replay_clock: datetime | None = None) -> AsyncIterator[Transaction]:
        async with self._session(_SessionTransaction) as tx:
            yield tx

    async def change_without_lock(
        self, change: Callable[[UnlockedTransaction], Awaitable[R]], replay_clock: datetime | None = None
    ) -> R:
        async with self._session(_UnlockedSessionTransaction) as tx:
            return await change(tx)

    @asynccontextmanager
    async def _session(self, kind: type[T]) -> AsyncIterator[T]:
        async with self._database.transaction() as opened:
            tx = kind.__new__(kind)
            tx._copies = []
            Transaction.__init__(tx, opened, Ledger(opened.connection.fetch), self._clock.now)
            yield tx
            wakeups = await tx.write()
            await opened.commit()
        self._publish(wakeups)
