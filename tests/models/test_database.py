"""A database that cannot be reached."""

import socket

import pytest
from sqlalchemy import text

from models.database import DATABASE_ERRORS, Database, DatabaseUnavailableError, is_unavailable
from tests.support.baton_client import Workspace

RECORD = """mutation($id: ID!, $text: String!) {
    recordMessage(input: {conversationId: $id, role: USER, content: $text}) { message { id } } }"""


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


PASSING = {
    "connection failure": "08006",
    "changed password": "28P01",
    "server that stops": "57P01",
    "full disk": "53100",
    "too many connections": "53300",
    "read-only server": "25006",
    "lock that is held": "55P03",
    "deadlock": "40P01",
    "cancelled statement": "57014",
}


@pytest.mark.anyio
@pytest.mark.parametrize("state", PASSING.values(), ids=PASSING)
async def test_failure_that_will_pass_means_unavailable_to_every_kind_of_use(
    workspace: Workspace, state: str
) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'a fault' USING ERRCODE = '{state}'; END $$"
    database = Database(workspace.server.service_url, connections=1)
    try:
        with pytest.raises(DatabaseUnavailableError):
            await database.fetch(raising)
        with pytest.raises(DatabaseUnavailableError):
            async with database.transactional_session() as session:
                await session.execute(text(raising))
    finally:
        await database.close()


def test_write_to_a_full_disk_is_unavailable_and_changes_nothing(workspace: Workspace) -> None:
    server, conversation = workspace.server, workspace.start()["conversation"]["id"]
    server.execute("""CREATE FUNCTION fill_disk() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$""")
    server.execute("""CREATE TRIGGER full_disk BEFORE INSERT ON messages FOR EACH ROW
        WHEN (new.content = 'too much') EXECUTE FUNCTION fill_disk()""")
    try:
        refused = workspace.key.refusal(RECORD, id=conversation, text="too much")
    finally:
        server.execute("DROP FUNCTION fill_disk CASCADE")
    assert refused.code == "UNAVAILABLE"
    assert workspace.key.messages(conversation) == []
    assert workspace.key.ask(RECORD, id=conversation, text="again")["recordMessage"]["message"]["id"]
