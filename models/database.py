"""The connection to PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

# A client that dies in the middle of an act must not keep its conversation locked.
_SERVER_SETTINGS = {
    "application_name": "baton",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "10000",
    "lock_timeout": "20000",
}


# A connection that has gone silent must not keep who asks for ever; more than a lock is waited for.
COMMAND_SECONDS = 25

# What a question meets while the database is away.
AWAY = (OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Database:
    """A pool of at most `connections` to the PostgreSQL at `url`, an ordinary postgresql:// one."""

    def __init__(self, url: str, connections: int = 20) -> None:
        async def connect(*_: Any, **__: Any) -> asyncpg.Connection:
            return await asyncpg.connect(
                url, timeout=10, command_timeout=COMMAND_SECONDS, server_settings=_SERVER_SETTINGS
            )

        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=30,
            json_serializer=lambda value: orjson.dumps(value, default=str).decode(),
            # What people said must not come into logs by way of an error.
            hide_parameters=True,
            json_deserializer=orjson.loads,
        )
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for questions: each statement sees what is committed by then, and nothing is begun."""
        async with AsyncSession(self._reading, expire_on_commit=False, autoflush=False) as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session for one act. What is not committed when the block ends is rolled back."""
        async with AsyncSession(self._engine, expire_on_commit=False, autoflush=False) as session:
            yield session

    async def close(self) -> None:
        """Closes every connection."""
        await self._engine.dispose()
