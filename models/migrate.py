"""Bringing the database up to this version of Baton."""

from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

# Two processes that start concurrently must not both migrate.
_LOCK = "SELECT pg_advisory_lock(hashtext('baton migrations'))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext('baton migrations'))"


async def migrate(url: str) -> None:
    """Apply the missing migrations in one transaction, as the owner of the tables at `url`."""

    async def connect(*_: Any, **__: Any) -> asyncpg.Connection:
        return await asyncpg.connect(url, timeout=10)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect)
    try:
        async with engine.connect() as connection:
            await connection.execute(text(_LOCK))
            await connection.commit()
            try:
                await connection.run_sync(_upgrade)
                await connection.commit()
            finally:
                await connection.rollback()
                await connection.execute(text(_UNLOCK))
                await connection.commit()
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
