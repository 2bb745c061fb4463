"""Reads of the shown columns: each field has its value, by the plan and without the other columns."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from schema.api import GRAPHQL_SCHEMA
from schema.bounded_executor import BoundedExecutor
from schema.context import GraphQLContext
from schema.documents import find
from schema.executor.run import run
from schema.operation import Operation
from schema.planning import build_executor, plan_of
from tests.support.baton_client import Server, Workspace
from tests.support.conversation_driver import Talk
from tests.support.counted_statements import CountedApi, counted_api
from tests.support.field_ways import leaves, ways

pytestmark = pytest.mark.anyio

OF_ROWS = (
    "Escalation",
    "Conversation",
    "Message",
    "TeamMember",
    "EscalationConnection",
    "ConversationConnection",
)
LONGEST = 4


@pytest.fixture
async def api(server: Server) -> AsyncIterator[CountedApi]:
    async with counted_api(server) as opened:
        yield opened


def fields() -> Iterator[str]:
    """Yield selections below `escalations` that end in one field of an object with a row."""
    for way in ways("escalations"):
        within_row = way.type.name in OF_ROWS or (way.steps and way.steps[-1][1] in OF_ROWS)
        if within_row and len(way.path) <= LONGEST:
            yield from (way.selection(name) for name in leaves(way.type))


def by_plan() -> float:
    return REGISTRY.get_sample_value("baton_executions_total", {"by": "plan"}) or 0


async def test_single_field_is_read_by_its_plan(api: CountedApi, workspace: Workspace) -> None:
    talk, member = Talk.begin(workspace), workspace.member("bo@example.com")
    talk.says("Where is my parcel?")
    escalation = talk.key.escalate(talk.id, metadata={"number": 1})["escalation"]["id"]
    member.reply(escalation)
    member.resolve(escalation)
    context, now = await api.context(workspace.sign_in()), datetime.now(UTC)
    selections = list(fields())
    assert len(selections) > 80, "the schema has that many fields of rows"
    for selection in selections:
        before, results = by_plan(), []
        for planned in (True, False):
            call = GraphQLContext.of(context)
            call.now = now
            operation = Operation(f"{{ escalations {{ {selection} }} }}", None, None)
            document, node, _ = find(operation, call)
            executor = build_executor(document, node, operation, call)
            assert isinstance(executor, BoundedExecutor)
            results.append(
                await run(executor, plan_of(document, node, executor, call.caller) if planned else None)
            )
        assert results[0] == results[1], selection
        assert results[0].errors is None, selection
        assert by_plan() == before + 1, selection


async def test_unselected_columns_are_not_read(api: CountedApi, workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    talk.key.escalate(talk.id)
    context = await api.context(workspace.key)
    query = "{ escalations { nodes { status conversation { messages { nodes { role } } } } } }"
    answer, statements = await api.ask(context, query)
    assert "errors" not in answer
    read = " ".join(statement.partition("FROM")[0] for statement in statements)
    for column in ("status", "role"):
        assert column in read
    for column in ("content", "summary", "sla_policy", "customer_email", "settings"):
        assert column not in read


def test_every_type_with_a_row_is_tested() -> None:
    with_rows = {
        type_.name
        for type_ in GRAPHQL_SCHEMA.type_map.values()
        if (definition := type_.extensions.get("strawberry-definition"))
        and getattr(getattr(definition, "origin", None), "__row_model__", None)
    }
    assert with_rows == set(OF_ROWS)


@pytest.mark.parametrize("name", ["conversation", "message", "escalation", "author"])
async def test_single_row_is_looked_up_without_an_array(
    api: CountedApi, workspace: Workspace, name: str
) -> None:
    talk, member = Talk.begin(workspace), workspace.member("cy@example.com")
    escalation = talk.key.escalate(talk.id)["escalation"]["id"]
    message = member.reply(escalation)["message"]["id"]
    author = member.ask("{ viewer { member { id } } }")["viewer"]["member"]["id"]
    ids = {"conversation": talk.id, "message": message, "escalation": escalation, "author": author}
    query = """query($id: ID!) { node(id: $id) { id
        ... on Conversation { cursor viewers { name } activeEscalation { id status } }
        ... on Message { content author { name } }
        ... on Escalation { status unreadMessages assignee { name } conversation { id createdAt } } } }"""
    answer, statements = await api.ask(await api.context(member), query, id=ids[name])
    assert answer["data"]["node"]["id"] == ids[name]
    assert statements
    assert [statement for statement in statements if "ANY" in statement] == []
