"""Selects that concurrent callers execute together, each with values of its own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVarTuple
from weakref import WeakKeyDictionary, ref

from sqlalchemy import ARRAY, Select, bindparam, column, func, select, true
from sqlalchemy.types import TypeEngine

from models.batching import Batching
from models.compiled_select import CompiledSelect
from models.database import Database

Ts = TypeVarTuple("Ts")

_Values = tuple[Any, ...]
_Rows = Mapping[_Values, list[tuple[Any, ...]]]


class UncorrelatedError(TypeError):
    """A part of the select would see the values of all callers: correlate its subqueries explicitly."""


class BatchedSelect(Generic[*Ts]):
    """A select of columns that is executed for the values of many callers at a time.

    `build` returns the select for one caller, whose values are the columns of its argument; `types` are
    those of the values. The statement joins the values of all callers with it, by LATERAL.
    """

    def __init__(self, build: Callable[[Any], Select[*Ts]], **types: TypeEngine[Any]) -> None:
        self._names = tuple(types)
        given = (
            func.unnest(*(bindparam(name, type_=ARRAY(type_)) for name, type_ in types.items()))
            .table_valued(*(column(name, type_) for name, type_ in types.items()), with_ordinality="place")
            .render_derived("given")
        )
        chosen = build(given.c).lateral("chosen")
        joined: Select[*tuple[Any, ...]] = select(given.c.place, *chosen.c).join_from(given, chosen, true())
        self._select = CompiledSelect(joined)
        if self._select.sql.count("unnest(") > 1:
            raise UncorrelatedError
        self._batchings: WeakKeyDictionary[Database, Batching[_Values, list[tuple[*Ts]]]] = (
            WeakKeyDictionary()
        )

    async def rows(self, database: Database, **values: Any) -> list[tuple[*Ts]]:
        """Return the rows for these values, through the query pool."""
        batching = self._batchings.get(database)
        if batching is None:
            batching = self._batchings[database] = Batching(self._loader(ref(database)))
        return await batching.get(tuple([values[name] for name in self._names])) or []

    def _loader(self, weak: ref[Database]) -> Callable[[Sequence[_Values]], Any]:
        async def load(keys: Sequence[_Values]) -> _Rows:
            database = weak()
            assert database is not None  # its callers hold it
            columns = map(list, zip(*keys, strict=True))
            rows_of: dict[_Values, list[tuple[Any, ...]]] = {}
            for place, *row in await self._select.rows(
                database, **dict(zip(self._names, columns, strict=True))
            ):
                rows_of.setdefault(keys[place - 1], []).append(tuple(row))
            return rows_of

        return load
