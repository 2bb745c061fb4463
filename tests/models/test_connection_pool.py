"""The pool of single queries: what it keeps, replaces and refuses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import asyncpg
import pytest

from models.connection_pool import ConnectionPool
from models.database import DATABASE_ERRORS
from tests.support.baton_client import DEADLINE, Server
from tests.support.pubsub_probe import eventually

pytestmark = pytest.mark.anyio

PID = "SELECT pg_backend_pid() AS pid"
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%pg_sleep%' AND state = 'active'"
)


@pytest.fixture
async def pool(server: Server) -> AsyncIterator[ConnectionPool]:
    opened = ConnectionPool(lambda: asyncpg.connect(server.owner_url), 2, DEADLINE)
    yield opened
    opened.close()


@pytest.fixture
async def observer(server: Server) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.owner_url)
    yield connection
    await connection.close()


async def pid(pool: ConnectionPool) -> int:
    ((process,),) = await pool.fetch(PID, ())
    return int(process)


async def wait_for_active(observer: asyncpg.Connection, process: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await observer.fetchval(WAITING, process):
            pass


async def cancel_slow_query(pool: ConnectionPool, observer: asyncpg.Connection, process: int) -> None:
    """Begin a query that takes ten minutes, and cancel it when the backend `process` executes it."""
    slow = asyncio.ensure_future(pool.fetch("SELECT pg_sleep(600)", ()))
    await wait_for_active(observer, process)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow


async def test_queries_one_after_another_use_one_connection(pool: ConnectionPool) -> None:
    assert len({await pid(pool) for _ in range(5)}) == 1
    assert pool.use().in_use == 0


async def test_concurrent_queries_use_no_more_than_the_size(pool: ConnectionPool) -> None:
    assert len(set(await asyncio.gather(*(pid(pool) for _ in range(20))))) <= 2
    assert (pool.use().in_use, pool.use().waiting) == (0, 0)


async def test_connection_that_postgresql_closed_is_replaced(
    pool: ConnectionPool, observer: asyncpg.Connection
) -> None:
    first = await pid(pool)
    async with pool.connection() as connection:
        await observer.execute("SELECT pg_terminate_backend($1)", first)
        with pytest.raises(DATABASE_ERRORS):
            await connection.fetch("SELECT 1")
    assert await pid(pool) != first


async def test_connection_of_a_cancelled_query_serves_again(
    pool: ConnectionPool, observer: asyncpg.Connection
) -> None:
    first = await pid(pool)
    await cancel_slow_query(pool, observer, first)
    await eventually(lambda: pool.use().in_use == 0)
    assert await pid(pool) == first
    assert not await observer.fetchval(WAITING, first)


class _LateCancellation(asyncpg.Connection):
    """A connection whose next query is ended by the cancellation of the one before."""

    examinations = 0

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        self.examinations += 1
        if self.examinations == 1:
            raise asyncpg.QueryCanceledError("canceling statement due to user request")
        return await super().fetchval(*args, **options)


async def test_connection_with_a_late_cancellation_serves_again(
    server: Server, observer: asyncpg.Connection
) -> None:
    pool = ConnectionPool(
        lambda: asyncpg.connect(server.owner_url, connection_class=_LateCancellation), 1, DEADLINE
    )
    with closing(pool):
        first = await pid(pool)
        await cancel_slow_query(pool, observer, first)
        assert await pid(pool) == first


async def test_connection_left_in_a_transaction_is_closed(pool: ConnectionPool) -> None:
    async with pool.connection() as connection:
        left = await connection.fetchval(PID)
        await connection.execute("BEGIN")
    assert await pid(pool) != left


async def test_caller_that_waits_too_long_gets_an_error(server: Server) -> None:
    small = ConnectionPool(lambda: asyncpg.connect(server.owner_url), 1, 0.01)
    async with small.connection():
        with pytest.raises(TimeoutError):
            await small.fetch("SELECT 1", ())
    assert small.use().waiting == 0
    assert await small.fetch("SELECT 1", ())
    small.close()


async def test_cancelled_caller_passes_its_turn_on(server: Server) -> None:
    small = ConnectionPool(lambda: asyncpg.connect(server.owner_url), 1, DEADLINE)
    async with small.connection():
        waiting = [asyncio.create_task(small.fetch("SELECT 1", ())) for _ in range(3)]
        await eventually(lambda: small.use().waiting == 3)
        waiting[1].cancel()
    # The first one has its turn, and has not run yet.
    waiting[0].cancel()
    async with asyncio.timeout(DEADLINE):
        assert await waiting[2]
        assert await small.fetch("SELECT 1", ())
    assert (small.use().in_use, small.use().waiting) == (0, 0)
    assert [task.cancelled() for task in waiting] == [True, True, False]
    small.close()


async def test_connection_that_cannot_be_opened_takes_no_place() -> None:
    async def refuse() -> asyncpg.Connection:
        raise ConnectionRefusedError

    broken = ConnectionPool(refuse, 1, DEADLINE)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await broken.fetch("SELECT 1", ())
    assert broken.use().in_use == 0
