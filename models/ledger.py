"""Rows of a transaction that are read and written without a session: one statement writes them all."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVarTuple, cast
from uuid import UUID

import asyncpg

from models.base import Base
from models.compiled_select import CompiledStatement
from models.plain_row import PlainRow
from models.write_statement import (
    Append,
    EntryAppend,
    Part,
    RowGuard,
    RowInserts,
    RowUpdate,
    columns_of,
    table_of,
    write_statement,
)

Ts = TypeVarTuple("Ts")

Fetch = Callable[..., Awaitable[list[asyncpg.Record]]]

# The class and the primary key of a row.
_Identity = tuple[Any, ...]
_Step = tuple[Part, list[Any]]

# A transaction that changes many conversations takes several statements, so that none is long to compile.
_PARTS, _ROWS = 16, 16


@dataclass(frozen=True, slots=True)
class RowVersion:
    """The version that a row had when it was read (`row_version`).

    One that is `shared` is only read: others may lock the row for that, too.
    """

    model: type[Base]
    id: UUID
    version: str
    shared: bool = False


class Ledger:
    """The rows that a transaction has read or added, each with its values in the database.

    A row is one object, however often it is read. The transaction must hold the lock that keeps others from
    changing the rows that it changes. `fetch` executes statements, and `write` those that write, if given.
    """

    def __init__(self, fetch: Fetch, write: Fetch | None = None) -> None:
        self._execute = fetch
        self._execute_write = write or fetch
        self._stored: dict[_Identity, tuple[PlainRow, dict[str, Any]]] = {}
        self._added: list[PlainRow] = []

    def add(self, row: Base) -> None:
        """Insert the row when the transaction is written."""
        assert isinstance(row, PlainRow), "a new row of the ledger is made by new_row"
        self._added.append(row)

    async def fetch(self, statement: CompiledStatement[*Ts], **values: Any) -> list[tuple[*Ts]]:
        """Return the rows of a statement for these values of the parameters.

        A row that was read before gets its current values, unless it has changes that are not written yet.
        """
        records = await self._execute(statement.sql, *statement.arguments(values))
        return [self._tracked(statement.row(record)) for record in records]

    async def flush(self) -> None:
        """Write new and changed rows now, for statements that follow."""
        await self.write(())
        for row in [*self._added, *(row for row, _ in self._stored.values())]:
            self._stored[_identity(row)] = row, _values(row)
        self._added.clear()

    async def write(self, appends: Sequence[Append]) -> list[int]:
        """Write new and changed rows at the end of the transaction, and append to the streams in order.

        Return the new heads of the streams.
        """
        heads: list[int] = []
        steps = [*self._inserts(), *self._updates(), *((EntryAppend(), append.values) for append in appends)]
        for begin in range(0, len(steps), _PARTS):
            some = steps[begin : begin + _PARTS]
            statement = write_statement(tuple(part for part, _ in some))
            values = [value for _, values in some for value in values]
            (record,) = await self._execute_write(statement.sql, *statement.arguments(values))
            heads += [head for head in record if head is not None]
        return heads

    async def write_if_unchanged(
        self, versions: Sequence[RowVersion], appends: Sequence[Append]
    ) -> list[int] | None:
        """Write and append in one statement, if the rows that were read still have these versions.

        The statement locks them in this order. Return the new heads of the streams, or None if nothing was
        written.
        """
        steps = [
            *self._guards(versions),
            *self._inserts(),
            *((EntryAppend(), append.values) for append in appends),
        ]
        statement = write_statement(tuple(part for part, _ in steps))
        given = statement.arguments([value for _, values in steps for value in values])
        for record in await self._execute_write(statement.sql, *given):
            return list(record)
        return None

    def _guards(self, versions: Sequence[RowVersion]) -> Iterator[_Step]:
        """Yield the guards, and the updates after them. The update of the last row guards it, too."""
        *first, last = versions
        for row in first:
            yield RowGuard(row.model, row.shared), [row.id, row.version]
        # The key of a row is the last of the values of its update.
        updates = {(update.model, values[-1]): (update.keys, values) for update, values in self._updates()}
        keys, values = updates.pop((last.model, last.id), ((), [last.id]))
        guard = RowUpdate(last.model, keys, guarded=True) if keys else RowGuard(last.model, last.shared)
        yield guard, [*values, last.version]
        for (model, _), (changed, new) in updates.items():
            yield RowUpdate(model, changed), new

    def _tracked(self, selected: tuple[*Ts]) -> tuple[*Ts]:
        # Part for part of the same type, which a tuple made from a list cannot express.
        parts = [self._first_read(part) if isinstance(part, PlainRow) else part for part in selected]
        return cast("tuple[*Ts]", tuple(parts))

    def _first_read(self, row: PlainRow) -> PlainRow:
        first, stored = self._stored.get(identity := _identity(row), (row, None))
        if stored is None or not _changed(first, stored):
            vars(first).update(current := _values(row))
            self._stored[identity] = first, current
        return first

    def _inserts(self) -> Iterator[_Step]:
        groups: dict[tuple[type[Base], tuple[str, ...]], list[dict[str, Any]]] = {}
        for row in self._added:
            groups.setdefault((row.model, tuple(values := _values(row))), []).append(values)
        for (model, keys), rows in groups.items():
            for begin in range(0, len(rows), _ROWS):
                some = rows[begin : begin + _ROWS]
                yield RowInserts(model, keys, len(some)), [value for row in some for value in row.values()]

    def _updates(self) -> Iterator[tuple[RowUpdate, list[Any]]]:
        for (model, *key), (row, stored) in self._stored.items():
            if changed := _changed(row, stored):
                current = vars(row)
                yield RowUpdate(model, tuple(changed)), [*[current[name] for name in changed], *key]


def _changed(row: PlainRow, stored: dict[str, Any]) -> list[str]:
    current = vars(row)
    return [name for name, value in stored.items() if (new := current[name]) is not value and new != value]


def _values(row: PlainRow) -> dict[str, Any]:
    """Return the values of the row's columns, which are all that a plain row has."""
    return dict(vars(row))


@cache
def _primary_key(model: type[Base]) -> tuple[str, ...]:
    keys = {column: key for key, column in columns_of(model).items()}
    return tuple(keys[column] for column in table_of(model).primary_key)


def _identity(row: PlainRow) -> _Identity:
    values, model = vars(row), row.model
    return (model, *(values[key] for key in _primary_key(model)))
