"""Objects and lists: all values of a field together, and below them field by field."""

from collections.abc import Sequence
from itertools import chain, repeat
from types import NoneType
from typing import Any, NamedTuple, Protocol

from schema.bounded_executor import PLAIN_SHARE, PUNCTUATION
from schema.executor.calls import Call, Reader, close, settle, together
from schema.executor.leaves import Leaves, encoded_size
from schema.executor.request import DiscardedError, Request


class Column(Protocol):
    """A way to complete all values of a field. `waits` is set if a resolver below it may wait."""

    waits: bool

    async def complete(self, values: list[Any], request: Request) -> list[Any]:
        """Return the results of the values, in their order."""


class Field(NamedTuple):
    """A selected field of an object type."""

    name: str
    reader: Reader | Call
    column: Column


class Lists:
    """The values of a field whose type is a list. The items of all lists are completed together."""

    def __init__(self, items: Column, *, required: bool, values_per_item: int) -> None:
        self.waits = items.waits
        self._items = items
        self._required = required
        self._values_per_item = values_per_item

    async def complete(self, values: list[Any], request: Request) -> list[Any]:
        """Return the results of the lists."""
        lists = [value for value in values if value is not None]
        if any(type(items) is not list for items in lists):
            raise DiscardedError("something else in the place of a list")
        if self._required and len(lists) < len(values):
            raise DiscardedError("null in a field that is not nullable")
        if self._values_per_item:
            request.spend(sum(len(items) * self._values_per_item // PLAIN_SHARE for items in lists), 0)
        done = await self._items.complete(list(chain.from_iterable(lists)), request)
        results, start = [], 0
        for value in values:
            end = start + len(value or ())
            results.append(None if value is None else done[start:end])
            start = end
        return results


class Objects:
    """The values of a field whose type is an object type.

    `plain` objects are items of a list, with plain attributes only: they count as less, as in
    `BoundedExecutor`.
    """

    def __init__(self, classes: frozenset[type], *, required: bool, plain: bool) -> None:
        self.waits = False
        self._classes = classes if required or plain else classes | {NoneType}
        self._plain = plain
        self._names: list[str] = []
        self._leaves: list[tuple[int, Reader, Leaves]] = []
        self._attributes: list[tuple[int, Reader]] = []
        self._calls: list[tuple[int, Call]] = []
        # Those whose values are complete only after the level has waited.
        self._later: list[tuple[int, Column]] = []
        self._name_bytes = 0

    def select(self, fields: Sequence[Field]) -> None:
        """Set the fields that are selected."""
        self._names = [field.name for field in fields]
        for place, (_, reader, column) in enumerate(fields):
            if isinstance(reader, Call):
                self._calls.append((place, reader))
            elif isinstance(column, Leaves):
                self._leaves.append((place, reader, column))
                continue
            else:
                self._attributes.append((place, reader))
            self._later.append((place, column))
        self.waits = bool(self._calls) or any(column.waits for _, column in self._later)
        self._name_bytes = sum(map(len, self._names)) + (
            (PUNCTUATION - 1) * len(fields) + 1 if self._plain else PUNCTUATION * len(fields)
        )

    async def complete(self, values: list[Any], request: Request) -> list[Any]:
        """Return a dictionary for each object."""
        types = set(map(type, values))
        if not (types <= self._classes or self._accepts_rows(types)):
            raise DiscardedError("a value of another class")
        objects = [value for value in values if value is not None] if NoneType in types else values
        if not objects:
            return values
        count = 0 if self._plain else len(objects) * len(self._names)
        request.spend(count, len(objects) * self._name_bytes)
        columns = self._read(objects, request)
        if self._calls:
            await self._call(objects, columns, request)
        if self._later:
            await self._complete_columns(columns, request)
        if columns:
            rows: list[Any] = list(map(dict, map(zip, repeat(self._names), zip(*columns, strict=True))))
        else:
            rows = [{} for _ in objects]
        if len(rows) == len(values):
            return rows
        following = iter(rows)
        return [None if value is None else next(following) for value in values]

    def _accepts_rows(self, types: set[type]) -> bool:
        # As in graphql-core, any object with the attributes of a plain one will do, such as a resolver's row.
        return self._plain and not any(map(_is_no_object, types))

    def _read(self, objects: list[Any], request: Request) -> list[list[Any]]:
        """Return the columns, those of calls empty. Values that cannot wait are checked before the calls."""
        columns: list[list[Any]] = [[] for _ in self._names]
        for place, reader, leaves in self._leaves:
            columns[place] = leaves.coerce(reader.read(objects))
        if self._leaves:
            coerced = [columns[place] for place, _, _ in self._leaves]
            request.spend(0, encoded_size(coerced, plain=self._plain))
        for place, reader in self._attributes:
            columns[place] = reader.read(objects)
        return columns

    async def _call(self, objects: list[Any], columns: list[list[Any]], request: Request) -> None:
        """Call the resolvers, and wait for their results."""
        results = [columns[place] for place, _ in self._calls]
        try:
            for (_, call), values in zip(self._calls, results, strict=True):
                call.call(objects, request, values)
        except BaseException:
            close(results)
            raise
        await settle(results, request)

    async def _complete_columns(self, columns: list[list[Any]], request: Request) -> None:
        """Complete the other columns, those that wait concurrently."""
        waiting = []
        for place, column in self._later:
            if column.waits:
                waiting.append((place, column))
            else:
                columns[place] = await column.complete(columns[place], request)
        if len(waiting) > 1:
            request.alone = False
        if waiting:
            results = await together([column.complete(columns[place], request) for place, column in waiting])
            for (place, _), result in zip(waiting, results, strict=True):
                columns[place] = result


def _is_no_object(type_: type) -> bool:
    return type_ is NoneType or issubclass(type_, Exception) or hasattr(type_, "__await__")
