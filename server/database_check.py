"""A check of the database before anything is built on it."""

from urllib.parse import urlsplit

import asyncpg

OLDEST = 15


class DatabaseCheckError(Exception):
    """The database cannot be used; the message says what to look at, without the password."""


def unreachable(url: str, reason: str) -> DatabaseCheckError:
    """Return the refusal for a database that cannot be reached, or cannot serve now."""
    return DatabaseCheckError(
        f"Cannot use the PostgreSQL at {_address(url)}: {reason}. "
        "Check that it runs, and that BATON_DATABASE_URL (and BATON_MIGRATION_URL, if set) name it, "
        "its database, user and password."
    )


async def reach(url: str) -> None:
    """Connect once; raises DatabaseCheckError when that fails or Baton cannot use the database."""
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise unreachable(url, str(error) or type(error).__name__) from error
    try:
        version = connection.get_server_version()
        encoding = connection.get_settings().server_encoding
    finally:
        await connection.close()
    if version.major < OLDEST:
        raise DatabaseCheckError(
            f"The PostgreSQL at {_address(url)} is version {version.major}; {OLDEST} or newer is needed."
        )
    if encoding != "UTF8":
        raise DatabaseCheckError(
            f"The database at {_address(url)} has the encoding {encoding}, which cannot hold every text. "
            "Make one with `createdb --encoding UTF8 --template template0 baton`, and set BATON_DATABASE_URL "
            "to it."
        )


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.hostname or 'its socket'}:{parts.port or 5432}{parts.path}"
    except ValueError:
        return "the address that is set"
