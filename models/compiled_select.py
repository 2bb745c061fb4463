"""Statements that are compiled once, for every request, transaction and live event."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVarTuple, cast

import asyncpg
from sqlalchemy import ColumnElement, Enum, Select, inspect
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.util import AliasedInsp
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from models.base import Base
from models.database import Database
from models.driver_values import DIALECT, Writer, writer_of
from models.plain_row import plain_maker, record_class

Ts = TypeVarTuple("Ts")

# The columns that are shown, by model. A model that is missing shows all.
Shown = Mapping[type[Any], frozenset[str]]
EVERYTHING: Shown = {}
# Of one select. They are as many as the documents of a process select different fields.
_NARROWER_KEPT = 64


class _Part(NamedTuple):
    """The columns of one selected value, or of a row of `model` with the names of its attributes."""

    columns: Sequence[ColumnElement[Any]]
    model: type[Base] | None = None
    names: Sequence[str] = ()


class CompiledStatement(Generic[*Ts]):
    """A statement that returns rows, for asyncpg. Each variable value is a `bindparam`.

    Rows of tables are plain objects: adding one to a session raises ReadOnlyRowError. `source` is the
    statement before it was compiled.
    """

    def __init__(self, source: Any, compiled: SQLCompiler, parts: Sequence["_Part"]) -> None:
        self.source = source
        self.sql = compiled.string
        names: Sequence[str] = compiled.positiontup or ()
        self._values: list[tuple[str, Writer | None]] = [
            (name, writer_of(compiled.binds[name].type)) for name in names
        ]
        self._fixed = compiled.params
        self._parts = [(part, places) for part, places in _with_places(parts)]
        self._makers = [
            (
                plain_maker(part.model, part.names) if part.model else itemgetter(0),
                slice(places.start, places.stop),
            )
            for part, places in self._parts
        ]
        # asyncpg returns every value in its Python type, except enums.
        self._readers = {
            place: _reader_of(column.type)
            for part, places in self._parts
            for place, column in zip(places, part.columns, strict=True)
            if isinstance(column.type, Enum)
        }

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the arguments for these values of the parameters."""
        given = {**self._fixed, **values}
        return [write(given[name]) if write else given[name] for name, write in self._values]

    def row(self, record: asyncpg.Record) -> tuple[*Ts]:
        """Return the selected values and rows of tables, which the caller may change."""
        values = list(record)
        for place, reader in self._readers.items():
            values[place] = reader(values[place])
        return cast("tuple[*Ts]", tuple([make(values[places]) for make, places in self._makers]))


class CompiledSelect(CompiledStatement[*Ts]):
    """A select that is compiled once and run by asyncpg: a third of the CPU of a session.

    With `shown`, rows of those models have the shown columns and ids only.
    """

    def __init__(self, statement: Select[*Ts], shown: Shown = EVERYTHING) -> None:
        parts, only = _parts_of(statement, shown)
        self._models = frozenset(part.model for part in parts if part.model)
        self._narrower: dict[frozenset[Any], CompiledSelect[*Ts]] = {}
        super().__init__(statement, only.compile(dialect=DIALECT), parts)
        self._record_class = self._class_of_records()

    async def rows(self, database: Database, **values: Any) -> list[tuple[*Ts]]:
        """Return the rows for these values of the parameters, read-only, through the query pool."""
        arguments = self.arguments(values)
        return self._read(await database.fetch(self.sql, *arguments, record_class=self._record_class))

    async def list_rows(self, database: Database, values: Mapping[str, Any]) -> list[tuple[*Ts]]:
        """Return the rows as `rows` does, through the pool of sessions."""
        arguments = self.arguments(values)
        return self._read(await database.fetch_list(self.sql, *arguments, record_class=self._record_class))

    def showing(self, shown: Shown) -> "CompiledSelect[*Ts]":
        """Return the select of the shown columns; the last ones are kept."""
        key = frozenset((model, shown[model]) for model in self._models if model in shown)
        if not key:
            return self
        narrower = self._narrower.get(key)
        if narrower is None:
            if len(self._narrower) >= _NARROWER_KEPT:
                self._narrower.clear()
            narrower = self._narrower[key] = CompiledSelect(self.source, shown)
        return narrower

    def _class_of_records(self) -> type[asyncpg.Record] | None:
        """Return a class whose records are the rows of the only table, or None if there are more tables."""
        rows = [(part, places) for part, places in self._parts if part.model]
        if len(rows) != 1:
            return None
        ((part, places),) = rows
        assert part.model
        readers = {
            name: (place, self._readers.get(place)) for name, place in zip(part.names, places, strict=True)
        }
        return record_class(part.model, readers)

    def _read(self, records: list[asyncpg.Record]) -> list[tuple[*Ts]]:
        if self._record_class is None:
            return [self.row(record) for record in records]
        columns = [
            records if part.model else self._column(places[0], records) for part, places in self._parts
        ]
        return cast("list[tuple[*Ts]]", list(zip(*columns, strict=True)))

    def _column(self, place: int, records: list[asyncpg.Record]) -> Iterable[Any]:
        values, reader = map(itemgetter(place), records), self._readers.get(place)
        return map(reader, values) if reader else values


class SelectShapes:
    """Selects that requests put together, such as lists with filters, compiled once for each shape.

    The most recently used shapes are kept.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._shapes: OrderedDict[Hashable, CompiledSelect[Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._shapes)

    def get(self, shape: Hashable, build: Callable[[], CompiledSelect[*Ts]]) -> CompiledSelect[*Ts]:
        """Return the select of a shape. Those of one shape differ in the values of parameters only."""
        kept: CompiledSelect[*Ts] | None = self._shapes.get(shape)
        if kept is not None:
            self._shapes.move_to_end(shape)
            return kept
        built = build()
        self._shapes[shape] = cast("CompiledSelect[Any]", built)
        if len(self._shapes) > self._kept:
            self._shapes.popitem(last=False)
        return built


class CompiledWrite(CompiledStatement[*Ts]):
    """An insert or update, compiled once, that returns columns. Only transactions execute it."""

    def __init__(self, statement: ReturningInsert[*Ts] | ReturningUpdate[*Ts]) -> None:
        returned = statement.returning_column_descriptions
        parts = [_part_of(description["expr"]) for description in returned]
        super().__init__(statement, statement.compile(dialect=DIALECT), parts)


def _parts_of(statement: Any, shown: Shown) -> tuple[list[_Part], Select[Any]]:
    """Return what a select returns, and the select of the columns that this takes."""
    parts = [_part_of(description["expr"], shown) for description in statement.column_descriptions]
    columns = [column for part in parts for column in part.columns]
    return parts, statement.with_only_columns(*columns, maintain_column_froms=True)


def _part_of(expression: Any, shown: Shown = EVERYTHING) -> _Part:
    """Return the columns of a table, alias or value."""
    entity: Any = inspect(expression)
    if not isinstance(entity, Mapper | AliasedInsp):
        return _Part([expression])
    model: type[Base] = entity.mapper.class_
    columns = shown.get(model)
    attributes = [
        attribute
        for attribute in entity.mapper.column_attrs
        if columns is None or attribute.key in columns or _is_read_always(attribute.key)
    ]
    selected = [entity.selectable.c[attribute.columns[0].key] for attribute in attributes]
    return _Part(selected, model, [attribute.key for attribute in attributes])


def _is_read_always(column: str) -> bool:
    # Ids lead to other rows, except for that of the workspace, which is the caller's.
    return column.endswith("id") and column != "workspace_id"


def _with_places(parts: Sequence[_Part]) -> Iterator[tuple[_Part, range]]:
    begin = 0
    for part in parts:
        end = begin + len(part.columns)
        yield part, range(begin, end)
        begin = end


def _reader_of(enum: Enum) -> Callable[[str | None], Any]:
    """Return a function from the text of an enum's column, or None, to its value."""
    process = cast(Any, enum).result_processor(DIALECT, None)
    values = {None: None} | {text: process(text) for text in enum.enums}
    return values.__getitem__
