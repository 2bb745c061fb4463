"""Bringing the database up to this version of Baton."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

# Two processes that start concurrently must not both migrate.
_LOCK = "SELECT pg_advisory_lock(hashtext('baton migrations'))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext('baton migrations'))"


@dataclass(frozen=True, slots=True)
class Migration:
    """The revisions of a database before and after `migrate`; `before` is None for an empty database."""

    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before == self.after:
            return f"The database is at revision {self.after}; there was nothing to do."
        return f"The database was at revision {self.before or 'none'} and is now at {self.after}."


class UnknownRevisionError(Exception):
    """A database at a revision that this version of Baton does not have; the message is the revision."""


async def migrate(url: str) -> Migration:
    """Apply the missing migrations in one transaction, as the owner of the tables at `url`.

    Raises UnknownRevisionError.
    """
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            await connection.execute(text(_LOCK))
            await connection.commit()
            try:
                before = await connection.run_sync(_revision)
                _check_known(before)
                await connection.run_sync(_upgrade)
                after = await connection.run_sync(_revision)
                await connection.commit()
                return Migration(before, after)
            finally:
                await connection.rollback()
                await connection.execute(text(_UNLOCK))
                await connection.commit()
    finally:
        await engine.dispose()


async def is_migrated(url: str) -> bool:
    """Return whether the database is at this version's revision; raises UnknownRevisionError."""
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            revision = await connection.run_sync(_revision)
    finally:
        await engine.dispose()
    _check_known(revision)
    return revision == ScriptDirectory.from_config(_config()).get_current_head()


def _check_known(revision: str | None) -> None:
    revisions = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in revisions:
        raise UnknownRevisionError(revision)


def _engine(url: str) -> AsyncEngine:
    async def connect(*_: Any, **__: Any) -> asyncpg.Connection:
        return await asyncpg.connect(url, timeout=10)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
