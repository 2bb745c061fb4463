"""Lists of the API: the number of statements does not grow with the number of items."""

import gc
from asyncio import sleep
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import pytest
from graphql import GraphQLField, get_nullable_type, is_list_type

from resolvers.context import Context
from tests.support.baton_client import Server, Workspace
from tests.support.conversation_driver import Talk
from tests.support.counted_statements import CountedApi, counted_api
from tests.support.field_ways import leaves, ways
from tests.support.permission_targets import ROOTS

pytestmark = pytest.mark.anyio

LIMIT = 7
"""Statements of an operation, with the one that reads the credential."""
DASHBOARD = """{ escalations(first: 50) { nodes { id status sla { status dueAt } assignee { name }
    conversation { customer { name } messages(last: 3) { nodes { content author { name } } } } } } }"""
PERIOD = 'agentId: $agent, from: "2026-01-01T00:00:00Z", to: "2034-01-01T00:00:00Z"'
ARGUMENTS = {"thresholdWhatIf": f"({PERIOD}, thresholds: [50])", "confidenceCalibration": f"({PERIOD})"}


def is_list(field: GraphQLField) -> bool:
    return is_list_type(get_nullable_type(field.type)) or str(field.type).endswith("Connection!")


LISTS = [name for name, (kind, field) in ROOTS.items() if kind == "query" and is_list(field)]


@pytest.fixture
async def api(server: Server) -> AsyncIterator[CountedApi]:
    async with counted_api(server) as opened:
        yield opened


@pytest.fixture
def rows(workspace: Workspace) -> Workspace:
    """A workspace with four conversations, whose escalations a member has answered."""
    member = workspace.member("bo@example.com")
    for number in range(4):
        talk = Talk.begin(workspace)
        talk.says(f"Where is parcel {number}?")
        member.reply(talk.key.escalate(talk.id)["escalation"]["id"])
    return workspace


def selections(root: str) -> dict[str, list[str]]:
    """Return for each way below a list the selections of all plain fields at its end, and of one."""
    return {
        ".".join(way.path): [
            way.selection(" ".join(fields)) for fields in (["__typename", *leaves(way.type)], ["__typename"])
        ]
        for way in ways(root)
    }


async def count_statements(api: CountedApi, context: Context, queries: list[str], agent_id: str) -> int:
    """Return the statements of the first query that does not cost too much; refused ones take none."""
    for query in queries:
        answer, statements = await api.ask(context, query, agent=agent_id)
        if "errors" not in answer:
            return 1 + len(statements)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["QUERY_TOO_COMPLEX"], query
        assert statements == []
    return 1


@pytest.mark.parametrize("root", LISTS)
async def test_list_takes_few_statements_whatever_is_selected(
    api: CountedApi, rows: Workspace, root: str
) -> None:
    context = await api.context(rows.sign_in())
    pages = "first" in ROOTS[root][1].args
    arguments = "(first: 5)" if pages else ARGUMENTS.get(root, "")
    head = f"query($agent: ID!) {{ {root}{arguments}" if "$agent" in arguments else f"{{ {root}{arguments}"
    taken = {
        way: await count_statements(
            api, context, [f"{head} {{ {selection} }} }}" for selection in of_way], rows.agent_id
        )
        for way, of_way in selections(root).items()
    }
    assert {way: count for way, count in taken.items() if count > LIMIT} == {}


@pytest.mark.parametrize(
    "query", [DASHBOARD, "{ escalations { nodes { conversation { messages { totalCount } } } } }"]
)
async def test_kept_plan_takes_the_same_statements(api: CountedApi, rows: Workspace, query: str) -> None:
    context = await api.context(rows.sign_in())
    # The second request uses the kept plan, which reads rows without a task.
    (first, of_first), (second, of_second) = [await api.ask(context, query) for _ in range(2)]
    assert "errors" not in first
    assert first.keys() == second.keys()
    assert Counter(of_first) == Counter(of_second)


@pytest.mark.parametrize(("cursor", "most"), [("", 6), ("cursor", LIMIT)])
async def test_list_of_escalations_with_messages_takes_few_statements(
    api: CountedApi, rows: Workspace, cursor: str, most: int
) -> None:
    answer, statements = await api.ask(
        await api.context(rows.key), DASHBOARD.replace("nodes", f"{cursor} nodes", 1)
    )
    page = answer["data"]["escalations"]
    assert [len(node["conversation"]["messages"]["nodes"]) for node in page["nodes"]] == [3] * 4
    assert ("cursor" in page) == bool(cursor)
    assert 1 + len(statements) <= most, statements


async def test_rows_of_a_list_are_freed_without_the_garbage_collector(
    api: CountedApi, rows: Workspace
) -> None:
    context = await api.context(rows.key)
    await api.ask(context, DASHBOARD)
    await sleep(0)  # until then the event loop refers to the result of the last statement
    gc.collect()
    gc.disable()
    try:
        before = count_records()
        for _ in range(3):
            answer, _ = await api.ask(context, DASHBOARD)
            assert len(answer["data"]["escalations"]["nodes"]) == 4
        await sleep(0)
        assert count_records() == before
    finally:
        gc.enable()


def count_records() -> int:
    return sum(isinstance(item, asyncpg.Record) for item in gc.get_objects())
