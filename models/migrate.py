"""Bringing the database up to this version of Baton."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from models.row_scope import connect_across

# Two processes that start concurrently must not both migrate.
_LOCK = "SELECT pg_advisory_lock(hashtext('baton migrations'))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext('baton migrations'))"
# Processes of the version before use the tables. A migration that waits for one holds others, and after a
# second PostgreSQL would end one that needs both. So it gives up and begins again, until it must wait.
_LOCK_MS = (300, 300, 600, 600, 1200, 2400, 0)
_PAUSE_SECONDS = 0.5
_HELD_STATES = ("55P03", "40P01")  # of a lock that is held, and of a deadlock


@dataclass(frozen=True, slots=True)
class Migration:
    """The revisions of a database before and after `migrate`; `before` is None for an empty database.

    `row_security` is whether row-level security was turned on or off, or None if it stays as it was.
    """

    before: str | None
    after: str | None
    row_security: bool | None = None

    def __str__(self) -> str:
        if self.before != self.after:
            said = f"The database was at revision {self.before or 'none'} and is now at {self.after}."
        elif self.row_security is None:
            return f"The database is at revision {self.after}; there was nothing to do."
        else:
            said = f"The database is at revision {self.after}."
        if self.row_security is None:
            return said
        return f"{said} Row-level security is {'on' if self.row_security else 'off'} now."


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
                await _upgrade_in_turn(connection)
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


async def _upgrade_in_turn(connection: AsyncConnection) -> None:
    """Apply the migrations; begin again while others hold what they need."""
    for milliseconds in _LOCK_MS:
        try:
            await connection.execute(text(f"SET LOCAL lock_timeout = {milliseconds}"))
            await connection.run_sync(_upgrade)
        except DBAPIError as error:
            if not milliseconds or getattr(error.orig, "sqlstate", None) not in _HELD_STATES:
                raise
            await connection.rollback()
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return


def _check_known(revision: str | None) -> None:
    revisions = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in revisions:
        raise UnknownRevisionError(revision)


def _engine(url: str) -> AsyncEngine:
    async def connect(*_: Any, **__: Any) -> asyncpg.Connection:
        return await connect_across(url, timeout=10)

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
