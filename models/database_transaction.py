"""A transaction on a connection of the pool of sessions."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import asyncpg
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn
from sqlalchemy.util.concurrency import in_greenlet

from models.connection_pool import Connect
from models.row_scope import ScopedConnection, begin_in


class TransactionFailedError(RuntimeError):
    """A transaction was to be committed although a statement in it had failed."""


class DatabaseTransaction:
    """A transaction that has begun on asyncpg's `connection`.

    A session costs several times what it executes, so it is opened by its first use, in the same transaction.
    """

    def __init__(self, engine: AsyncEngine, pooled: PoolProxiedConnection) -> None:
        self._engine = engine
        self._pooled = pooled
        self._session: AsyncSession | None = None
        self.connection = driver_connection(pooled)

    @property
    def session(self) -> AsyncSession:
        """The session of the transaction. It is not committed by itself."""
        if self._session is None:
            # SQLAlchemy neither begins nor ends a transaction in this mode.
            connection = Connection(self._engine.sync_engine, self._pooled)
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            bind = AsyncConnection(self._engine, connection)
            self._session = AsyncSession(bind, expire_on_commit=False, autoflush=False)
        return self._session

    async def flush(self) -> None:
        """Write the changes of the session, if it was used."""
        if self._session is not None:
            await self._session.flush()

    async def commit(self) -> None:
        """Commit."""
        # PostgreSQL rolls back a transaction in which a statement failed, and reports no error.
        if await self.connection.execute("COMMIT") != "COMMIT":
            raise TransactionFailedError

    async def end(self) -> None:
        """Close the session, and roll back what is not committed."""
        if self._session is not None:
            await self._session.close()
        if self.connection.is_in_transaction() and not self.connection.is_closed():
            # The connection of a transaction that cannot be rolled back is closed, which has the same effect.
            with suppress(Exception):
                await self.connection.execute("ROLLBACK")


@asynccontextmanager
async def pooled_connection(
    engine: AsyncEngine, scope: str | None = None
) -> AsyncIterator[PoolProxiedConnection]:
    """Take a connection of the pool, which sees the rows of `scope`.

    One that is closed or in a transaction after the block is discarded.
    """
    pooled = _idle_connection(engine)
    if pooled is None:
        pooled = await greenlet_spawn(engine.sync_engine.raw_connection)
    connection = driver_connection(pooled)
    try:
        if scope is not None:
            await connection.see(scope)
        yield pooled
    finally:
        # A session has discarded a connection that failed in it.
        if pooled.is_valid and (connection.is_closed() or connection.is_in_transaction()):
            pooled.invalidate()
        pooled.close()


def _idle_connection(engine: AsyncEngine) -> PoolProxiedConnection | None:
    """Return an idle connection of the pool, or None if one must be awaited.

    Only what waits needs a greenlet, which takes 40 µs.
    """
    pool = engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    try:
        return engine.sync_engine.raw_connection() if pool.checkedin() else None
    except MustWaitError:
        return None  # PostgreSQL has closed it, and the pool must open another


class MustWaitError(Exception):
    """A connection must be opened, which only a greenlet can wait for."""


def wait_in_greenlet(connect: Connect) -> Connect:
    """Return a function that opens connections for the pool, and raises MustWaitError outside a greenlet."""

    def connect_in_greenlet(*_: Any, **__: Any) -> Awaitable[asyncpg.Connection]:
        if not in_greenlet():
            raise MustWaitError
        return connect()

    return connect_in_greenlet


def driver_connection(pooled: PoolProxiedConnection) -> ScopedConnection:
    """Return asyncpg's connection. SQLAlchemy types it for any driver; the pool connects by asyncpg."""
    return cast(ScopedConnection, pooled.driver_connection)


@asynccontextmanager
async def begin_transaction(
    engine: AsyncEngine, scope: str | None = None
) -> AsyncIterator[DatabaseTransaction]:
    """Begin a transaction in a scope, which is rolled back unless it is committed in the block."""
    async with pooled_connection(engine) as pooled:
        transaction = DatabaseTransaction(engine, pooled)
        # The scope lasts as long as the transaction, so it costs no message of its own.
        begin = "BEGIN" if scope is None else begin_in(scope)
        try:
            await transaction.connection.execute(begin)
        except BaseException:
            # A transaction whose caller was cancelled may have begun, which asyncpg does not know yet.
            pooled.invalidate()
            raise
        try:
            yield transaction
        finally:
            await transaction.end()
