"""`baton pg`: programs of PostgreSQL on Baton's database."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg

from models.row_security import is_protected
from server.database_check import DatabaseCheckError
from server.embedded.location import postgres_programs
from server.services import DatabaseUrls

_PASSED_ON = ("sslmode", "sslrootcert", "sslcert", "sslkey")


def run_program(urls: DatabaseUrls, program: str, arguments: Sequence[str]) -> int:
    """Run a program as the owner of the tables, and return its exit code.

    The connection is in libpq's environment variables, so that no password is in the list of processes.
    """
    path = shutil.which(program, path=os.pathsep.join([*_folders(), os.environ.get("PATH", os.defpath)]))
    if path is None:
        raise DatabaseCheckError(f"There is no program {program}. Install the client programs of PostgreSQL.")
    # The operator chose the program.
    environment = os.environ | libpq_environment(urls.owner)
    # Without the setting, too: a dump of the only role would be empty, and its exit code 0.
    if urls.row_security or asyncio.run(_has_policies(urls.owner)):
        environment |= {"PGOPTIONS": "-c baton.workspace=*"}
    return subprocess.run([path, *arguments], env=environment, check=False).returncode  # noqa: S603


async def _has_policies(url: str) -> bool:
    """Return whether row-level security is on. What prevents the look is for the program to report."""
    try:
        return await is_protected(url)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError):
        return False


def _folders() -> list[str]:
    folder = postgres_programs()
    return [str(folder)] if folder else []


def libpq_environment(url: str) -> dict[str, str]:
    """Return libpq's environment variables for a URL."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    values = {
        "PGHOST": options.get("host") or parts.hostname,
        "PGPORT": options.get("port") or (str(parts.port) if parts.port else None),
        "PGUSER": options.get("user") or unquote(parts.username or ""),
        "PGPASSWORD": options.get("password") or unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.removeprefix("/")),
        **{f"PG{name.upper()}": options.get(name) for name in _PASSED_ON},
    }
    return {name: value for name, value in values.items() if value}
