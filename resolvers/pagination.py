"""Keyset pagination: a cursor names the row after which the next page begins."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar, TypeVarTuple, overload
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Integer, Select, bindparam, func, select, tuple_

from models.compiled_select import CompiledSelect, SelectShapes, Shown
from resolvers.context import NARROWER_LIST, Context
from resolvers.errors import BadInputError
from resolvers.list_select import ListSelect
from resolvers.validation import check_range
from resolvers.visibility import bind_values
from rules.encoding import decode_base64url, encode_base64url

T = TypeVar("T")
S = TypeVar("S")
Ts = TypeVarTuple("Ts")

LARGEST, USUAL = 100, 50
# Lists of processes differ in filters, orders and directions. A shape takes some 50 KiB.
_SHAPES = SelectShapes(256)
# The length of a list without pages, such as the notes of an escalation.
LISTED = 100
VIEWERS = 20


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`first` rows after `after`, or the `last` before `before`; 50 if neither is given."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def size(self) -> tuple[int, bool]:
        """Return the number of rows, and whether they are the last; raises BadInputError."""
        if self.first is not None and self.last is not None:
            raise BadInputError("last", "cannot be combined with first")
        for field in ("first", "last"):
            size = getattr(self, field)
            if size is not None:
                check_range(field, size, 1, LARGEST)
        return self.first or self.last or USUAL, self.last is not None


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A total order of rows: columns that all ascend or all descend, the last of them unique.

    `values_of` returns the values of a row, if a column is an expression. Its list must read what that needs.
    """

    name: str
    columns: tuple[Any, ...]
    descending: bool
    values_of: Callable[[Any], tuple[Any, ...]] | None = None

    def cursor(self, row: Any) -> str:
        """Return the cursor of a row, opaque to clients."""
        values = (
            self.values_of(row)
            if self.values_of
            else tuple(getattr(row, column.key) for column in self.columns)
        )
        return encode_base64url(orjson.dumps([self.name, *values], default=str))

    def bounds(self, request: "PageRequest") -> dict[str, list[Any]]:
        """Return the values of the cursors of a request, by their side; raises BadInputError."""
        cursors = {"after": request.after, "before": request.before}
        return {side: self.read(side, cursor) for side, cursor in cursors.items() if cursor is not None}

    def beyond(self, side: str) -> ColumnElement[bool]:
        """Return the condition that a row is on the right side of a cursor, whose values are parameters."""
        bound = tuple_(
            *(bindparam(f"{side}_{place}", type_=column.type) for place, column in enumerate(self.columns))
        )
        position = tuple_(*self.columns)
        falling = self.descending is (side == "after")
        return position < bound if falling else position > bound

    def sorted(self, columns: Iterable[Any], *, backward: bool) -> list[ColumnElement[Any]]:
        """Return the columns in the direction of a page."""
        falling = self.descending is not backward
        return [column.desc() if falling else column.asc() for column in columns]

    def limited(self, rows: Select[*Ts], *, backward: bool) -> Select[*Ts]:
        """Return the rows of a page. The parameter `size` is their number."""
        return rows.order_by(*self.sorted(self.columns, backward=backward)).limit(
            bindparam("size", type_=Integer)
        )

    def read(self, field: str, cursor: str) -> list[Any]:
        """Return the values of a cursor of this order; raises BadInputError for any other text."""
        try:
            name, *values = orjson.loads(decode_base64url(cursor))
            if name != self.name or len(values) != len(self.columns):
                raise ValueError(name)
            return [_typed(column, value) for column, value in zip(self.columns, values, strict=True)]
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise BadInputError(field, "is not a cursor of this list in this order") from None


def _typed(column: Any, value: Any) -> Any:
    kind = column.type.python_type
    if kind is datetime:
        if (instant := datetime.fromisoformat(value)).tzinfo is not None:
            return instant.astimezone(UTC)
    elif kind is UUID and isinstance(value, str):
        return UUID(value)
    elif kind is int and type(value) is int and abs(value) < 2**31:
        return value
    raise ValueError(value)


class Cursors(Sequence[str]):
    """The cursors of the rows of a page, each made when it is read."""

    def __init__(self, order: Order, rows: Sequence[Any]) -> None:
        self._order = order
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice):
            return Cursors(self._order, self._rows[place])
        return self._order.cursor(self._rows[place])


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows with their cursors, and whether there are more on either side."""

    rows: Sequence[T]
    cursors: Cursors
    has_next: bool
    has_previous: bool

    def of(self, rows: Sequence[S]) -> "Page[S]":
        """Return the same page of other values, such as the ids of its rows."""
        return Page(rows, self.cursors, self.has_next, self.has_previous)


async def read_page(
    context: Context, listed: ListSelect[T], order: Order, request: PageRequest, shown: Shown | None = None
) -> Page[T]:
    """Return one page of a list; raises BadInputError for a contradictory request, and QueryTooSlowError.

    Its rows have the columns that the context shows, unless `shown` is given.
    """
    size, backward = request.size
    bounds, customer = order.bounds(request), context.actor.is_customer
    columns = with_order(context.shown if shown is None else shown, listed.model, order)

    def build() -> CompiledSelect[T]:
        rows = listed.build(customer=customer).where(*(order.beyond(side) for side in bounds))
        return CompiledSelect(order.limited(rows, backward=backward), columns)

    shape = listed.shape, customer, order, backward, tuple(bounds), columns.get(listed.model)
    values = bind_values(context.actor) | listed.values | parameters(bounds) | {"size": size + 1}
    with context.list_database() as database:
        rows = await _SHAPES.get(shape, build).list_rows(database, values)
    return page_of([row for (row,) in rows], order, request, request.size)


async def count_rows(context: Context, listed: ListSelect[Any], most: int | None) -> int:
    """Count the rows of a list, up to `most` of them; raises QueryTooSlowError."""
    customer = context.actor.is_customer

    def build() -> CompiledSelect[int]:
        rows = listed.build(customer=customer).with_only_columns(listed.model.id).limit(most)
        return CompiledSelect(select(func.count()).select_from(rows.subquery()))

    shape = listed.shape, customer, most
    with context.list_database(f"Leave totalCount out. {NARROWER_LIST}") as database:
        counted = _SHAPES.get(shape, build)
        ((count,),) = await counted.list_rows(database, bind_values(context.actor) | listed.values)
    return count


def page_of(rows: list[T], order: Order, request: PageRequest, size: tuple[int, bool]) -> Page[T]:
    """Return the page of rows that were read as far as the first row after it; `size` is the request's."""
    most, backward = size
    more, rows = len(rows) > most, rows[:most]
    if backward:
        rows.reverse()
    return Page(
        rows,
        Cursors(order, rows),
        has_next=request.before is not None if backward else more,
        has_previous=more if backward else request.after is not None,
    )


def with_order(shown: Shown, model: type[Any], order: Order) -> Shown:
    """Return the shown columns of a model with those of the order, of which cursors are made."""
    columns = shown.get(model)
    return {} if columns is None else {model: _with_keys(columns, order)}


@lru_cache(1_024)
def _with_keys(columns: frozenset[str], order: Order) -> frozenset[str]:
    return columns if order.values_of else columns | {column.key for column in order.columns}


def parameters(bounds: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the values of the parameters of `Order.beyond`."""
    return {f"{side}_{place}": value for side, values in bounds.items() for place, value in enumerate(values)}
