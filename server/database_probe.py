"""A look at the database over a connection of its own: probes are answered while all pools are in use."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import asyncpg
import structlog

from models.database import DATABASE_ERRORS
from models.row_scope import connect_across
from realtime.backlog import Backlog, read_backlog

T = TypeVar("T")

LIMIT_SECONDS = 3
READINESS_SECONDS, BACKLOG_SECONDS = 1, 15  # for which an answer is kept
# With so little memory the generated rows, 280 kB, are written to a temporary file. What waits is read from
# the indexes of what waits, also where the planner finds a scan of the table no dearer.
_SETTINGS = {"application_name": "baton probe", "work_mem": "64kB", "enable_seqscan": "off"}
_IS_READ_ONLY = "SELECT current_setting('transaction_read_only')::bool"
_FILL_FILE = "SELECT count(*) FROM generate_series(1, 20000)"

NO_DATABASE, READ_ONLY, NO_SPACE = "no database", "read-only database", "no space for the database"

_logger = structlog.get_logger(__name__)


class _Kept(Generic[T]):
    """A value that is read again when it is older than `seconds`."""

    def __init__(self, read: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._value: tuple[float, T] | None = None

    async def value(self) -> T:
        """Return the value."""
        if self._value is None or time.monotonic() - self._value[0] > self._seconds:
            value = await self._read()
            self._value = time.monotonic(), value
        return self._value[1]


class DatabaseProbe:
    """The state of the database, and what waits in it. Frequent callers get a recent answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()
        self._fault = _Kept(self._find_fault, READINESS_SECONDS)
        self._backlog = _Kept(self._read_backlog, BACKLOG_SECONDS)

    async def fault(self) -> str | None:
        """Return why nothing can be read or written, or None."""
        async with self._lock:
            return await self._fault.value()

    async def backlog(self) -> Backlog | None:
        """Return what waits in the database, or None if it cannot be read."""
        async with self._lock:
            return await self._backlog.value()

    def close(self) -> None:
        """Cut the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _find_fault(self) -> str | None:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                connection = await self._connected()
                if await connection.fetchval(_IS_READ_ONLY):
                    return READ_ONLY
                await connection.fetchval(_FILL_FILE)
        except asyncpg.DiskFullError:
            return NO_SPACE
        except DATABASE_ERRORS as error:
            self.close()
            _logger.debug("database_probe.failed", error=repr(error))
            return NO_DATABASE
        return None

    async def _read_backlog(self) -> Backlog | None:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await read_backlog((await self._connected()).fetch)
        except DATABASE_ERRORS as error:
            self.close()
            _logger.warning("backlog.unreadable", error=repr(error))
            return None

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect_across(self._url, server_settings=_SETTINGS)
        return self._connection
