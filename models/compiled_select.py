"""Selects that are asked again and again: for every live event, and at every request."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVarTuple, cast

import asyncpg
from sqlalchemy import ColumnElement, Enum, Select, inspect
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.orm import Mapper

from models.database import Database

Ts = TypeVarTuple("Ts")

_DIALECT = dialect()  # type: ignore[no-untyped-call]

# What becomes of the values that a part of a row is made of.
_Maker = Callable[[Sequence[Any]], Any]


class CompiledSelect(Generic[*Ts]):
    """
    A select that is compiled once and put to asyncpg itself: a third of a session's CPU.

    What varies is a `bindparam`. Rows of tables are in no session: nothing of them is ever written.
    """

    def __init__(self, statement: Select[*Ts]) -> None:
        parts = [_part_of(description["expr"]) for description in statement.column_descriptions]
        columns = [column for columns, _ in parts for column in columns]
        compiled = statement.with_only_columns(*columns, maintain_column_froms=True).compile(dialect=_DIALECT)
        self._sql = compiled.string
        self._names: Sequence[str] = compiled.positiontup or ()
        self._fixed = compiled.params
        self._parts = list(_placed(parts))
        # asyncpg returns every value in its type, except enums.
        enums = [
            (index, column.type) for index, column in enumerate(columns) if isinstance(column.type, Enum)
        ]
        self._readers = [(place, _reader_of(enum)) for place, enum in enums]

    async def rows(self, database: Database, **values: Any) -> list[tuple[*Ts]]:
        """Return the rows for these values of the statement's parameters."""
        given = self._fixed | values
        results = await database.fetch(self._sql, *[given[name] for name in self._names])
        return [self._read(record) for record in results]

    def _read(self, record: asyncpg.Record) -> tuple[*Ts]:
        values = list(record)
        for place, reader in self._readers:
            values[place] = reader(values[place])
        return cast("tuple[*Ts]", tuple([make(values[part]) for part, make in self._parts]))


def _part_of(expression: Any) -> tuple[list[ColumnElement[Any]], _Maker]:
    """Return the columns of a selected entity or value, and the builder of it."""
    if not isinstance(expression, type):
        return [expression], _only
    mapper: Mapper[Any] = inspect(expression)
    attributes = list(mapper.column_attrs)
    keys = [attribute.key for attribute in attributes]
    blank = mapper.class_manager.new_instance

    def row(values: Sequence[Any]) -> Any:
        made = blank()
        made.__dict__.update(zip(keys, values, strict=True))
        return made

    return [attribute.columns[0] for attribute in attributes], row


def _only(values: Sequence[Any]) -> Any:
    (value,) = values
    return value


def _placed(parts: Sequence[tuple[list[ColumnElement[Any]], _Maker]]) -> Iterator[tuple[slice, _Maker]]:
    begin = 0
    for columns, make in parts:
        yield slice(begin, begin + len(columns)), make
        begin += len(columns)


def _reader_of(enum: Enum) -> Callable[[str | None], Any]:
    process = cast(Any, enum).result_processor(_DIALECT, None)
    return cast("Callable[[str | None], Any]", process)
