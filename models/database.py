"""The connection to PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from copy import copy
from typing import Any, TypeVar

import asyncpg
import orjson
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

T = TypeVar("T")

# A client that dies within a transaction must not keep its conversation locked.
_SERVER_SETTINGS = {
    "application_name": "baton",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "10000",
    "lock_timeout": "20000",
}


# A connection that has gone silent must not keep who asks for ever; more than a lock is waited for.
COMMAND_SECONDS = 25

# What a question meets while the database is away.
DATABASE_ERRORS = (
    OSError,
    TimeoutError,
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


# For a free connection, when all are in use: of those for acts, and of those for single questions.
ACT_WAIT_SECONDS, QUESTION_WAIT_SECONDS = 30, 10


# Single questions are quick, and few wait for each other.
PLAIN_CONNECTIONS = 10


# Retry window and interval, in seconds.
RETRY_SECONDS, PAUSE = 60.0, 1.0


# asyncpg says InternalClientError, too, of a connection that is taken away in the middle of a question.
_UNREACHED = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, PoolTimeoutError)


def is_unavailable(error: BaseException | None) -> bool:
    """Return whether an error means that the database is unreachable, not that the statement is wrong."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_unavailable(error.orig)
    # Of PostgreSQL: connections that fail, servers that shut down or start, too many connections.
    state = str(getattr(error, "sqlstate", ""))
    return state.startswith(("08", "57P", "53300")) or isinstance(error, _UNREACHED)


async def retry_while_unavailable(question: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `question`, and retry for a minute while the database is unreachable."""
    end = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            return await question()
        except Exception as error:
            if not is_unavailable(error) or time.monotonic() > end:
                raise
        await asyncio.sleep(PAUSE)


class Database:
    """
    A pool of at most `connections` to the PostgreSQL at `url`, an ordinary postgresql:// one.

    Another ten are reserved for `fetch`.
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
            pool_size=connections,
            max_overflow=0,
            pool_timeout=ACT_WAIT_SECONDS,
            json_serializer=lambda value: orjson.dumps(value, default=str).decode(),
            # What people said must not come into logs by way of an error.
            hide_parameters=True,
            json_deserializer=orjson.loads,
        )
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    def with_own_query_pool(self) -> "Database":
        """Return the same database with a query pool of its own for `fetch`."""
        twin = copy(self)
        twin._query_pool = _QueryPool(self._query_pool.connect)
        return twin

    @asynccontextmanager
    async def autocommit_session(self) -> AsyncIterator[AsyncSession]:
        """Return a session in which each statement commits by itself."""
        async with AsyncSession(self._reading, expire_on_commit=False, autoflush=False) as session:
            yield session

    async def fetch(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        """
        Return the rows of one statement in PostgreSQL's own SQL, through asyncpg without a session.

        Raises TimeoutError without a free connection for 10 s, and after 25 s without a result.
        """
        return await self._query_pool.fetch(sql, values)

    @asynccontextmanager
    async def transactional_session(self) -> AsyncIterator[AsyncSession]:
        """Return a session for one transaction, which is rolled back unless committed."""
        async with AsyncSession(self._engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    async def close(self) -> None:
        """Close every connection."""
        self._query_pool.close()
        await self._engine.dispose()


class _QueryPool:
    """A pool of asyncpg's own, opened when it is first needed."""

    def __init__(self, connect: Callable[..., Coroutine[Any, Any, asyncpg.Connection]]) -> None:
        self.connect = connect
        self._pool: asyncpg.Pool | None = None

    async def fetch(self, sql: str, values: Sequence[Any]) -> list[asyncpg.Record]:
        pool = self._pool or await self._open()
        async with asyncio.timeout(QUESTION_WAIT_SECONDS):
            connection = await pool.acquire()
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows
        finally:
            # A connection whose question was given up is waited for no longer either.
            await pool.release(connection, timeout=QUESTION_WAIT_SECONDS)

    async def _open(self) -> asyncpg.Pool:
        pool: asyncpg.Pool = asyncpg.create_pool(
            connect=self.connect,
            min_size=0,
            max_size=PLAIN_CONNECTIONS,
            init=_read_json,
            reset=_leave_as_it_is,
        )
        self._pool = pool
        await pool  # which opens no connection yet
        return pool

    def close(self) -> None:
        if self._pool:
            self._pool.terminate()


async def _read_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=str, decoder=orjson.loads, schema="pg_catalog")


async def _leave_as_it_is(_: asyncpg.Connection) -> None:
    """Skip the reset: single statements leave no state in a connection."""
