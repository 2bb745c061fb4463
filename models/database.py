"""The connection pools to PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

# A client that dies in the middle of a transaction must not keep its conversation locked.
_SERVER_SETTINGS = {
    "application_name": "baton",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "10000",
    "lock_timeout": "20000",
}

COMMAND_SECONDS = 25  # query timeout for dead connections; longer than lock_timeout
TRANSACTION_WAIT_SECONDS, QUERY_WAIT_SECONDS = 30, 10  # for a free connection of the session and query pools
QUERY_CONNECTIONS = 10  # of the query pool, whose queries are short

# The errors of queries, those of an unavailable database included.
DATABASE_ERRORS = (
    OSError,
    TimeoutError,
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

# asyncpg also raises InternalClientError if a connection is lost in the middle of a query.
_CONNECTION_ERRORS = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, PoolTimeoutError)


# The classes and codes of SQLSTATE that a later attempt may not meet (PostgreSQL, appendix A). In order: no
# connection; a wrong password; a server that stops or starts. Too few resources; a read-only server; a lock
# that is held for too long; a cancelled statement.
_PASSING_STATES = ("08", "28", "57P", "53", "25006", "55P03", "57014")


class DatabaseUnavailableError(ConnectionError):
    """The database cannot be reached, or cannot serve now; its cause is the driver's error."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"The database is unavailable: {cause!r}")


def is_unavailable(error: BaseException | None) -> bool:
    """Return whether the database cannot be reached or cannot serve now, rather than refuses a statement."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_unavailable(error.orig)
    state = str(getattr(error, "sqlstate", ""))
    return state.startswith(_PASSING_STATES) or isinstance(error, _CONNECTION_ERRORS)


@contextmanager
def _unavailable_as_one_error() -> Iterator[None]:
    try:
        yield
    except DatabaseUnavailableError:
        raise
    except Exception as error:
        if is_unavailable(error):
            raise DatabaseUnavailableError(error) from error
        raise


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Connections of a pool that are in use, of `size` at most, and the callers that wait for one."""

    in_use: int
    size: int
    waiting: int


class Database:
    """The connection pools to the PostgreSQL at `url`, an ordinary postgresql:// URL.

    One pool of `connections` serves sessions, another of ten serves `fetch`. Every use raises
    DatabaseUnavailableError while the database cannot be reached.
    """

    def __init__(self, url: str, connections: int = 20) -> None:
        async def connect(*_: Any, **__: Any) -> asyncpg.Connection:
            return await asyncpg.connect(
                url, timeout=10, command_timeout=COMMAND_SECONDS, server_settings=_SERVER_SETTINGS
            )

        self._query_pool = _QueryPool(connect)
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            poolclass=_SessionPool,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=TRANSACTION_WAIT_SECONDS,
            json_serializer=lambda value: orjson.dumps(value, default=str).decode(),
            # Errors must not put the content of messages into logs.
            hide_parameters=True,
            json_deserializer=orjson.loads,
        )
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    def with_own_query_pool(self) -> "Database":
        """Return the same database with a query pool of its own for `fetch`."""
        twin = copy(self)
        twin._query_pool = _QueryPool(self._query_pool.connect)
        return twin

    def session_pool_use(self) -> PoolUse:
        """Return the use of the pool of sessions."""
        pool = self._engine.pool
        assert isinstance(pool, _SessionPool)
        return PoolUse(pool.checkedout(), pool.size(), pool.waiting)

    def query_pool_use(self) -> PoolUse:
        """Return the use of the pool of `fetch`."""
        return self._query_pool.use()

    @asynccontextmanager
    async def autocommit_session(self) -> AsyncIterator[AsyncSession]:
        """Open a session for queries, without a transaction: each statement sees what is committed."""
        with _unavailable_as_one_error():
            async with AsyncSession(self._reading, expire_on_commit=False, autoflush=False) as session:
                yield session

    async def fetch(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        """Return the rows of a single query in PostgreSQL's own SQL, through asyncpg without a session.

        Raises DatabaseUnavailableError also if no connection is free for 10 s or the query takes 25 s.
        """
        with _unavailable_as_one_error():
            return await self._query_pool.fetch(sql, values)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Callable[..., Awaitable[list[asyncpg.Record]]]]:
        """Provide a `fetch` whose statements all see the same snapshot, and that writes nothing.

        Raises DatabaseUnavailableError as `fetch` does.
        """
        with _unavailable_as_one_error():
            async with (
                self._query_pool.connection() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection.fetch

    @asynccontextmanager
    async def transactional_session(self) -> AsyncIterator[AsyncSession]:
        """Open a session for one transaction, which is rolled back unless it is committed in the block."""
        with _unavailable_as_one_error():
            async with AsyncSession(self._engine, expire_on_commit=False, autoflush=False) as session:
                yield session

    async def close(self) -> None:
        """Close every connection."""
        self._query_pool.close()
        await self._engine.dispose()


class _SessionPool(AsyncAdaptedQueuePool):
    """A pool of SQLAlchemy that counts the callers that wait for a connection."""

    waiting = 0

    def _do_get(self) -> ConnectionPoolEntry:
        self.waiting += 1
        try:
            return super()._do_get()
        finally:
            self.waiting -= 1


class _QueryPool:
    """A pool of asyncpg, opened on first use."""

    def __init__(self, connect: Callable[..., Coroutine[Any, Any, asyncpg.Connection]]) -> None:
        self.connect = connect
        self._pool: asyncpg.Pool | None = None
        self._waiting = 0

    def use(self) -> PoolUse:
        in_use = self._pool.get_size() - self._pool.get_idle_size() if self._pool else 0
        return PoolUse(in_use, QUERY_CONNECTIONS, self._waiting)

    async def fetch(self, sql: str, values: Sequence[Any]) -> list[asyncpg.Record]:
        async with self.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PoolConnectionProxy]:
        pool = self._pool or await self._open()
        self._waiting += 1
        try:
            async with asyncio.timeout(QUERY_WAIT_SECONDS):
                connection = await pool.acquire()
        finally:
            self._waiting -= 1
        try:
            yield connection
        finally:
            # A connection whose query was cancelled gets the same time limit.
            await pool.release(connection, timeout=QUERY_WAIT_SECONDS)

    async def _open(self) -> asyncpg.Pool:
        pool: asyncpg.Pool = asyncpg.create_pool(
            connect=self.connect,
            min_size=0,
            max_size=QUERY_CONNECTIONS,
            init=_read_json,
            reset=_keep_connection_state,
        )
        self._pool = pool
        await pool  # opens no connection yet
        return pool

    def close(self) -> None:
        if self._pool:
            self._pool.terminate()


async def _read_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=str, decoder=orjson.loads, schema="pg_catalog")


async def _keep_connection_state(_: asyncpg.Connection) -> None:
    """Skip asyncpg's reset: single queries leave no state in a connection."""
