"""A database that cannot be reached."""

import socket

import pytest
from sqlalchemy import text

from models.database import DATABASE_ERRORS, Database, DatabaseUnavailableError, is_unavailable
from tests.support.baton_client import Workspace


@pytest.mark.anyio
async def test_unreachable_database_raises_one_error_from_every_kind_of_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    database = Database(f"postgresql://nobody@127.0.0.1:{port}/nothing")
    try:
        with pytest.raises(DatabaseUnavailableError) as by_fetch:
            await database.fetch("SELECT 1")
        for open_session in (database.autocommit_session, database.transactional_session):
            with pytest.raises(DatabaseUnavailableError):
                async with open_session() as session:
                    await session.execute(text("SELECT 1"))
        with pytest.raises(DatabaseUnavailableError):
            async with database.snapshot() as fetch:
                await fetch("SELECT 1")
    finally:
        await database.close()
    assert is_unavailable(by_fetch.value)
    assert isinstance(by_fetch.value, DATABASE_ERRORS)
    assert isinstance(by_fetch.value.__cause__, OSError)


@pytest.mark.anyio
async def test_failed_statement_of_a_reachable_database_keeps_its_error(workspace: Workspace) -> None:
    database = Database(workspace.server.service_url, connections=1)
    try:
        with pytest.raises(Exception, match="no_such_table") as failure:
            await database.fetch("SELECT * FROM no_such_table")
    finally:
        await database.close()
    assert not isinstance(failure.value, DatabaseUnavailableError)
