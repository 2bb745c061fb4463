"""A history of more than 10,000 rows in each table that grows, and the plans of the statements on it."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import asyncpg
import pytest
from sqlalchemy import Engine, event

from resolvers.actor import Actor
from resolvers.analytics.rollups import refresh_rollups
from resolvers.context import Services
from rules.typeid import AGENT, WORKSPACE, format_id, parse_id
from schema.context import GraphQLContext
from schema.execution import execute_call
from schema.operation import read_operation
from server.services import open_services
from server.settings import Settings
from tests.support.baton_client import Server, Workspace
from tests.support.baton_process import run_baton

MOST = 10_000
# Conversations, from which the other tables follow. TESTS_PLAN_ROWS=200000 makes the history large.
ROWS = int(os.environ.get("TESTS_PLAN_ROWS", "10500"))
ORIGIN = "https://shop.example"
# Half of the rows belong to another workspace; people, keys and AI agents to as many others.
_HISTORY = """
INSERT INTO conversations (id, workspace_id, agent_id, ai_state, ai_epoch, messages, customer_messages,
    uncertain_replies, customer_email, created_at)
SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN $1::uuid ELSE $2 END,
    CASE WHEN n % 2 = 0 THEN $3::uuid ELSE $4 END, 'ACTIVE', 1, 2, 1, 0,
    'customer' || n || '@plans.example', now() - n * interval '1 minute'
FROM generate_series(1, $5) n;
INSERT INTO streams (id, head, head_at) SELECT id, 1, created_at FROM conversations;
INSERT INTO log (stream, position, type, data, occurred_at)
SELECT id, 1, 'message.added', '{}', created_at FROM conversations;
INSERT INTO messages (id, conversation_id, position, role, status, content, confidence, intents, created_at)
SELECT gen_random_uuid(), id, n, (ARRAY['USER', 'ASSISTANT'])[n], 'DELIVERED', 'often ' || left(id::text, 8),
    CASE WHEN n = 2 THEN 40 END, '{}', created_at + n * interval '1 second'
FROM conversations, generate_series(1, 2) n;
INSERT INTO escalations (id, workspace_id, agent_id, conversation_id, status, priority, trigger, reason,
    confirmation, sla_policy, sla_target_minutes, sla_started_at, sla_at_risk_at, sla_due_at, sla_status,
    sla_stopped_at, created_at, first_responded_at, first_response_business_us, resolved_at,
    resolution_business_us, kept_ai_paused, timeline, version)
SELECT gen_random_uuid(), workspace_id, agent_id, id, 'RESOLVED', 'LOW', 'API', 'often', 'soon',
    '{"business_hours": {}}', 60, created_at, created_at, created_at, 'ON_TRACK', created_at, created_at,
    created_at, 0, created_at, 0, false, 1, 1
FROM conversations, generate_series(1, 2) WHERE customer_email NOT LIKE '%5@plans.example';
INSERT INTO trigger_events (id, escalation_id, trigger, reason, occurred_at, last_occurred_at, count)
SELECT gen_random_uuid(), id, 'API', 'often', created_at, created_at, 1 FROM escalations;
INSERT INTO timeline_entries (escalation_id, position, kind, data, occurred_at)
SELECT id, 1, 'created', '{}', created_at FROM escalations;
INSERT INTO escalation_notes (id, escalation_id, body, created_at)
SELECT gen_random_uuid(), id, 'a note', created_at FROM escalations;
INSERT INTO pending_escalations (id, workspace_id, agent_id, conversation_id, message_id, confidence,
    requested_at, fires_at, outcome, ended_at)
SELECT gen_random_uuid(), workspace_id, agent_id, c.id, m.id, 20, c.created_at, c.created_at, 'AVERTED',
    c.created_at FROM messages m JOIN conversations c ON c.id = conversation_id WHERE position = 2;
INSERT INTO tool_failures (conversation_id, tool, consecutive) SELECT id, 'search', 1 FROM conversations;
INSERT INTO delivery_targets (id, workspace_id, agent_id, channel, key, confirmed_at)
SELECT gen_random_uuid(), id, CASE WHEN id = $1 THEN $3::uuid ELSE $4 END, 'EMAIL', 'team@plans.example',
    now()
FROM workspaces WHERE id IN ($1, $2);
INSERT INTO deliveries (id, workspace_id, agent_id, target_id, channel, target, event_type, position,
    escalation_id, conversation_id, occurred_at, status, created_at, ended_at)
SELECT gen_random_uuid(), e.workspace_id, e.agent_id, t.id, 'EMAIL', key, 'escalation.created',
    row_number() OVER (), e.id, conversation_id, created_at, 'DELIVERED', created_at, created_at
FROM escalations e JOIN delivery_targets t ON t.workspace_id = e.workspace_id;
INSERT INTO delivery_attempts (id, delivery_id, attempted_at, succeeded, response, duration_ms)
SELECT gen_random_uuid(), id, created_at, true, '204', 9 FROM deliveries;
INSERT INTO audit_log (workspace_id, position, occurred_at, actor_kind, actor_name, address, action, outcome,
    details, previous_hash, hash)
SELECT CASE WHEN n % 2 = 0 THEN $1::uuid ELSE $2 END, 1000 + n, now() - n * interval '1 minute', 'API_KEY',
    'a key', '', 'EXPORT_CUSTOMER', 'OK', '{}', '', '' FROM generate_series(1, $5) n;
INSERT INTO workspaces (id, name, scratch)
SELECT gen_random_uuid(), 'plans', false FROM generate_series(1, $5);
INSERT INTO agents (id, workspace_id, name, settings, settings_version)
SELECT gen_random_uuid(), id, 'Robot', '{}', 1 FROM workspaces WHERE name = 'plans';
INSERT INTO members (id, workspace_id, email, name, role, available)
SELECT gen_random_uuid(), id, id || '@plans.example', 'A member', 'AGENT', true
FROM workspaces WHERE name = 'plans';
INSERT INTO api_keys (id, workspace_id, name, prefix, key_hash, scopes)
SELECT gen_random_uuid(), id, 'a key', 'baton_sk_', id::text::bytea, '{}'
FROM workspaces WHERE name = 'plans';
INSERT INTO member_sessions (token_hash, member_id, id, created_at, expires_at, idle_ends_at, last_used_at)
SELECT id::text::bytea, id, gen_random_uuid(), now(), now() + interval '1 day', now() + interval '1 day',
    now()
FROM members;
INSERT INTO viewings (member_id, conversation_id, ends_at)
SELECT $6, id, now() - interval '1 hour' FROM conversations;
INSERT INTO saved_replies (id, workspace_id, shortcut, shortcut_key, title, content, search_text, updated_at)
SELECT gen_random_uuid(), id, 'hi', 'hi', 'Hi', 'Hello', 'hi hello', now()
FROM workspaces WHERE name = 'plans';
"""
_IDS = {
    "conv": "SELECT id FROM conversations WHERE workspace_id = $1 LIMIT 1",
    "esc": "SELECT id FROM escalations WHERE workspace_id = $1 LIMIT 1",
    "dlv": "SELECT id FROM deliveries WHERE workspace_id = $1 LIMIT 1",
    "msg": "SELECT m.id FROM messages m JOIN conversations c ON c.id = conversation_id "
    "WHERE workspace_id = $1 LIMIT 1",
    "mem": "SELECT id FROM members WHERE workspace_id = $1 LIMIT 1",
    "key": "SELECT id FROM api_keys WHERE workspace_id = $1 LIMIT 1",
}
_ALLOW = """UPDATE agents SET settings = jsonb_set(settings, '{widget,allowed_origins}', to_jsonb($2::text[]))
    WHERE id = $1"""
_LARGE = "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > $1 ORDER BY relname"


@dataclass(frozen=True, slots=True)
class History:
    """A workspace with half of the rows, a row of it by the prefix of its id, and the large tables."""

    workspace: Workspace
    ids: dict[str, UUID]
    large_tables: frozenset[str]

    def id(self, prefix: str) -> str:
        """Return the id of a row as callers write it."""
        return format_id(prefix, self.ids[prefix])


def fill_history(own: Server) -> History:
    """Migrate an empty database, and fill in the history."""
    urls = {"BATON_DATABASE_URL": own.service_url, "BATON_MIGRATION_URL": own.owner_url}
    migrated = run_baton("migrate", **urls)
    assert migrated.returncode == 0, migrated.stderr
    first, second = own.new_workspace(), own.new_workspace()
    given: list[Any] = [parse_id(WORKSPACE, item.id) for item in (first, second)]
    given += [parse_id(AGENT, item.agent_id) for item in (first, second)]
    (member,) = own.rows("SELECT id FROM members WHERE email = $1", first.email)
    given += [ROWS, member["id"]]
    for statement in _HISTORY.split(";\n")[:-1]:
        used = sorted({int(place) for place in re.findall(r"\$(\d)", statement)})
        # PostgreSQL wants the places of a statement to be without gaps.
        for place, old in enumerate(used, 1):
            statement = statement.replace(f"${old}", f"${place}")
        own.execute(statement, *(given[old - 1] for old in used))
    own.execute(_ALLOW, given[2], [ORIGIN])
    _take_in_analytics(own)
    own.execute("ANALYZE")
    ids = {prefix: own.rows(query, given[0])[0]["id"] for prefix, query in _IDS.items()}
    ids[AGENT] = given[2]
    return History(first, ids, frozenset(row["relname"] for row in own.rows(_LARGE, MOST)))


def _take_in_analytics(own: Server) -> None:
    """Do what a worker does: take the new rows into the roll-ups of analytics."""

    async def refresh() -> None:
        settings = Settings(data_dir=own.data_dir, database_url=own.service_url)
        async with open_services(settings, own.service_url, live=False) as opened:
            while await refresh_rollups(opened.services.transactions):
                pass

    asyncio.run(refresh())


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that a call has run, and whether it ran on a connection for lists."""

    text: str
    values: Any
    of_list: bool


class Recorder:
    """The services of a process, whose statements can be recorded and explained."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.statements: list[Statement] = []

    async def scans(self, actor: Actor | None, document: str, given: dict[str, Any]) -> list[str]:
        """Run a query and return the large sequential scans of its statements."""
        operation = read_operation({"query": document, "variables": given}, self.services)
        self.statements.clear()
        call = GraphQLContext(self.services, actor, origin=ORIGIN)
        result = await execute_call(operation, call)
        assert "errors" not in result, (document, result["errors"])
        plans = [await _plan(call.services, item) for item in list(self.statements)]
        return [scan for plan in plans for scan in large_scans(plan)]


async def _plan(services: Services, statement: Statement) -> dict[str, Any]:
    database = services.list_database if statement.of_list else services.database
    explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}"
    ((plan,),) = await database.fetch(explained, *statement.values)
    result: dict[str, Any] = json.loads(plan)[0]["Plan"]
    return result


def large_scans(plan: dict[str, Any]) -> list[str]:
    """Return the sequential scans of many rows in a plan that has run."""
    scanned = plan.get("Actual Rows", 0) + plan.get("Rows Removed by Filter", 0)
    own = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" and scanned > MOST else []
    return own + [scan for part in plan.get("Plans", ()) for scan in large_scans(part)]


@asynccontextmanager
async def recording(own: Server) -> AsyncIterator[Recorder]:
    """Open the services of a process, and record their statements."""
    lists: WeakKeyDictionary[asyncpg.Connection, bool] = WeakKeyDictionary()
    seen: list[Statement] = []
    connect = asyncpg.connect

    def note(text: str, values: Any, of_list: bool) -> None:
        if text.lstrip().upper().startswith(("SELECT", "WITH")):
            seen.append(Statement(text, values, of_list))

    async def connect_and_note(*arguments: Any, **named: Any) -> asyncpg.Connection:
        connection: asyncpg.Connection = await connect(*arguments, **named)
        of_list = "statement_timeout" in named.get("server_settings", {})
        lists[connection] = of_list
        # SQLAlchemy prepares its statements, which asyncpg does not report.
        connection.add_query_logger(lambda record: note(record.query, record.args, of_list))
        return connection

    def note_prepared(session: Any, _: Any, text: str, values: Any, *__: Any) -> None:
        note(text, values, lists[session.connection.driver_connection])

    settings = Settings(data_dir=own.data_dir, database_url=own.service_url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg, "connect", connect_and_note)
        event.listen(Engine, "before_cursor_execute", note_prepared)
        try:
            async with open_services(settings, own.service_url, live=False) as opened:
                recorder = Recorder(opened.services)
                recorder.statements = seen
                yield recorder
        finally:
            event.remove(Engine, "before_cursor_execute", note_prepared)
