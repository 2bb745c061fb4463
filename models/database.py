"""The connection pools to PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import copy
from functools import partial
from typing import Any

import asyncpg
import orjson
from sqlalchemy import event
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from models.connection_pool import Connect, ConnectionPool, PoolUse
from models.database_transaction import (
    DatabaseTransaction,
    begin_transaction,
    driver_connection,
    pooled_connection,
    wait_in_greenlet,
)
from models.driver_values import json_text
from models.row_scope import EVERY_WORKSPACE, ScopedConnection

# A client that dies in the middle of a transaction must not keep its conversation locked. A statement waits
# for a row up to twice as long as lock_timeout: for its turn among those that wait, and then for the row.
# Workers have the same limit, since what they do is repeated.
_SERVER_SETTINGS = {
    "application_name": "baton",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "10000",
    "lock_timeout": "2900",
    # By its default price of a page that is not read in order, PostgreSQL would read a whole table rather
    # than follow an index.
    "random_page_cost": "1.1",
}
# How many rows of a list match depends on the values, so a plan is made for the values of each query.
# Compiling a plan takes longer than a list may.
_LIST_SETTINGS = {"plan_cache_mode": "force_custom_plan", "jit": "off"}

COMMAND_SECONDS = 25  # query timeout for dead connections; longer than lock_timeout
TRANSACTION_WAIT_SECONDS, QUERY_WAIT_SECONDS = 30, 10  # for a free connection of the session and query pools
QUERY_CONNECTIONS = 10  # of the query pool, whose queries are short
WRITE_CONNECTIONS = 16  # of the write pool, whose statements wait for rows
LIST_WAIT_SECONDS = 2  # for a free connection for a list

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
# that is held for too long; a deadlock, as with a migration; a cancelled statement.
_CANCELLED = "57014"
_PASSING_STATES = ("08", "28", "57P", "53", "25006", "55P03", "40P01", _CANCELLED)


class DatabaseUnavailableError(ConnectionError):
    """The database cannot be reached, or cannot serve now; its cause is the driver's error."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"The database is unavailable: {cause!r}")


class QueryTimeoutError(Exception):
    """A query of a list was cancelled because it took longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"A query was cancelled after {seconds:g} s.")


def is_unavailable(error: BaseException | None) -> bool:
    """Return whether the database cannot be reached or cannot serve now, rather than refuses a statement."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_unavailable(error.orig)
    state = _sqlstate(error)
    return state.startswith(_PASSING_STATES) or isinstance(error, _CONNECTION_ERRORS)


def _sqlstate(error: BaseException | None) -> str:
    return str(getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", ""))


class Database:
    """The connection pools to the PostgreSQL at `url`, an ordinary postgresql:// URL.

    One pool of `connections` serves sessions, another of ten serves `fetch`, and one of 16 serves
    `execute_write`. Every use raises DatabaseUnavailableError while the database cannot be reached.

    With `list_seconds` the pools are for lists and searches. A query that takes longer raises
    QueryTimeoutError. `fetch` has as many connections as sessions have, and a use waits two seconds for one.

    With row-level security, `scope` names the rows that are seen (models.row_scope); without it is None.
    """

    def __init__(
        self,
        url: str,
        connections: int = 20,
        *,
        list_seconds: float | None = None,
        scope: str | None = None,
    ) -> None:
        settings, queries = _SERVER_SETTINGS, QUERY_CONNECTIONS
        session_wait, query_wait = TRANSACTION_WAIT_SECONDS, QUERY_WAIT_SECONDS
        if list_seconds is not None:
            settings = settings | _LIST_SETTINGS | {"statement_timeout": str(round(1000 * list_seconds))}
            queries, session_wait, query_wait = connections, LIST_WAIT_SECONDS, LIST_WAIT_SECONDS

        async def connect() -> asyncpg.Connection:
            return await asyncpg.connect(
                url,
                timeout=10,
                command_timeout=COMMAND_SECONDS,
                server_settings=settings,
                connection_class=ScopedConnection,
            )

        self._expected_errors = _ExpectedErrors(list_seconds)
        self._scope = scope
        connect_for_queries = partial(_connect_for_queries, connect)
        self._query_pool = ConnectionPool(connect_for_queries, queries, query_wait)
        self._write_pool = ConnectionPool(connect_for_queries, WRITE_CONNECTIONS, session_wait)
        # Every call reads its credential across workspaces, and the rest in its own.
        # With one pool, each would change the scope of a connection twice.
        self._wide_query_pool = self._query_pool if scope is None else self._query_pool.twin(query_wait)
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=wait_in_greenlet(connect),
            poolclass=_SessionPool,
            pool_size=connections,
            max_overflow=0,
            # The connection that was returned last: it has the statements prepared, and the others may rest.
            pool_use_lifo=True,
            pool_timeout=session_wait,
            json_serializer=json_text,
            # Errors must not put the content of messages into logs.
            hide_parameters=True,
            json_deserializer=orjson.loads,
        )
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    def with_own_query_pool(self) -> "Database":
        """Return the same database with a query pool of its own for `fetch`, which waits for its turn.

        For live events: thousands of subscribers may read in the same second, and each must get its rows.
        """
        twin = copy(self)
        twin._query_pool = twin._wide_query_pool = self._query_pool.twin(wait_seconds=None)
        if self._scope is not None:
            twin._wide_query_pool = self._wide_query_pool.twin(wait_seconds=None)
        return twin

    def in_scope(self, scope: str) -> "Database":
        """Return the same database with the rows of a scope; itself without row-level security."""
        if self._scope is None or self._scope == scope:
            return self
        twin = copy(self)
        twin._scope = scope
        return twin

    def session_pool_use(self) -> PoolUse:
        """Return the use of the pool of sessions."""
        pool = self._engine.pool
        assert isinstance(pool, _SessionPool)
        return PoolUse(pool.checkedout(), pool.size(), pool.waiting)

    def query_pool_use(self) -> PoolUse:
        """Return the use of the pools of `fetch`."""
        own = self._query_pool.use()
        if self._wide_query_pool is self._query_pool:
            return own
        wide = self._wide_query_pool.use()
        return PoolUse(own.in_use + wide.in_use, own.size + wide.size, own.waiting + wide.waiting)

    def write_pool_use(self) -> PoolUse:
        """Return the use of the pool of `execute_write`."""
        return self._write_pool.use()

    @property
    def _queries(self) -> ConnectionPool:
        return self._wide_query_pool if self._scope == EVERY_WORKSPACE else self._query_pool

    @asynccontextmanager
    async def autocommit_session(self) -> AsyncIterator[AsyncSession]:
        """Open a session for queries, without a transaction: each statement sees what is committed."""
        async with self._session(self._reading) as session:
            yield session

    @asynccontextmanager
    async def _session(self, engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
        with self._expected_errors:
            if self._scope is None:
                async with AsyncSession(engine, expire_on_commit=False, autoflush=False) as session:
                    yield session
                return
            # The session keeps the connection whose scope is set, whatever it rolls back.
            async with engine.connect() as connection:
                raw: Any = await connection.get_raw_connection()
                await raw.driver_connection.see(self._scope)
                async with AsyncSession(connection, expire_on_commit=False, autoflush=False) as session:
                    yield session

    async def fetch(
        self, sql: str, *values: Any, record_class: type[asyncpg.Record] | None = None
    ) -> list[asyncpg.Record]:
        """Return the rows of a single query in PostgreSQL's own SQL, through asyncpg without a session.

        Raises DatabaseUnavailableError also if no connection is free for 10 s or the query takes 25 s.
        """
        with self._expected_errors:
            return await self._queries.fetch(sql, values, record_class, self._scope)

    async def execute_write(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        """Execute one statement that writes, which is a transaction, and return its rows.

        Raises DatabaseUnavailableError as `fetch` does. A statement may wait for rows, and keeps no query
        waiting meanwhile.
        """
        with self._expected_errors:
            return await self._write_pool.fetch(sql, values, scope=self._scope)

    async def fetch_list(
        self, sql: str, *values: Any, record_class: type[asyncpg.Record] | None = None
    ) -> list[asyncpg.Record]:
        """Return the rows of a single query as `fetch` does, through the pool of sessions."""
        async with self.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values, record_class=record_class)
            return rows

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Provide a connection of the pool of sessions, on which each statement is a transaction."""
        with self._expected_errors:
            async with pooled_connection(self._engine, self._scope) as pooled:
                yield driver_connection(pooled)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Callable[..., Awaitable[list[asyncpg.Record]]]]:
        """Provide a `fetch` whose statements all see the same snapshot, and that writes nothing.

        Raises DatabaseUnavailableError as `fetch` does.
        """
        with self._expected_errors:
            async with (
                self._queries.connection(self._scope) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection.fetch

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[DatabaseTransaction]:
        """Begin a transaction, which is rolled back unless it is committed in the block."""
        with self._expected_errors:
            async with begin_transaction(self._engine, self._scope) as transaction:
                yield transaction

    @asynccontextmanager
    async def transactional_session(self) -> AsyncIterator[AsyncSession]:
        """Open a session for one transaction, which is rolled back unless it is committed in the block."""
        async with self._session(self._engine) as session:
            yield session

    async def close(self) -> None:
        """Close every connection."""
        self._query_pool.close()
        self._wide_query_pool.close()
        self._write_pool.close()
        await self._engine.dispose()


class _ExpectedErrors:
    """A block that raises DatabaseUnavailableError and QueryTimeoutError in the place of the driver's errors.

    One object serves all blocks: a context manager of `contextlib` takes nine calls for each.
    """

    __slots__ = ("_list_seconds",)

    def __init__(self, list_seconds: float | None) -> None:
        self._list_seconds = list_seconds

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, DatabaseUnavailableError):
            return
        if self._list_seconds is not None and _sqlstate(error) == _CANCELLED:
            raise QueryTimeoutError(self._list_seconds) from error
        if is_unavailable(error):
            raise DatabaseUnavailableError(error) from error


def _refuse_closed(connection: AdaptedConnection, *_: Any) -> None:
    """Have the pool open another connection in the place of one that PostgreSQL has closed."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


class _SessionPool(AsyncAdaptedQueuePool):
    """A pool of SQLAlchemy that counts the callers that wait for a connection."""

    waiting = 0

    def _do_get(self) -> ConnectionPoolEntry:
        self.waiting += 1
        try:
            return super()._do_get()
        finally:
            self.waiting -= 1


async def _connect_for_queries(connect: Connect) -> asyncpg.Connection:
    """Return a connection that reads JSON as Python's values."""
    connection = await connect()
    await connection.set_type_codec("jsonb", encoder=str, decoder=orjson.loads, schema="pg_catalog")
    return connection
