"""Transactions on connections of the pool, with and without a session."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import bindparam, select, text, update

from models.compiled_select import CompiledSelect
from models.conversation import Conversation
from models.database import Database, DatabaseUnavailableError
from models.database_transaction import TransactionFailedError
from models.ledger import Ledger
from models.plain_row import ReadOnlyRowError
from models.saved_reply import SavedReply
from models.write_statement import Append
from rules.typeid import CONVERSATION, WORKSPACE, parse_id
from tests.support.baton_client import DEADLINE, Workspace
from tests.support.baton_process import SCOPE
from tests.support.locks import hold

pytestmark = pytest.mark.anyio

BY_ID = CompiledSelect(select(Conversation).where(Conversation.id == bindparam("key")))
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
LOSE = "SELECT pg_terminate_backend(pg_backend_pid())"
NAME = "SELECT customer_name AS name FROM conversations WHERE id = $1"
RENAME = "UPDATE conversations SET customer_name = $2 WHERE id = $1"


@pytest.fixture
async def database(workspace: Workspace) -> AsyncIterator[Database]:
    """A pool of one connection, so that a broken one would be found by the next use."""
    opened = Database(workspace.server.service_url, connections=1, scope=SCOPE)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def conversation(workspace: Workspace) -> UUID:
    return parse_id(CONVERSATION, workspace.start()["conversation"]["id"])


async def name_of(database: Database, conversation: UUID) -> str | None:
    async with database.transaction() as opened:
        name: str | None = await opened.connection.fetchval(NAME, conversation)
        return name


async def test_block_without_a_commit_changes_nothing(database: Database, conversation: UUID) -> None:
    async with database.transaction() as opened:
        await opened.connection.execute(RENAME, conversation, "Jane")
    assert await name_of(database, conversation) is None


async def test_session_and_connection_are_in_one_transaction(
    database: Database, conversation: UUID, workspace: Workspace
) -> None:
    workspace_id = parse_id(WORKSPACE, workspace.id)
    written = "SELECT count(*) FROM saved_replies WHERE workspace_id = $1"
    for commits, count in ((False, 0), (True, 1)):
        async with database.transaction() as opened:
            texts = dict.fromkeys(("shortcut", "shortcut_key", "title", "content", "search_text"), "words")
            opened.session.add(SavedReply(workspace_id=workspace_id, updated_at=MONDAY, **texts))
            await opened.flush()
            assert await opened.connection.fetchval(written, workspace_id) == 1
            if commits:
                await opened.commit()
        async with database.transaction() as opened:
            assert await opened.connection.fetchval(written, workspace_id) == count


async def test_commit_after_a_failed_statement_is_refused(database: Database, conversation: UUID) -> None:
    async with database.transaction() as opened:
        await opened.connection.execute(RENAME, conversation, "Jane")
        with pytest.raises(asyncpg.UndefinedTableError):
            await opened.connection.execute("SELECT * FROM no_such_table")
        with pytest.raises(TransactionFailedError):
            await opened.commit()
    assert await name_of(database, conversation) is None


@pytest.mark.parametrize("by_session", [False, True], ids=["connection", "session"])
async def test_lost_connection_is_replaced(database: Database, conversation: UUID, by_session: bool) -> None:
    async def lose() -> None:
        async with database.transaction() as opened:
            await opened.connection.execute(RENAME, conversation, "Jane")
            if by_session:
                await opened.session.execute(text(LOSE))
            else:
                await opened.connection.execute(LOSE)

    with pytest.raises(DatabaseUnavailableError):
        await lose()
    assert await name_of(database, conversation) is None


async def test_caller_that_is_cancelled_at_any_time_leaves_no_transaction(database: Database) -> None:
    async def read() -> None:
        async with database.transaction() as opened:
            await opened.connection.fetchval("SELECT 1")
        async with database.snapshot() as fetch:
            await fetch("SELECT 1")

    for turns in range(60):
        reading = asyncio.create_task(read())
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        for fetch in (database.fetch_list, database.fetch):
            with pytest.raises(asyncpg.NoActiveSQLTransactionError):
                await fetch("SAVEPOINT possible")


@pytest.mark.parametrize("by_session", [False, True], ids=["connection", "session"])
async def test_cancelled_transaction_leaves_a_usable_connection(
    database: Database, conversation: UUID, workspace: Workspace, by_session: bool
) -> None:
    renamed = update(Conversation).where(Conversation.id == conversation).values(customer_name="Jane")

    async def rename() -> None:
        async with database.transaction() as opened:
            if by_session:
                await opened.session.execute(renamed)
            else:
                await opened.connection.execute(RENAME, conversation, "Jane")

    async with hold(workspace.server, "conversations", conversation) as lock:
        waiting = asyncio.create_task(rename())
        await lock.queued(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with asyncio.timeout(DEADLINE):
        assert await name_of(database, conversation) is None


async def test_many_streams_get_their_entries_in_order(database: Database, workspace: Workspace) -> None:
    streams = [parse_id(CONVERSATION, workspace.start()["conversation"]["id"]) for _ in range(20)]
    appends = [Append(stream, 2, MONDAY, '[["first", {"n": 1}], ["second", {}]]') for stream in streams]
    async with database.transaction() as opened:
        assert await Ledger(opened.connection.fetch).write(appends) == [2] * 20
        written = await opened.connection.fetch(
            "SELECT position, type, data FROM log WHERE stream = ANY($1) ORDER BY position, stream", streams
        )
    assert [(row["position"], row["type"], row["data"]) for row in written] == (
        [(1, "first", {"n": 1})] * 20 + [(2, "second", {})] * 20
    )


async def test_row_that_is_read_twice_is_one_object(database: Database, conversation: UUID) -> None:
    async with database.transaction() as opened:
        ledger = Ledger(opened.connection.fetch)
        ((first,),) = await ledger.fetch(BY_ID, key=conversation)
        await opened.connection.execute(RENAME, conversation, "Jane")
        ((again,),) = await ledger.fetch(BY_ID, key=conversation)
        assert again is first
        assert first.customer_name == "Jane", "what another statement changed is read"
        first.customer_name = "John"
        ((again,),) = await ledger.fetch(BY_ID, key=conversation)
        assert again.customer_name == "John", "what is not written yet stays"
        await ledger.flush()
        assert await opened.connection.fetchval(NAME, conversation) == "John"
        with pytest.raises(ReadOnlyRowError):
            opened.session.add(first)


async def test_connection_that_postgresql_closed_is_replaced(database: Database, conversation: UUID) -> None:
    closed = asyncio.Event()
    async with database.transaction() as opened:
        connection = opened.connection
    connection.add_termination_listener(lambda _: closed.set())
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError)):
        await connection.execute(LOSE)
    async with asyncio.timeout(DEADLINE):
        await closed.wait()
    assert await name_of(database, conversation) is None
    async with database.autocommit_session() as session:
        assert await session.scalar(text("SELECT 1")) == 1
