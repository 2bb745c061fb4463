"""The one statement that writes what a transaction has changed, compiled once for each shape.

A shape is a sequence of parts: which columns of which tables are written, and to how many streams entries are
appended. Each part is a CTE. PostgreSQL executes CTEs that write in no promised order, so an append depends
on the one before. A guard depends on the guard before it, and everything else on the last one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import repeat
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    BindParameter,
    Integer,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    insert,
    inspect,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnElement

from models.base import Base
from models.driver_values import DIALECT, Writer, writer_of
from models.log import LogEntry, Stream

# A process uses some dozens of shapes; each takes some milliseconds to compile.
_KEPT = 512

_FIRST, _SECOND = (literal_column(place, Integer) for place in ("0", "1"))


@dataclass(frozen=True, slots=True)
class RowInserts:
    """The part of a shape that inserts `count` rows of a table with the same attributes."""

    model: type[Base]
    keys: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class RowGuard:
    """The part of a shape that locks a row, if it has a given version.

    Guards are the first parts. If a row has another version now, the statement writes nothing and returns
    no row. A shared lock is for a row that others may lock as well.
    """

    model: type[Base]
    shared: bool


@dataclass(frozen=True, slots=True)
class RowUpdate:
    """The part of a shape that changes attributes of a row. A guarded update is the last guard, too."""

    model: type[Base]
    keys: tuple[str, ...]
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class EntryAppend:
    """The part of a shape that appends entries to a stream."""


Part = RowInserts | RowGuard | RowUpdate | EntryAppend


@dataclass(frozen=True, slots=True)
class Append:
    """`count` entries to append to a stream at a time: a JSON list of pairs, each of a type and data."""

    stream: UUID
    count: int
    at: datetime
    entries: str

    @property
    def values(self) -> list[Any]:
        """The values in the order of the parameters of an `EntryAppend`."""
        return [self.stream, self.count, self.at, self.entries]


def row_version(model: type[Base]) -> ColumnElement[str]:
    """Return the version of a row, as text: each change of a row gives it another (`xmin`)."""
    return cast(literal_column(f"{table_of(model).name}.xmin"), Text)


class WriteStatement:
    """The statement of a shape. It returns one row: the new heads of the streams."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parameters: list[BindParameter[Any]] = []
        self._guard: CTE | None = None
        self._heads: list[CTE] = []
        ctes = [cte for number, part in enumerate(parts) for cte in self._ctes(number, part)]
        heads: list[ColumnElement[Any]] = [head.c.head for head in self._heads]
        statement = select(*(heads or [null()])).add_cte(*ctes)
        compiled: Any = statement.compile(dialect=DIALECT)
        self.sql: str = compiled.string
        places = {parameter.key: place for place, parameter in enumerate(self._parameters)}
        writers = [writer_of(parameter.type) for parameter in self._parameters]
        self._order: list[tuple[int, Writer | None]] = [
            (places[name], writers[places[name]]) for name in compiled.positiontup
        ]

    def arguments(self, values: Sequence[Any]) -> list[Any]:
        """Return the arguments for the values of the parts, in the order in which the shape names them."""
        return [write(values[place]) if write else values[place] for place, write in self._order]

    def _parameter(self, type_: Any) -> BindParameter[Any]:
        parameter = bindparam(f"value_{len(self._parameters)}", type_=type_, unique=False)
        self._parameters.append(parameter)
        return parameter

    def _ctes(self, number: int, part: Part) -> Iterator[CTE]:
        if isinstance(part, EntryAppend):
            yield from self._append(number)
            return
        if isinstance(part, RowGuard):
            yield self._lock(number, part)
            return
        if isinstance(part, RowUpdate):
            yield self._update(number, part)
            return
        table, columns = table_of(part.model), columns_of(part.model)
        rows = [
            {columns[key].name: self._parameter(columns[key].type) for key in keys}
            for keys in repeat(part.keys, part.count)
        ]
        if self._guard is None:
            yield insert(table).values(rows).cte(f"added_{number}")
            return
        for place, row in enumerate(rows):
            given = select(*row.values()).select_from(self._guard)
            yield insert(table).from_select(list(row), given).cte(f"added_{number}_{place}")

    def _lock(self, number: int, part: RowGuard) -> CTE:
        table = table_of(part.model)
        unchanged = [*self._own(table), self._has_version(part.model), *self._after_guard()]
        rows = select(*table.primary_key).where(*unchanged)
        locked = rows.with_for_update(read=part.shared, key_share=not part.shared, of=table)
        self._guard = locked.cte(f"locked_{number}")
        return self._guard

    def _update(self, number: int, part: RowUpdate) -> CTE:
        table, columns = table_of(part.model), columns_of(part.model)
        new = {columns[key]: self._parameter(columns[key].type) for key in part.keys}
        changed = update(table).values(new).where(*self._own(table))
        if not part.guarded:
            return changed.where(*self._after_guard()).cte(f"changed_{number}")
        unchanged = changed.where(self._has_version(part.model), *self._after_guard())
        self._guard = unchanged.returning(*table.primary_key).cte(f"changed_{number}")
        return self._guard

    def _own(self, table: Table) -> list[ColumnElement[bool]]:
        return [key == self._parameter(key.type) for key in table.primary_key]

    def _has_version(self, model: type[Base]) -> ColumnElement[bool]:
        return row_version(model) == self._parameter(Text())

    def _after_guard(self) -> list[ColumnElement[bool]]:
        return [] if self._guard is None else _after(self._guard)

    def _append(self, number: int) -> Iterator[CTE]:
        stream, count, at, entries = map(
            self._parameter, (Stream.id.type, BigInteger(), Stream.head_at.type, Text())
        )
        after = _after(self._heads[-1]) if self._heads else self._after_guard()
        head = (
            update(Stream)
            .where(Stream.id == stream, *after)
            .values(head=Stream.head + count, head_at=at)
            .returning(Stream.head)
            .cte(f"head_{number}")
        )
        entry = (
            func.jsonb_array_elements(cast(entries, JSONB))
            .table_valued(column("pair", JSONB), with_ordinality="place")
            .render_derived(f"entry_{number}")
        )
        type_, data = entry.c.pair[_FIRST].astext, entry.c.pair[_SECOND]
        added = insert(LogEntry).from_select(
            ["stream", "position", "type", "data", "occurred_at"],
            select(stream, head.c.head - count + entry.c.place, type_, data, at),
        )
        self._heads.append(head)
        yield from (head, added.cte(f"entries_{number}"))


def _after(before: CTE) -> list[ColumnElement[bool]]:
    """Return conditions that hold for the row of a CTE, which is executed first."""
    return [value.is_not(None) for value in before.c]


@lru_cache(_KEPT)
def write_statement(parts: tuple[Part, ...]) -> WriteStatement:
    """Return the statement of a shape."""
    return WriteStatement(parts)


@lru_cache(None)
def table_of(model: type[Base]) -> Table:
    """Return the table of a model."""
    table = inspect(model).local_table
    assert isinstance(table, Table)
    return table


@lru_cache(None)
def columns_of(model: type[Base]) -> dict[str, Any]:
    """Return the columns of a model by the names of its attributes."""
    return {attribute.key: attribute.columns[0] for attribute in inspect(model).column_attrs}
