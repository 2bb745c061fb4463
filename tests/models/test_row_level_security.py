"""Row-level security: what a statement sees and writes that forgets its workspace."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Table, literal, select, text
from sqlalchemy.exc import DBAPIError

from models import tables
from models.database import Database
from models.ids import new_id
from models.row_scope import EVERY_WORKSPACE, NO_WORKSPACE, scope_of
from models.row_security import EXEMPT, PROTECTED
from server.services import DatabaseUrls, prepare
from tests.support.baton_client import Server
from tests.support.database_connections import run
from tests.support.own_database import own_database
from tests.support.row_of_every_table import Row, add_rows

pytestmark = pytest.mark.anyio

TABLES = tables.Base.metadata.tables
WAYS = 6  # to the database


@dataclass(frozen=True)
class Guarded:
    """A database with row-level security, and a row of each of two workspaces in every table."""

    url: str
    own: dict[str, Row]
    others: dict[str, Row]

    @property
    def scope(self) -> str:
        return scope_of(self.own["workspaces"]["id"])


def _guarded(server: Server, *, one_role: bool) -> Iterator[Guarded]:
    with own_database(server) as own:
        service_url = own.owner_url if one_role else own.service_url
        run(prepare(DatabaseUrls(own.owner_url, service_url, row_security=True)))
        admin_url = own.owner_url.replace("baton_owner@", "postgres@")
        yield Guarded(service_url, *(run(add_rows(admin_url, new_id())) for _ in range(2)))


@pytest.fixture(scope="module", params=["two roles", "one role"])
def guarded(server: Server, request: pytest.FixtureRequest) -> Iterator[Guarded]:
    """The service's role may own the tables, or not."""
    yield from _guarded(server, one_role=request.param == "one role")


@pytest.fixture
async def database(guarded: Guarded) -> AsyncIterator[Database]:
    """Pools of one connection for sessions, so that its last caller is the one before."""
    opened = Database(guarded.url, connections=1, scope=NO_WORKSPACE)
    try:
        yield opened
    finally:
        await opened.close()


def columns_of(table: Table) -> list[str]:
    """Return the columns that distinguish the rows of the two workspaces."""
    return [column.name for column in table.primary_key if column.identity is None] or ["agent_id"]


def key_of(table: Table, row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in columns_of(table))


async def keys_in(database: Database, table: Table) -> list[set[tuple[object, ...]]]:
    """Return the keys that a statement without a condition finds, by each way to the database."""
    statement = f"SELECT {', '.join(columns_of(table))} FROM {table.name}"
    async with database.autocommit_session() as session:
        ways: list[Any] = [await session.execute(text(statement))]
    async with database.transaction() as opened:
        ways.append(await opened.connection.fetch(statement))
        ways.append(await opened.session.execute(text(statement)))
    ways += [await database.fetch(statement), await database.fetch_list(statement)]
    async with database.snapshot() as fetch:
        ways.append(await fetch(statement))
    return [{tuple(row) for row in rows} for rows in ways]


async def test_every_table_has_a_policy_or_a_reason(guarded: Guarded) -> None:
    assert set(TABLES) == PROTECTED | set(EXEMPT)
    assert not PROTECTED & set(EXEMPT)
    assert all(EXEMPT.values())


@pytest.mark.parametrize("name", sorted(PROTECTED))
async def test_forgotten_condition_finds_rows_of_the_own_workspace_only(
    guarded: Guarded, database: Database, name: str
) -> None:
    table = TABLES[name]
    own, others = key_of(table, guarded.own[name]), key_of(table, guarded.others[name])
    for keys in await keys_in(database.in_scope(guarded.scope), table):
        assert keys == {own}
    for keys in await keys_in(database, table):
        assert keys == set()
    for keys in await keys_in(database.in_scope(EVERY_WORKSPACE), table):
        assert {own, others} <= keys


@pytest.mark.parametrize("name", sorted(PROTECTED - {"audit_log"}))  # which no caller changes
async def test_forgotten_condition_changes_rows_of_the_own_workspace_only(
    guarded: Guarded, database: Database, name: str
) -> None:
    table = TABLES[name]
    names = ", ".join(columns_of(table))
    first = columns_of(table)[0]
    statement = f"UPDATE {name} SET {first} = {first} RETURNING {names}"
    changed = await database.in_scope(guarded.scope).fetch(statement)
    assert {tuple(row) for row in changed} == {key_of(table, guarded.own[name])}
    assert await database.fetch(statement) == []


@pytest.mark.parametrize("name", sorted(PROTECTED))
async def test_row_of_another_workspace_cannot_be_added(
    guarded: Guarded, database: Database, name: str
) -> None:
    addition = TABLES[name].insert().values(guarded.others[name])
    for scope in (guarded.scope, NO_WORKSPACE):
        async with database.in_scope(scope).autocommit_session() as session:
            with pytest.raises(DBAPIError, match="row-level security"):
                await session.execute(addition)


async def test_row_cannot_be_moved_into_another_workspace(guarded: Guarded, database: Database) -> None:
    own = database.in_scope(guarded.scope)
    move = "UPDATE saved_replies SET workspace_id = $1"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await own.fetch(move, guarded.others["workspaces"]["id"])


async def test_event_of_an_escalation_of_the_same_statement_is_added(
    guarded: Guarded, database: Database
) -> None:
    values = guarded.own["trigger_events"] | {"id": new_id()}
    defaults = {"kept_ai_paused": False, "timeline": 0, "version": 1, "sla_status": "ON_TRACK"}
    changes = {"id": new_id(), "status": "RESOLVED", **defaults}
    new = guarded.own["escalations"] | changes
    escalation = TABLES["escalations"].insert().values(new).cte()
    event = TABLES["trigger_events"].insert().values(values | {"escalation_id": new["id"]}).cte()
    async with database.in_scope(guarded.scope).autocommit_session() as session:
        await session.execute(select(literal(1)).add_cte(escalation, event))


async def test_caller_that_is_cancelled_at_any_time_leaves_its_workspace_to_no_other(
    guarded: Guarded, database: Database
) -> None:
    own, conversations = database.in_scope(guarded.scope), TABLES["conversations"]
    for turns in range(80):
        reading = asyncio.create_task(keys_in(own, conversations))
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        assert await keys_in(database, conversations) == [set()] * WAYS


async def test_session_that_rolls_back_keeps_its_workspace(guarded: Guarded, database: Database) -> None:
    own = database.in_scope(guarded.scope)
    async with own.autocommit_session() as session:
        with pytest.raises(DBAPIError):
            await session.execute(text("SELECT 1 / 0"))
        await session.rollback()
        assert len(list(await session.execute(text("SELECT id FROM conversations")))) == 1
