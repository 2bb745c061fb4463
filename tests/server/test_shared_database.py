"""Databases that a newer Baton has migrated, and databases that hold tables of others."""

import asyncio
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from tests.support.baton_client import Server, wait_for
from tests.support.baton_process import run_baton


@dataclass(frozen=True)
class OwnDatabase:
    """A database of the test's own, in the PostgreSQL of the shared server."""

    server: Server
    name: str

    def url(self, role: str) -> str:
        return self.server.owner_url.replace("baton_owner@/baton", f"{role}@/{self.name}")

    def execute(self, role: str, statement: str) -> None:
        self._as(role).execute(statement)

    def value(self, statement: str) -> object:
        ((value,),) = [row.values() for row in self._as("postgres").rows(statement)]
        return value

    def baton(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        given = {
            "BATON_DATA_DIR": str(self.server.data_dir / "none"),
            "BATON_MIGRATION_URL": self.url("baton_owner"),
            "BATON_DATABASE_URL": self.url("baton"),
            "BATON_SECRET_KEY": secrets.token_hex(32),
            "BATON_PORT": "0",
            **settings,
        }
        return run_baton(*arguments, **given)

    def _as(self, role: str) -> Server:
        return Server(self.server.data_dir, self.url(role), "")


@contextmanager
def created_database(server: Server, options: str = "") -> Iterator[OwnDatabase]:
    own = OwnDatabase(server, f"own_{secrets.token_hex(6)}")
    admin = Server(server.data_dir, server.owner_url.replace("baton_owner@/baton", "postgres@/postgres"), "")
    admin.execute(f"CREATE DATABASE {own.name} OWNER baton_owner {options}")
    yield own
    admin.execute(f"DROP DATABASE {own.name} WITH (FORCE)")


@pytest.fixture
def database(server: Server) -> Iterator[OwnDatabase]:
    with created_database(server) as own:
        yield own


def test_schema_of_a_newer_version_is_refused_in_one_sentence(database: OwnDatabase) -> None:
    assert database.baton("migrate").returncode == 0
    database.execute("postgres", "UPDATE alembic_version SET version_num = '9999'")
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    before = database.value(tables)
    answer = database.baton("serve")
    assert answer.returncode == 1
    assert answer.stderr.strip() == (
        "The database is at revision 9999, which this version of Baton does not know: install the "
        "version that last migrated it, or a newer one, or give Baton a database of its own."
    )
    assert "revision 9999" in database.baton("doctor").stdout
    assert database.value(tables) == before
    assert database.value("SELECT version_num FROM alembic_version") == "9999"


def test_objects_of_others_do_not_stop_the_start_and_are_not_granted(database: OwnDatabase) -> None:
    database.execute("postgres", "CREATE TABLE inventory (id serial)")
    database.execute("postgres", "CREATE VIEW stock AS SELECT * FROM inventory")
    database.execute("postgres", "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    answer = database.baton("init", "--json")
    assert answer.returncode == 0, answer.stderr
    assert database.value("SELECT has_table_privilege('baton', 'messages', 'INSERT')") is True
    for name in ("inventory", "stock"):
        assert database.value(f"SELECT has_table_privilege('baton', '{name}', 'SELECT')") is False
    assert database.value("SELECT has_sequence_privilege('baton', 'inventory_id_seq', 'USAGE')") is False


def test_table_of_others_with_a_name_of_ours_is_named(database: OwnDatabase) -> None:
    database.execute("postgres", "CREATE TABLE agents (id serial)")
    answer = database.baton("migrate")
    assert answer.returncode == 1
    assert "agents" in answer.stderr
    assert "a database of its own" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert database.value("SELECT to_regclass('public.workspaces') IS NULL") is True


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_database_that_cannot_hold_every_text_is_refused(server: Server, encoding: str) -> None:
    with created_database(server, f"ENCODING {encoding} LOCALE 'C' TEMPLATE template0") as database:
        answer = database.baton("migrate")
        assert answer.returncode == 1
        assert f"has the encoding {encoding}" in answer.stderr
        assert "createdb --encoding UTF8" in answer.stderr
        assert database.value("SELECT to_regclass('public.workspaces') IS NULL") is True


@pytest.mark.parametrize("migrated", [False, True])
def test_database_that_accepts_no_writes_is_said_to_be_read_only(
    database: OwnDatabase, migrated: bool
) -> None:
    if migrated:
        assert database.baton("migrate").returncode == 0
    database.execute("postgres", f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    answer = database.baton("migrate")
    assert answer.returncode == 1
    assert "read-only transaction" in answer.stderr
    assert "set BATON_DATABASE_URL to the primary server" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["ended", "gone"])
async def test_database_that_ends_during_the_start_is_refused_in_one_line(
    database: OwnDatabase, tmp_path: Path, end: str
) -> None:
    assert database.baton("migrate").returncode == 0
    (folder,) = parse_qs(urlsplit(database.url("baton_owner")).query)["host"]
    socket = tmp_path / ".s.PGSQL.5432"
    socket.symlink_to(Path(folder) / socket.name)
    owner = database.url("baton_owner").replace(folder, str(tmp_path))
    admin = await asyncpg.connect(database.url("postgres"))
    await admin.execute("SELECT pg_advisory_lock(hashtext('baton migrations'))")
    starting = asyncio.create_task(asyncio.to_thread(database.baton, "worker", BATON_MIGRATION_URL=owner))
    waiting = """SELECT max(pid) FROM pg_locks JOIN pg_database ON oid = database
        WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"""
    pid = await asyncio.to_thread(wait_for, lambda: database.value(waiting), "the migration to wait")
    if end == "ended":
        await admin.execute("SELECT pg_terminate_backend($1)", pid)
    else:
        # The connection that waits goes on; the next one finds nothing.
        socket.unlink()
    await admin.close()
    answer = await starting
    assert answer.returncode == 1
    (line,) = answer.stderr.strip().splitlines()
    assert line.startswith("Cannot use the PostgreSQL at ")
    assert "Check that it runs" in line
