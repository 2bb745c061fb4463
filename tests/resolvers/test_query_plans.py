"""Plans of lists and searches: none reads a table of more than 10,000 rows from end to end."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Engine, event

from resolvers.actor import Actor, ActorKind
from resolvers.context import Services
from rules.roles import Scope
from rules.typeid import AGENT, WORKSPACE, parse_id
from schema.context import GraphQLContext
from schema.execution import execute_call
from schema.operation import read_operation
from server.services import open_services
from server.settings import Settings
from tests.support.baton_client import Server, Workspace

ROWS, MOST = 10_500, 10_000
CONVERSATIONS = """query($filter: ConversationFilter, $order: ConversationOrder! = CREATED_DESC) {
    conversations(filter: $filter, orderBy: $order, first: 50) { nodes { id } } }"""
ESCALATIONS = """query($filter: EscalationFilter, $order: EscalationOrder! = CREATED_DESC) {
    escalations(filter: $filter, orderBy: $order, first: 50) { nodes { id } } }"""
COUNTED = ("conversations(filter: $filter) { totalCount }", "escalations(filter: $filter) { totalCount }")
DELIVERIES = "{ deliveries { nodes { id } } }"
# Half of the rows belong to another workspace.
DATA = """
INSERT INTO conversations (id, workspace_id, agent_id, ai_state, ai_epoch, messages, customer_messages,
    uncertain_replies, customer_email, created_at)
SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN $1::uuid ELSE $2 END,
    CASE WHEN n % 2 = 0 THEN $3::uuid ELSE $4 END, 'ACTIVE', 1, 1, 1, 0,
    'customer' || n || '@plans.example', now() - n * interval '1 minute'
FROM generate_series(1, $5) n;
INSERT INTO streams (id, head, head_at)
SELECT id, 0, created_at FROM conversations WHERE customer_email LIKE '%@plans.example';
INSERT INTO messages (id, conversation_id, position, role, status, content, intents, created_at)
SELECT gen_random_uuid(), id, 1, 'USER', 'DELIVERED', 'often ' || left(id::text, 8), '{}', created_at
FROM conversations WHERE customer_email LIKE '%@plans.example';
INSERT INTO escalations (id, workspace_id, agent_id, conversation_id, status, priority, trigger, reason,
    confirmation, sla_policy, sla_target_minutes, sla_started_at, sla_at_risk_at, sla_due_at, sla_status,
    sla_stopped_at, created_at, kept_ai_paused, timeline, version)
SELECT gen_random_uuid(), workspace_id, agent_id, id, 'RESOLVED', 'LOW', 'API', 'often', 'soon',
    '{"business_hours": {}}', 60, created_at, created_at, created_at, 'ON_TRACK', created_at, created_at,
    false, 0, 1
FROM conversations WHERE customer_email LIKE '%@plans.example';
"""


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    """A workspace with thousands of rows of each kind, next to another with as many."""
    own, other = server.new_workspace(), server.new_workspace()
    ids = [parse_id(WORKSPACE, item.id) for item in (own, other)]
    ids += [parse_id(AGENT, item.agent_id) for item in (own, other)]
    for statement in DATA.split(";\n")[:-1]:
        used = [value for place, value in enumerate([*ids, ROWS], 1) if f"${place}" in statement]
        server.execute(statement, *used)
    server.execute("ANALYZE conversations, streams, messages, escalations, search_entries")
    return own


@asynccontextmanager
async def services_of(server: Server) -> AsyncIterator[Services]:
    settings = Settings(data_dir=server.data_dir, database_url=server.service_url)
    async with open_services(settings, server.service_url, live=False) as opened:
        yield opened.services


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements of all sessions, with their values."""
    seen: list[tuple[str, Any]] = []

    def collect(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        seen.append((statement, values))

    event.listen(Engine, "before_cursor_execute", collect)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", collect)


def large_scans(plan: dict[str, Any]) -> list[str]:
    """Return the sequential scans of many rows in a plan that has run."""
    scanned = plan.get("Actual Rows", 0) + plan.get("Rows Removed by Filter", 0)
    own = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" and scanned > MOST else []
    return own + [scan for part in plan.get("Plans", ()) for scan in large_scans(part)]


async def scans_of(
    services: Services, workspace: Workspace, document: str, given: dict[str, Any]
) -> list[str]:
    """Run a query and return the large sequential scans of its statements."""
    actor = Actor(ActorKind.API_KEY, parse_id(WORKSPACE, workspace.id), frozenset(Scope))
    call = GraphQLContext(services, actor)
    with statements() as seen:
        operation = read_operation({"query": document, "variables": given}, services)
        result = await execute_call(operation, call)
    assert "errors" not in result, result["errors"]
    assert seen
    rows = [
        await services.list_database.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
        for statement, values in seen
    ]
    plans = [json.loads(row["QUERY PLAN"])[0]["Plan"] for (row,) in rows]
    return [scan for plan in plans for scan in large_scans(plan)]


CONVERSATION_LISTS: list[dict[str, Any]] = [
    *({"order": order} for order in ("CREATED_DESC", "CREATED_ASC", "LAST_MESSAGE_DESC")),
    {"filter": {"customerEmail": "customer2@plans.example"}},
    {"filter": {"customerExternalId": "none"}},
    *({"filter": {"search": search}} for search in ("often", "of", "nowhere", "plans often", "often none")),
]
ESCALATION_LISTS: list[dict[str, Any]] = [
    *({"order": order} for order in ("CREATED_DESC", "CREATED_ASC", "DUE_ASC", "PRIORITY_DESC")),
    {"filter": {"status": ["OPEN"]}},
    {"filter": {"slaStatus": ["BREACHED"]}},
    *({"filter": {"search": search}} for search in ("often", "of", "nowhere", "plans often", "often none")),
]


@pytest.mark.anyio
async def test_no_list_reads_a_large_table_from_end_to_end(workspace: Workspace) -> None:
    asked = [(CONVERSATIONS, given) for given in CONVERSATION_LISTS]
    asked += [(ESCALATIONS, given) for given in ESCALATION_LISTS]
    asked += [
        (f"query($filter: {kind}) {{ {field} }}", {"filter": {"search": search}})
        for kind, field in zip(("ConversationFilter", "EscalationFilter"), COUNTED, strict=True)
        for search in ("often", "nowhere")
    ]
    asked += [(DELIVERIES, {}), ("{ escalationCounts { open breached } }", {})]
    async with services_of(workspace.server) as services:
        scans = {
            f"{document} {given}": large
            for document, given in asked
            if (large := await scans_of(services, workspace, document, given))
        }
    assert scans == {}


@pytest.mark.anyio
async def test_plan_with_a_large_scan_is_noticed(workspace: Workspace) -> None:
    connection = await asyncpg.connect(workspace.server.service_url)
    try:
        plan = await connection.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) SELECT sum(position) FROM messages")
    finally:
        await connection.close()
    assert large_scans(json.loads(plan)[0]["Plan"]) == ["messages"]
