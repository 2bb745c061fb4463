"""Connections to the databases of tests. They stay open: opening one costs more than most queries."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

import asyncpg

T = TypeVar("T")

_idle: defaultdict[str, list[asyncpg.Connection]] = defaultdict(list)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of another thread: the test that calls this may run in a loop."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()


def query(url: str, statement: str, *values: Any) -> list[dict[str, Any]]:
    """Run a statement in a transaction of its own, and return its rows."""
    return run(_query(url, statement, *values))


async def _query(url: str, statement: str, *values: Any) -> list[dict[str, Any]]:
    connection = await _connection(url)
    try:
        rows = await connection.fetch(statement, *values)
    except BaseException:
        connection.terminate()
        raise
    _idle[url].append(connection)
    return [dict(row) for row in rows]


async def _connection(url: str) -> asyncpg.Connection:
    while _idle[url]:
        connection = _idle[url].pop()
        try:
            # The server may have been stopped or killed meanwhile.
            await connection.execute("SELECT")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()
        else:
            return connection
    # Without a cache: tests change tables, and a cached plan would not know it.
    return await asyncpg.connect(url, statement_cache_size=0)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="databases of tests", daemon=True).start()
    return loop
