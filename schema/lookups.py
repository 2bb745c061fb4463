"""Look-ups of rows by their keys, which the fields of one operation make together.

A field that needs a row returns a `Lookup`. graphql-core awaits it like any awaitable. A plan of
`schema.executor` takes all look-ups of a level, and makes one request for each loader.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from resolvers.context import Context
from resolvers.pagination import PageRequest

T = TypeVar("T")
R = TypeVar("R")
Batch = Callable[[Context, Sequence[UUID]], Awaitable[dict[UUID, T]]]
PageReader = Callable[[Context, Sequence[UUID], PageRequest], Awaitable[dict[UUID, T]]]


class Loader(Generic[T]):
    """The rows of one batch that an operation has requested so far.

    Keys that are requested in the same turns of the event loop are read by one call of the batch.
    """

    def __init__(self, context: Context, batch: Batch[T]) -> None:
        self.rows: dict[UUID, T | None] = {}
        self._context = context
        self._batch = batch
        self._reads: dict[UUID, asyncio.Future[None]] = {}
        self._keys: list[UUID] = []
        self._next: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def request(self, keys: Collection[UUID]) -> set[asyncio.Future[None]]:
        """Start to read the rows that are missing, and return the reads that the keys wait for."""
        reads, wanted = self._reads, self._missing(keys)
        if missing := [key for key in wanted if key not in reads]:
            self._keys += missing
            reads.update(dict.fromkeys(missing, self._next_read()))
        return {reads[key] for key in wanted}

    async def read(self, keys: Collection[UUID]) -> None:
        """Read the rows that are missing, without a task. Nothing else may use the loader meanwhile."""
        if missing := self._missing(keys):
            rows = await self._batch(self._context, missing)
            self.rows.update((key, rows.get(key)) for key in missing)

    def _missing(self, keys: Collection[UUID]) -> list[UUID]:
        return [key for key in dict.fromkeys(keys) if key not in self.rows]

    def _next_read(self) -> asyncio.Future[None]:
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.create_future()
            loop.call_soon(self._start, self._next)
        return self._next

    def _start(self, read: asyncio.Future[None]) -> None:
        # The task is not a field's: one that fails must not end what other fields wait for.
        task = asyncio.get_running_loop().create_task(self._read(read))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, read: asyncio.Future[None]) -> None:
        keys, self._keys, self._next = self._keys, [], None
        try:
            rows = await self._batch(self._context, keys)
        except BaseException as error:
            read.set_exception(_as_exception(error))
            read.exception()  # those who wait raise it; there may be none left
            if not isinstance(error, Exception):
                raise
        else:
            self.rows.update((key, rows.get(key)) for key in keys)
            read.set_result(None)

    async def load(self, key: UUID) -> T | None:
        """Return the row of the key, or None if there is none."""
        if key not in self.rows:
            await finish(self.request((key,)))
        return self.rows[key]


def _as_exception(error: BaseException) -> Exception:
    # A future cannot hold a cancellation as an exception.
    return error if isinstance(error, Exception) else RuntimeError("a look-up was cancelled")


async def finish(reads: Iterable[asyncio.Future[None]]) -> None:
    """Wait for the reads, and raise the error of one that failed. A cancelled caller leaves them running."""
    reads = tuple(reads)
    pending = [read for read in reads if not read.done()]
    if pending:
        await asyncio.wait(pending)
    for read in reads:
        read.result()


class Relation(Generic[T, R]):
    """The common part of look-ups of the same kind: their loader, and how a value is made of a row."""

    __slots__ = ("_build", "_loader")

    def __init__(self, loader: Loader[T], build: Callable[[T | None], R]) -> None:
        self._loader = loader
        self._build = build

    def look_up(self, key: UUID) -> "R | Lookup[T, R]":
        """Return the value of a key: an awaitable, unless its row is loaded already."""
        rows = self._loader.rows
        return self._build(rows[key]) if key in rows else Lookup(self._loader, key, self._build)


class Lookup(Generic[T, R]):
    """An awaitable value that `build` makes of the row of a key, or of None."""

    __slots__ = ("build", "key", "loader")

    def __init__(self, loader: Loader[T], key: UUID, build: Callable[[T | None], R]) -> None:
        self.loader = loader
        self.key = key
        self.build = build

    def __await__(self) -> Generator[Any, None, R]:
        """Wait for the row and return the value."""
        return self._resolve().__await__()

    async def _resolve(self) -> R:
        return self.build(await self.loader.load(self.key))


@dataclass(frozen=True, slots=True, eq=False)
class PageBatch(Generic[T]):
    """A batch that reads the same page of the lists of many rows."""

    read: PageReader[T]
    request: PageRequest

    async def __call__(self, context: Context, ids: Sequence[UUID]) -> dict[UUID, T]:
        """Return the page of each row's list."""
        return await self.read(context, ids, self.request)
