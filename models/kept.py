"""Selects that are asked again and again, on the path of every live event."""

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast

import asyncpg
from sqlalchemy import ColumnElement, Enum, Select, inspect
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from models.base import Base
from models.database import Database

T = TypeVar("T", bound=Base)

_DIALECT = dialect()  # type: ignore[no-untyped-call]


class Kept(Generic[T]):
    """
    A select of one table's rows that is compiled once and put to asyncpg itself: a third of a session's CPU.

    What varies is a `bindparam`. The rows have the columns of the table's class and none of its methods.
    """

    def __init__(self, entity: type[T], statement: Select[Any]) -> None:
        attributes = list(inspect(entity).column_attrs)
        columns = [cast("ColumnElement[Any]", one.columns[0]) for one in attributes]
        compiled = statement.with_only_columns(*columns).compile(dialect=_DIALECT)
        self._sql = compiled.string
        self._names: Sequence[str] = compiled.positiontup or ()
        self._fixed = compiled.params
        self._row = _row_of(entity, [one.key for one in attributes])
        # asyncpg gives everything as it is to be, except the words of enums.
        enums = [(place, one.type) for place, one in enumerate(columns) if isinstance(one.type, Enum)]
        self._readers = [(place, _reader_of(enum)) for place, enum in enums]

    async def rows(self, database: Database, **values: Any) -> list[T]:
        """The rows for these values of the statement's parameters."""
        given = self._fixed | values
        found = await database.fetch(self._sql, *[given[name] for name in self._names])
        return [self._read(record) for record in found]

    def _read(self, record: asyncpg.Record) -> T:
        values = list(record)
        for place, reader in self._readers:
            values[place] = reader(values[place])
        return cast(T, self._row(*values))


def _row_of(entity: type[Base], names: list[str]) -> Callable[..., Any]:
    # Which names there are is known by the table alone.
    return namedtuple(entity.__name__, names)


def _reader_of(enum: Enum) -> Callable[[str | None], Any]:
    process = cast(Any, enum).result_processor(_DIALECT, None)
    return cast("Callable[[str | None], Any]", process)
