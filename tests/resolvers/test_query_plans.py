"""Plans of every query of the contract: none reads more than 10,000 rows of a table from end to end."""

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from models.row_scope import connect_across
from resolvers.actor import Actor, ActorKind
from rules.roles import Scope
from rules.typeid import (
    AGENT,
    API_KEY,
    CONVERSATION,
    DELIVERY,
    ESCALATION,
    MEMBER,
    MESSAGE,
    WORKSPACE,
    parse_id,
)
from schema.api import GRAPHQL_SCHEMA
from tests.support.baton_client import Server
from tests.support.own_database import own_database
from tests.support.query_plans import ROWS, History, fill_history, large_scans, recording

pytestmark = pytest.mark.anyio

GROWING = {
    *("conversations", "streams", "log", "messages", "search_entries", "escalations", "trigger_events"),
    *("timeline_entries", "escalation_notes", "pending_escalations", "deliveries", "delivery_attempts"),
    *("audit_log", "workspaces", "agents", "members", "api_keys", "member_sessions", "saved_replies"),
    *("viewings", "tool_failures"),
}
CONVERSATION_FIELDS = """id ai { state } button { visible } customer { email } readPositions { team }
    cursor agent { id name } viewers { id } pendingEscalation { firesAt } activeEscalation { id }
    messages(first: 20) { totalCount nodes { id content author { name } } }
    escalations(first: 5) { totalCount nodes { id status } }"""
ESCALATION_FIELDS = """id status sla { status dueAt } unreadMessages assignee { name } agent { name }
    conversation { id customer { email } messages(last: 5) { nodes { content } } }
    resolution { resolvedBy { name } } triggers { trigger } notes { body author { name } }
    timeline(first: 20) { nodes { kind actor { name } } }"""
CONVERSATIONS = """query($filter: ConversationFilter, $order: ConversationOrder! = CREATED_DESC) {
    conversations(filter: $filter, orderBy: $order, first: 20) { pageInfo { hasNextPage } nodes { id } } }"""
ESCALATIONS = """query($filter: EscalationFilter, $order: EscalationOrder! = CREATED_DESC) {
    escalations(filter: $filter, orderBy: $order, first: 20) { pageInfo { hasNextPage } nodes { id } } }"""
COUNTED = {
    CONVERSATIONS: "query($filter: ConversationFilter) { conversations(filter: $filter) { totalCount } }",
    ESCALATIONS: "query($filter: EscalationFilter) { escalations(filter: $filter) { totalCount } }",
}
DELIVERIES = """query($status: DeliveryStatus, $channel: DeliveryChannel, $id: ID) {
    deliveries(status: $status, channel: $channel, escalationId: $id, first: 20) {
        pageInfo { hasNextPage } nodes { id attempts { response } escalation { id status } } } }"""
PERIOD = {"from": "2020-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"}
SEARCHES = ("often", "of", "nowhere", "plans often", "often none")

Case = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def history(server: Server) -> Iterator[History]:
    with own_database(server) as own:
        yield fill_history(own)


def rows(history: History) -> Iterator[Case]:
    """Yield queries of single rows, and lists of people, keys and AI agents."""
    agent = {"id": history.id(AGENT)}
    yield "{ viewer { kind scopes workspace { id } cursor apiKey { id } member { id } } }", {}
    for prefix in (AGENT, CONVERSATION, ESCALATION, MEMBER, MESSAGE, DELIVERY, API_KEY):
        yield "query($id: ID!) { node(id: $id) { __typename id } }", {"id": history.id(prefix)}
    yield "query($id: ID!) { agent(id: $id) { id settings { version } } }", agent
    yield "{ agents { id name settings { version } } }", {}
    yield "{ members { id name } apiKeys { id name } }", {}
    yield "{ sessions { id lastUsedAt } }", {}
    yield "query($id: ID) { sessions(memberId: $id) { id } }", {"id": history.id(MEMBER)}
    conversation = f"query($id: ID!) {{ conversation(id: $id) {{ {CONVERSATION_FIELDS} }} }}"
    yield conversation, {"id": history.id(CONVERSATION)}
    yield (
        f"query($id: ID!) {{ escalation(id: $id) {{ {ESCALATION_FIELDS} }} }}",
        {"id": history.id(ESCALATION)},
    )
    settings = (
        "query($id: ID!) { escalationSettings(agentId: $id) { version notifications { webhooks { id } } } }"
    )
    yield settings, agent
    yield "query($id: ID!) { widget(agentId: $id) { __typename } }", agent
    yield "query($text: String) { savedReplies(search: $text) { id } }", {}
    yield "query($text: String) { savedReplies(search: $text) { id } }", {"text": "hello"}


def lists(history: History) -> Iterator[Case]:
    """Yield lists with every order, every filter, their counts, and the fields of their rows."""
    agent, member = history.id(AGENT), history.id(MEMBER)
    conversation_filters: list[dict[str, Any]] = [
        {},
        {"agentId": agent},
        *({"aiState": state} for state in ("ACTIVE", "PAUSED")),
        *({name: value} for name, value in product(("escalated", "awaitingAi"), (True, False))),
        {"customerEmail": "customer2@plans.example"},
        {"customerExternalId": "none"},
        *({"search": search} for search in SEARCHES),
    ]
    escalation_filters: list[dict[str, Any]] = [
        {},
        {"agentId": agent},
        *({"status": [status]} for status in ("OPEN", "RESOLVED")),
        *({"priority": [priority]} for priority in ("LOW", "URGENT")),
        *({"slaStatus": [status]} for status in ("ON_TRACK", "AT_RISK", "BREACHED")),
        *({"slaOutcome": [outcome]} for outcome in ("MET", "MISSED", "RUNNING")),
        *({"trigger": [trigger]} for trigger in ("API", "BUTTON")),
        {"assigneeId": member},
        *({name: value} for name, value in product(("answered", "unassigned", "reviewed"), (True, False))),
        {"createdFrom": "2100-01-01T00:00:00Z"},
        {"createdTo": "2000-01-01T00:00:00Z"},
        {"disposition": ["NEEDED"]},
        *({"search": search} for search in SEARCHES),
    ]
    for filter_, order in product(conversation_filters, ("CREATED_DESC", "CREATED_ASC", "LAST_MESSAGE_DESC")):
        yield CONVERSATIONS, {"filter": filter_, "order": order}
    orders = ("CREATED_DESC", "CREATED_ASC", "DUE_ASC", "PRIORITY_DESC")
    for filter_, order in product(escalation_filters, orders):
        yield ESCALATIONS, {"filter": filter_, "order": order}
    yield f"{{ conversations(last: 5) {{ nodes {{ {CONVERSATION_FIELDS} }} }} }}", {}
    yield f"{{ escalations(last: 5) {{ nodes {{ {ESCALATION_FIELDS} }} }} }}", {}
    for list_, filters in ((CONVERSATIONS, conversation_filters), (ESCALATIONS, escalation_filters)):
        # Counts without a filter, or by what most rows have, read the whole of a workspace.
        yield from ((COUNTED[list_], {"filter": filter_}) for filter_ in filters if "search" in filter_)


def others(history: History) -> Iterator[Case]:
    """Yield deliveries, counts, analytics and the audit log."""
    yield DELIVERIES, {}
    yield from ((DELIVERIES, {"status": status}) for status in ("PENDING", "DELIVERED", "FAILED", "DROPPED"))
    yield from ((DELIVERIES, {"channel": channel}) for channel in ("EMAIL", "SLACK", "WEBHOOK"))
    yield DELIVERIES, {"id": history.id(ESCALATION)}
    agent = history.id(AGENT)
    counts = "query($id: ID) { escalationCounts(agentId: $id) { open breached } }"
    yield counts, {}
    yield counts, {"id": agent}
    audit = (
        """query($filter: AuditLogFilter) { auditLog(first: 20, filter: $filter) { nodes { __typename } } }"""
    )
    yield audit, {}
    yield audit, {"filter": {"actions": ["SIGN_IN"]}}
    yield audit, {"filter": {"actor": history.id(MEMBER)}}
    yield audit, {"filter": PERIOD}
    period = {"id": agent, **PERIOD}
    given = "query($id: ID!, $from: DateTime!, $to: DateTime!)"
    for field in (
        "escalationAnalytics(agentId: $id, from: $from, to: $to) { escalations topReasons { count } "
        "byAssignee { assignee { name } } series(interval: MONTH) { escalations } }",
        "thresholdWhatIf(agentId: $id, from: $from, to: $to, thresholds: [50]) { escalationRate }",
        "confidenceCalibration(agentId: $id, from: $from, to: $to) { replies }",
    ):
        yield f"{given} {{ {field} }}", period


async def large_scans_of(history: History, cases: Iterator[Case]) -> dict[str, list[str]]:
    """Return the large scans of queries by a team member with every scope."""
    actor = Actor(
        ActorKind.TEAM_MEMBER,
        parse_id(WORKSPACE, history.workspace.id),
        frozenset(Scope),
        member_id=history.ids[MEMBER],
    )
    async with recording(history.workspace.server) as recorder:
        return {
            f"{document} {given}": scans
            for document, given in cases
            if (scans := await recorder.scans(actor, document, given))
        }


@pytest.mark.parametrize("cases", [rows, lists, others])
async def test_no_query_reads_a_large_table_from_end_to_end(history: History, cases: Any) -> None:
    assert await large_scans_of(history, cases(history)) == {}


def test_every_table_that_grows_is_large(history: History) -> None:
    assert history.large_tables >= GROWING


def test_every_query_of_the_contract_has_a_case(history: History) -> None:
    documents = " ".join(document for cases in (rows, lists, others) for document, _ in cases(history))
    query = GRAPHQL_SCHEMA.query_type
    assert query is not None
    assert [name for name in query.fields if not re.search(rf"\b{name}\b", documents)] == []


async def test_plan_with_a_large_scan_is_noticed(history: History) -> None:
    connection = await connect_across(history.workspace.server.service_url)
    try:
        plan = await connection.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) SELECT sum(position) FROM messages")
    finally:
        await connection.close()
    assert large_scans(json.loads(plan)[0]["Plan"]) == ["messages"]
    assert ROWS > 10_000
