"""Statements that are compiled once, for every request, transaction and live event."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVarTuple, cast

import asyncpg
from sqlalchemy import ColumnElement, Enum, Select, inspect
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.util import AliasedInsp
from sqlalchemy.sql.cache_key import CacheKey
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from models.base import Base
from models.database import Database
from models.driver_values import DIALECT, Writer, writer_of
from models.plain_row import plain_class

Ts = TypeVarTuple("Ts")

# The columns that are shown, by model. A model that is missing shows all.
Shown = Mapping[type[Any], frozenset[str]]
_ALL: Shown = {}
# Of one select. They are as many as the documents of a process select different fields.
_NARROWER_KEPT = 64

# Builds one selected entity from its column values.
_Maker = Callable[[Sequence[Any]], Any]
_Part = tuple[list[ColumnElement[Any]], _Maker]


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
        self._parts = list(_with_slices(parts))
        # asyncpg returns every value in its Python type, except enums.
        self._readers = [
            (index, _reader_of(column.type))
            for index, column in enumerate(column for columns, _ in parts for column in columns)
            if isinstance(column.type, Enum)
        ]

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """Return the arguments for these values of the parameters."""
        given = self._fixed | values
        return [write(given[name]) if write else given[name] for name, write in self._values]

    def row(self, record: asyncpg.Record) -> tuple[*Ts]:
        """Return the selected values and rows of tables."""
        values = list(record)
        for index, reader in self._readers:
            values[index] = reader(values[index])
        return cast("tuple[*Ts]", tuple([make(values[part]) for part, make in self._parts]))


class CompiledSelect(CompiledStatement[*Ts]):
    """A select that is compiled once and run by asyncpg: a third of the CPU of a session.

    With `shown`, rows of those models have the shown columns and ids only.
    """

    def __init__(self, statement: Select[*Ts], shown: Shown = _ALL) -> None:
        parts, only = _parts_of(statement, shown)
        self._models = _models_of(statement)
        self._narrower: dict[frozenset[Any], CompiledSelect[*Ts]] = {}
        super().__init__(statement, only.compile(dialect=DIALECT), parts)

    async def rows(self, database: Database, **values: Any) -> list[tuple[*Ts]]:
        """Return the rows for these values of the parameters, through the query pool."""
        records = await database.fetch(self.sql, *self.arguments(values))
        return [self.row(record) for record in records]

    def showing(self, shown: Shown) -> "CompiledSelect[*Ts]":
        """Return the select of the shown columns; the last ones are kept."""
        key = _shown_of(self._models, shown)
        if not key:
            return self
        narrower = self._narrower.get(key)
        if narrower is None:
            if len(self._narrower) >= _NARROWER_KEPT:
                self._narrower.clear()
            narrower = self._narrower[key] = CompiledSelect(self.source, shown)
        return narrower


class _SelectOfShape(CompiledStatement[*Ts]):
    """A select whose values were given when it was built, compiled for all selects that differ in these."""

    def __init__(self, statement: Any, key: CacheKey, shown: Shown) -> None:
        parts, only = _parts_of(statement, shown)
        self._compiled = only.compile(dialect=DIALECT, cache_key=key)
        super().__init__(statement, self._compiled, parts)

    def arguments_of(self, key: CacheKey) -> list[Any]:
        """Return the arguments for the values of another select."""
        return self.arguments(dict(self._compiled.construct_params(extracted_parameters=key.bindparams)))


class SelectShapes:
    """Selects that are built for each request, such as lists with filters, and compiled once for each shape.

    The most recently used shapes are kept. A value for IN would be a shape for each number of items: use
    `= ANY` with an array.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._shapes: OrderedDict[Any, _SelectOfShape[Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._shapes)

    async def rows(self, database: Database, statement: Select[*Ts], shown: Shown = _ALL) -> list[tuple[*Ts]]:
        """Return the rows of a select with the shown columns, through the pool of sessions."""
        key = statement._generate_cache_key()
        assert key is not None, "a part of the select has no cache key"
        shape = self._shape(statement, key, shown)
        records = await database.fetch_list(shape.sql, *shape.arguments_of(key))
        return [shape.row(record) for record in records]

    def _shape(self, statement: Select[*Ts], key: CacheKey, shown: Shown) -> _SelectOfShape[*Ts]:
        kept = key.key, _shown_of(_models_of(statement), shown)
        shape = self._shapes.get(kept)
        if shape is None:
            shape = self._shapes[kept] = _SelectOfShape(statement, key, shown)
            if len(self._shapes) > self._kept:
                self._shapes.popitem(last=False)
        else:
            self._shapes.move_to_end(kept)
        return shape


class CompiledWrite(CompiledStatement[*Ts]):
    """An insert or update, compiled once, that returns columns. Only transactions execute it."""

    def __init__(self, statement: ReturningInsert[*Ts] | ReturningUpdate[*Ts]) -> None:
        returned = statement.returning_column_descriptions
        parts = [_part_of(description["expr"]) for description in returned]
        super().__init__(statement, statement.compile(dialect=DIALECT), parts)


def _models_of(statement: Any) -> frozenset[type[Base]]:
    inspected = (inspect(description["expr"]) for description in statement.column_descriptions)
    return frozenset(part.mapper.class_ for part in inspected if isinstance(part, Mapper | AliasedInsp))


def _shown_of(models: frozenset[type[Base]], shown: Shown) -> frozenset[Any]:
    return frozenset((model, shown[model]) for model in models if model in shown) if shown else frozenset()


def _parts_of(statement: Any, shown: Shown) -> tuple[list[_Part], Select[Any]]:
    """Return what a select returns, and the select of the columns that this takes."""
    parts = [_part_of(description["expr"], shown) for description in statement.column_descriptions]
    columns = [column for columns, _ in parts for column in columns]
    return parts, statement.with_only_columns(*columns, maintain_column_froms=True)


def _part_of(expression: Any, shown: Shown = _ALL) -> _Part:
    """Return the columns of a table, alias or value, and a function that builds it from their values."""
    entity: Any = inspect(expression)
    if not isinstance(entity, Mapper | AliasedInsp):
        return [expression], _single
    model: type[Base] = entity.mapper.class_
    columns = shown.get(model)
    attributes = [
        attribute
        for attribute in entity.mapper.column_attrs
        if columns is None or attribute.key in columns or attribute.key.endswith("id")
    ]
    names = [attribute.key for attribute in attributes]
    blank = plain_class(model)

    def row(values: Sequence[Any]) -> Any:
        instance = blank()
        instance.__dict__ = dict(zip(names, values, strict=True))
        return instance

    return [entity.selectable.c[attribute.columns[0].key] for attribute in attributes], row


def _single(values: Sequence[Any]) -> Any:
    (value,) = values
    return value


def _with_slices(parts: Sequence[_Part]) -> Iterator[tuple[slice, _Maker]]:
    begin = 0
    for columns, make in parts:
        yield slice(begin, begin + len(columns)), make
        begin += len(columns)


def _reader_of(enum: Enum) -> Callable[[str | None], Any]:
    """Return a function from the text of an enum's column, or None, to its value."""
    process = cast(Any, enum).result_processor(DIALECT, None)
    values = {None: None} | {text: process(text) for text in enum.enums}
    return values.__getitem__
