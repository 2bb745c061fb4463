"""Lists that take too long, and locks that others hold: what waits, what does not, and how it ends."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import text

from models.database import Database, DatabaseUnavailableError, QueryTimeoutError
from resolvers.context import NARROWER_LIST
from rules.typeid import AGENT, CONVERSATION, parse_id
from tests.support.baton_client import Caller, Server, Workspace, wait_for
from tests.support.locks import hold, send

MODERN = "application/graphql-response+json"
REPLIES = '{ savedReplies(search: "refund") { id } }'
RECORD = """mutation($id: ID!) { recordMessage(input: {conversationId: $id, role: USER, content: "late"}) {
    message { id } } }"""
SLEEP = "SELECT pg_sleep(30)"
CONNECTIONS = 8  # BATON_LIST_CONNECTIONS


@pytest.fixture
def slow_replies(workspace: Workspace) -> Iterator[None]:
    """Saved replies of which each takes 30 s to read."""
    new = {"shortcut": "refund", "title": "Refund", "content": "You get a refund."}
    create = """mutation($input: SavedReplyInput!) { createSavedReply(input: $input) { id } }"""
    workspace.key.ask(create, input=new)
    workspace.server.execute("CREATE POLICY slow ON saved_replies USING (pg_sleep(30) IS NOT NULL)")
    workspace.server.execute("ALTER TABLE saved_replies ENABLE ROW LEVEL SECURITY")
    try:
        yield
    finally:
        workspace.server.execute("ALTER TABLE saved_replies DISABLE ROW LEVEL SECURITY")
        workspace.server.execute("DROP POLICY slow ON saved_replies")


@contextmanager
def slow_escalations(workspace: Workspace, statement: str = "") -> Iterator[None]:
    """Let a resolved escalation take 30 s to read, by statements that hold a text."""
    raised = workspace.key.escalate(workspace.start()["conversation"]["id"], "call")
    workspace.key.resolve(raised["escalation"]["id"])
    others = f"agent_id <> '{parse_id(AGENT, workspace.agent_id)}'"
    others += f" OR current_query() NOT LIKE '%{statement}%'"
    server = workspace.server
    server.execute(f"CREATE POLICY slow ON escalations USING ({others} OR pg_sleep(30) IS NOT NULL)")
    server.execute("ALTER TABLE escalations ENABLE ROW LEVEL SECURITY")
    try:
        yield
    finally:
        server.execute("ALTER TABLE escalations DISABLE ROW LEVEL SECURITY")
        server.execute("DROP POLICY slow ON escalations")


def is_read(server: Server) -> bool:
    return bool(server.rows("SELECT 1 FROM pg_locks WHERE relation = 'saved_replies'::regclass"))


@pytest.mark.anyio
async def test_query_of_lists_that_takes_too_long_has_an_error_of_its_own(workspace: Workspace) -> None:
    database = Database(workspace.server.service_url, connections=1, list_seconds=0.1)
    try:
        with pytest.raises(QueryTimeoutError):
            await database.fetch(SLEEP)
        with pytest.raises(QueryTimeoutError):
            async with database.autocommit_session() as session:
                await session.execute(text(SLEEP))
        with pytest.raises(QueryTimeoutError):
            async with database.snapshot() as fetch:
                await fetch(SLEEP)
        assert await database.fetch("SELECT 1 AS answer")
    finally:
        await database.close()


@pytest.mark.anyio
async def test_list_without_a_free_connection_is_unavailable_in_two_seconds(workspace: Workspace) -> None:
    database = Database(workspace.server.service_url, connections=1, list_seconds=20)
    try:
        async with database.autocommit_session() as session:
            await session.execute(text("SELECT 1"))
            with pytest.raises(DatabaseUnavailableError):
                async with database.autocommit_session() as another:
                    await another.execute(text("SELECT 1"))
    finally:
        await database.close()


@pytest.mark.anyio
async def test_lists_that_take_too_long_hold_up_no_message(workspace: Workspace, slow_replies: None) -> None:
    conversation = str(workspace.start()["conversation"]["id"])
    waiting = [send(workspace.key.refusal, REPLIES) for _ in range(CONNECTIONS)]
    await asyncio.to_thread(wait_for, lambda: is_read(workspace.server), "a list that takes long")
    for number in range(3):
        await send(workspace.key.record, conversation, "USER", f"message {number}")
    refusals = await asyncio.gather(*waiting)
    assert {refusal.code for refusal in refusals} == {"QUERY_TOO_SLOW"}
    assert "longer than 3 s. Narrow the filter" in str(refusals[0])


def test_slow_list_of_rest_is_a_problem_that_names_no_field_of_graphql(workspace: Workspace) -> None:
    with slow_escalations(workspace):
        answer = httpx.get(f"{workspace.key.url}/escalations", headers=workspace.key.headers, timeout=30)
    assert answer.json() == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": f"This took longer than 3 s. {NARROWER_LIST}",
        "code": "QUERY_TOO_SLOW",
    }


def test_slow_count_is_refused_with_the_advice_to_leave_it_out(workspace: Workspace) -> None:
    with slow_escalations(workspace, "count("):
        refusal = workspace.key.refusal("{ escalations { totalCount } }")
    assert refusal.code == "QUERY_TOO_SLOW"
    assert "longer than 3 s. Leave totalCount out." in str(refusal)


@pytest.mark.anyio
async def test_row_that_stays_locked_ends_the_request_as_unavailable(workspace: Workspace) -> None:
    conversation = str(workspace.start()["conversation"]["id"])
    server, key = workspace.server, parse_id(CONVERSATION, conversation)
    async with hold(server, "conversations", key):
        answer, problem = await asyncio.gather(
            send(post, workspace.key, RECORD, conversation), send(escalate, workspace.key, conversation)
        )
    for response in (answer, problem):
        assert (response.status_code, response.headers["retry-after"]) == (503, "1"), response.text
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert problem.json()["code"] == "UNAVAILABLE"
    assert server.rows("SELECT 1 FROM messages WHERE conversation_id = $1", key) == []
    assert server.rows("SELECT 1 FROM escalations WHERE conversation_id = $1", key) == []
    workspace.key.ask(RECORD, id=conversation)


def post(caller: Caller, query: str, conversation: str) -> httpx.Response:
    given = {"query": query, "variables": {"id": conversation}}
    headers = {**caller.headers, "Accept": MODERN}
    return httpx.post(f"{caller.url}/graphql", json=given, headers=headers, timeout=30)


def escalate(caller: Caller, conversation: str) -> httpx.Response:
    url = f"{caller.url}/conversations/{conversation}/escalate"
    return httpx.post(url, json={"reason": "late"}, headers=caller.headers, timeout=30)
