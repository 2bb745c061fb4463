"""A pool of asyncpg's connections for single queries.

asyncpg's own pool takes 40 µs for each query, more than twice what a small query itself takes: a task for
each return, and a proxy for each use. A request makes three to six queries.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

import asyncpg

from models.row_scope import ScopedConnection

EXAMINATION_SECONDS = 10  # of a connection whose query was cancelled

Connect = Callable[[], Awaitable[asyncpg.Connection]]


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Connections of a pool that are in use, of `size` at most, and the callers that wait for one."""

    in_use: int
    size: int
    waiting: int


class ConnectionPool:
    """At most `size` connections, opened when they are needed and then kept.

    The connection that was returned last is used first: it has the statements prepared. A caller waits at
    most `wait_seconds` for a connection; then TimeoutError is raised. With None it waits until it has one.
    """

    def __init__(self, connect: Connect, size: int, wait_seconds: float | None) -> None:
        self._connect = connect
        self._size = size
        self._wait_seconds = wait_seconds
        self._free = size
        # A caller's turn comes when its future has a result. asyncio.Semaphore takes three times as long.
        self._turns: deque[asyncio.Future[None]] = deque()
        self._idle: list[asyncpg.Connection] = []
        self._in_use: set[asyncpg.Connection] = set()
        self._examinations: set[asyncio.Task[None]] = set()

    def use(self) -> PoolUse:
        """Return how many connections are in use."""
        return PoolUse(len(self._in_use), self._size, len(self._turns))

    def twin(self, wait_seconds: float | None) -> "ConnectionPool":
        """Return another pool of the same kind, with another limit of the wait."""
        return ConnectionPool(self._connect, self._size, wait_seconds)

    async def fetch(
        self,
        sql: str,
        values: Sequence[Any],
        record_class: type[asyncpg.Record] | None = None,
        scope: str | None = None,
    ) -> list[asyncpg.Record]:
        """Return the rows of a query in a scope of rows (models.row_scope)."""
        connection = await self._take()
        try:
            if scope is not None:
                await cast(ScopedConnection, connection).see(scope)
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values, record_class=record_class)
        except BaseException as error:
            self._give_back_after(error, connection)
            raise
        self._give_back(connection)
        return rows

    @asynccontextmanager
    async def connection(self, scope: str | None = None) -> AsyncIterator[asyncpg.Connection]:
        """Provide a connection with a scope. One that is in a transaction after the block is closed."""
        connection = await self._take()
        try:
            if scope is not None:
                await cast(ScopedConnection, connection).see(scope)
            yield connection
        except BaseException as error:
            self._give_back_after(error, connection)
            raise
        self._give_back(connection)

    def close(self) -> None:
        """Close all connections, those in use included."""
        for connection in [*self._idle, *self._in_use]:
            connection.terminate()
        self._idle.clear()

    async def _take(self) -> asyncpg.Connection:
        if self._free:
            self._free -= 1
        else:
            await self._wait()
        try:
            connection = self._kept() or await self._connect()
        except BaseException:
            self._leave()
            raise
        self._in_use.add(connection)
        return connection

    async def _wait(self) -> None:
        """Wait for a place that another caller leaves."""
        turn = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._leave()
            with suppress(ValueError):
                self._turns.remove(turn)
            raise

    def _leave(self) -> None:
        """Pass the place on to the caller that has waited longest, if there is one."""
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _kept(self) -> asyncpg.Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    def _give_back(self, connection: asyncpg.Connection) -> None:
        self._in_use.discard(connection)
        if not connection.is_closed():
            # A closed one does not know whether it is in a transaction.
            if connection.is_in_transaction():
                connection.terminate()
            else:
                self._idle.append(connection)
        self._leave()

    def _give_back_after(self, error: BaseException, connection: asyncpg.Connection) -> None:
        if isinstance(error, asyncio.CancelledError | TimeoutError) and not connection.is_closed():
            task = asyncio.get_running_loop().create_task(self._examine(connection))
            self._examinations.add(task)
            task.add_done_callback(self._examinations.discard)
        else:
            self._give_back(connection)

    async def _examine(self, connection: asyncpg.Connection) -> None:
        """Return a connection whose query is being cancelled, if it takes queries again in time."""
        with suppress(Exception):
            async with asyncio.timeout(EXAMINATION_SECONDS):
                # A cancellation that came after the end of its query ends the next one.
                with suppress(asyncpg.QueryCanceledError):
                    await connection.fetchval("SELECT 1")
                await connection.fetchval("SELECT 1")
                self._give_back(connection)
                return
        connection.terminate()
        self._give_back(connection)
