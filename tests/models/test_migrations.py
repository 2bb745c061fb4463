"""Data of older versions after the migrations."""

import json
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

import models.migrations
from models.ids import new_id
from models.migrate import migrate
from server.services import DatabaseUrls, prepare
from tests.support.baton_client import Server

pytestmark = pytest.mark.anyio

WORKSPACE = "INSERT INTO workspaces (id, name, scratch) VALUES ($1, 'W', false)"
AGENT = """INSERT INTO agents (id, workspace_id, name, settings, settings_version)
    VALUES ($1, $2, 'Robot', $3, 1)"""
CONFIRMED = (
    "SELECT key FROM delivery_targets WHERE workspace_id = $1 AND confirmed_at IS NOT NULL ORDER BY key"
)


async def upgrade(url: str, revision: str) -> None:
    """Apply the migrations up to a revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(models.migrations.__file__).parent))

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda *_, **__: asyncpg.connect(url))
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


async def test_recipients_of_older_versions_are_confirmed(server: Server) -> None:
    name = f"older_{new_id().hex}"
    superuser = server.owner_url.replace("baton_owner@", "postgres@")
    await execute(superuser, f"CREATE DATABASE {name} OWNER baton_owner")
    url = urlunsplit(urlsplit(server.owner_url)._replace(path=f"/{name}"))
    try:
        await upgrade(url, "0015")
        connection = await asyncpg.connect(url)
        workspace, other = new_id(), new_id()
        for id_ in (workspace, other):
            await connection.execute(WORKSPACE, id_)
        recipients = '{"notifications": {"email": {"recipients": ["Ann@Example.com", "bob@example.com"]}}}'
        await connection.execute(AGENT, new_id(), workspace, recipients)
        await connection.execute(AGENT, new_id(), workspace, recipients)
        await connection.execute(AGENT, new_id(), other, "{}")
        await migrate(url)
        keys = [row["key"] for row in await connection.fetch(CONFIRMED, workspace)]
        assert keys == ["ann@example.com", "bob@example.com"]
        assert await connection.fetch(CONFIRMED, other) == []
        await connection.close()
    finally:
        await execute(superuser, f"DROP DATABASE {name} WITH (FORCE)")


async def test_migration_is_recorded_in_the_audit_log_of_every_workspace_once(server: Server) -> None:
    name = f"older_{new_id().hex}"
    superuser = server.owner_url.replace("baton_owner@", "postgres@")
    await execute(superuser, f"CREATE DATABASE {name} OWNER baton_owner")
    url = urlunsplit(urlsplit(server.owner_url)._replace(path=f"/{name}"))
    try:
        await upgrade(url, "0020")
        connection = await asyncpg.connect(url)
        workspaces = {new_id() for _ in range(2)}
        for id_ in workspaces:
            await connection.execute(WORKSPACE, id_)
        done = await prepare(DatabaseUrls(url, url))
        await prepare(DatabaseUrls(url, url))
        rows = await connection.fetch("SELECT * FROM audit_log")
        assert {row["workspace_id"] for row in rows} == workspaces
        assert [(row["action"], row["actor_kind"]) for row in rows] == [("MIGRATE_DATABASE", "OPERATOR")] * 2
        assert [json.loads(row["details"]) for row in rows] == [{"before": "0020", "after": done.after}] * 2
        await connection.close()
    finally:
        await execute(superuser, f"DROP DATABASE {name} WITH (FORCE)")


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
