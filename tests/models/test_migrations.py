"""Data of older versions after the migrations."""

import asyncio
import json
from functools import partial

import asyncpg
import pytest

from models.ids import new_id
from models.migrate import migrate
from server.services import DatabaseUrls, prepare
from tests.support.baton_client import Server, wait_for
from tests.support.older_data import upgrade
from tests.support.own_database import own_database

pytestmark = pytest.mark.anyio

WORKSPACE = "INSERT INTO workspaces (id, name, scratch) VALUES ($1, 'W', false)"
AGENT = """INSERT INTO agents (id, workspace_id, name, settings, settings_version)
    VALUES ($1, $2, 'Robot', $3, 1)"""
WAITS = "SELECT 1 FROM pg_locks WHERE relation = 'messages'::regclass AND NOT granted"
CONFIRMED = (
    "SELECT key FROM delivery_targets WHERE workspace_id = $1 AND confirmed_at IS NOT NULL ORDER BY key"
)


async def test_recipients_of_older_versions_are_confirmed(server: Server) -> None:
    with own_database(server) as own:
        await upgrade(own.owner_url, "0015")
        connection = await asyncpg.connect(own.owner_url)
        try:
            workspace, other = new_id(), new_id()
            for id_ in (workspace, other):
                await connection.execute(WORKSPACE, id_)
            recipients = (
                '{"notifications": {"email": {"recipients": ["Ann@Example.com", "bob@example.com"]}}}'
            )
            await connection.execute(AGENT, new_id(), workspace, recipients)
            await connection.execute(AGENT, new_id(), workspace, recipients)
            await connection.execute(AGENT, new_id(), other, "{}")
            await migrate(own.owner_url)
            keys = [row["key"] for row in await connection.fetch(CONFIRMED, workspace)]
            assert keys == ["ann@example.com", "bob@example.com"]
            assert await connection.fetch(CONFIRMED, other) == []
        finally:
            await connection.close()


async def test_migration_gives_way_to_a_transaction_that_needs_what_it_holds(server: Server) -> None:
    with own_database(server) as own:
        await upgrade(own.owner_url, "0020")
        connection = await asyncpg.connect(own.owner_url)
        try:
            async with connection.transaction():
                await connection.execute("SELECT FROM messages")
                migrating = asyncio.create_task(migrate(own.owner_url))
                waits = partial(own.rows, WAITS)
                await asyncio.to_thread(wait_for, waits, "the migration to wait for the messages")
                # The migration holds this table, and both would wait for each other.
                await connection.execute("UPDATE conversations SET messages = 0")
            assert (await migrating).before == "0020"
        finally:
            await connection.close()


async def test_migration_is_recorded_in_the_audit_log_of_every_workspace_once(server: Server) -> None:
    with own_database(server) as own:
        await upgrade(own.owner_url, "0020")
        connection = await asyncpg.connect(own.owner_url)
        try:
            workspaces = {new_id() for _ in range(2)}
            for id_ in workspaces:
                await connection.execute(WORKSPACE, id_)
            urls = DatabaseUrls(own.owner_url, own.owner_url)
            done = await prepare(urls)
            await prepare(urls)
            rows = await connection.fetch("SELECT * FROM audit_log")
        finally:
            await connection.close()
    assert {row["workspace_id"] for row in rows} == workspaces
    assert [(row["action"], row["actor_kind"]) for row in rows] == [("MIGRATE_DATABASE", "OPERATOR")] * 2
    assert [json.loads(row["details"]) for row in rows] == [{"before": "0020", "after": done.after}] * 2
