"""Plans are kept with their documents, within the bytes of the cache of documents."""

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest

from resolvers.actor import Actor
from resolvers.context import Context
from schema.bounded_executor import BoundedExecutor
from schema.context import GraphQLContext
from schema.documents import CACHE, CACHE_BYTES, Document, find
from schema.execution import execute
from schema.executor.plan import Plan
from schema.operation import Operation
from schema.planning import build_executor, plan_of
from tests.support.baton_client import Server, Workspace
from tests.support.counted_statements import CountedApi, counted_api

pytestmark = pytest.mark.anyio

NAMES = count(1)


@pytest.fixture
async def api(server: Server) -> AsyncIterator[CountedApi]:
    async with counted_api(server) as opened:
        yield opened


def fresh(selection: str, declared: str = "") -> str:
    """Return a document that no other test has sent."""
    return f"query Kept{next(NAMES)}{declared} {{ {selection} }}"


def look_up(
    context: Context, text: str, caller: Actor | None, **variables: bool
) -> tuple[Document, Plan | None]:
    """Return the document of the text, and the plan for a caller."""
    operation, call = Operation(text, variables, None), GraphQLContext.of(context)
    document, node, _ = find(operation, call)
    executor = build_executor(document, node, operation, call)
    assert isinstance(executor, BoundedExecutor)
    return document, plan_of(document, node, executor, caller)


async def test_plan_is_made_once_and_counted(api: CountedApi, workspace: Workspace) -> None:
    context = await api.context(workspace.key)
    text = fresh("agents { id name }")
    document, plan = look_up(context, text, context.caller)
    assert plan is not None
    before = CACHE.bytes
    assert look_up(context, text, context.caller) == (document, plan)
    assert CACHE.bytes == before
    assert list(document.plans.values()) == [plan]


async def test_bytes_of_a_plan_are_those_of_its_document(api: CountedApi, workspace: Workspace) -> None:
    context = await api.context(workspace.key)
    text = fresh("agents { id name }")
    document, _ = look_up(context, text, None)
    before = CACHE.bytes
    _, plan = look_up(context, text, context.caller)
    assert plan is not None
    assert CACHE.bytes == before + plan.bytes
    assert document.plans


async def test_each_combination_of_switches_has_a_plan(api: CountedApi, workspace: Workspace) -> None:
    context = await api.context(workspace.key)
    text = fresh(
        "agents { id @include(if: $a) name @skip(if: $b) __typename }", "($a: Boolean!, $b: Boolean!)"
    )
    plans = {
        look_up(context, text, context.caller, a=a, b=b)[1] for a in (True, False) for b in (True, False)
    }
    assert len(plans) == 4
    assert None not in plans


async def test_operation_with_five_switches_has_no_plan(api: CountedApi, workspace: Workspace) -> None:
    context = await api.context(workspace.key)
    names = "abcde"
    declared = "(" + ", ".join(f"${name}: Boolean!" for name in names) + ")"
    selected = " ".join(f"{name}: id @include(if: ${name})" for name in names)
    text = fresh(f"agents {{ {selected} }}", declared)
    document, plan = look_up(context, text, context.caller, **dict.fromkeys(names, True))
    assert plan is None
    assert not document.plans


async def test_caller_without_credential_has_no_plan(api: CountedApi, workspace: Workspace) -> None:
    context = await api.context(workspace.key)
    document, plan = look_up(context, fresh("agents { id }"), None)
    assert plan is None
    assert not document.plans


async def test_document_that_is_too_long_to_be_kept_has_no_plan(
    api: CountedApi, workspace: Workspace
) -> None:
    context = await api.context(workspace.key)
    _, plan = look_up(context, fresh("agents { id }" + " " * 9_000), context.caller)
    assert plan is None


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"input": None},
        {"input": "a text"},
        {"input": []},
        {"input": {}},
        {"input": {"role": "USER", "content": "a", "unknown": 1}},
        {"input": {"role": "NOBODY", "content": "a"}},
        {"input": {"role": "USER", "content": None}},
        {"input": {"role": "USER", "content": 5}},
        {"input": {"role": "USER", "content": "x" * 20_001}},
        {"input": {"role": "USER", "content": "a", "epoch": 2**31}},
        {"input": {"role": "USER", "content": "a", "confidence": "much"}},
        {"input": {"role": "USER", "content": "a", "intents": ["a"] * 1_001}},
        {"input": {"role": "USER", "content": "a", "intents": [None]}},
        # These are accepted.
        {"input": {"role": "USER", "content": "a", "intents": "single"}},
        {"input": {"role": "USER", "content": "a"}, "undeclared": object()},
        {"input": {"role": "ASSISTANT", "content": "a", "confidence": 90, "intents": None, "metadata": {}}},
    ],
)
async def test_values_have_the_same_result_with_a_kept_plan(
    api: CountedApi, workspace: Workspace, given: dict[str, Any]
) -> None:
    context, conversation = await api.context(workspace.key), workspace.start()["conversation"]["id"]
    selected = "{ message { content confidence intents metadata } escalation { id } }"
    declared = "($input: RecordMessageInput!)"
    text = f"mutation Kept{next(NAMES)}{declared} {{ recordMessage(input: $input) {selected} }}"

    async def send(text: str, given: dict[str, Any]) -> dict[str, Any]:
        values = given.get("input")
        completed = {"conversationId": conversation, **values} if isinstance(values, dict) else values
        variables = given | {"input": completed} if "input" in given else given
        return await execute(Operation(text, variables, None), context)

    assert "errors" not in await send(text, {"input": {"role": "USER", "content": "a"}})
    # The other document has no plan yet.
    assert await send(text, given) == await send(f"{text} ", given)


async def test_operation_with_hidden_fields_has_no_plan(api: CountedApi, workspace: Workspace) -> None:
    context = await api.context(workspace.key_with("ESCALATIONS_READ"))
    _, plan = look_up(context, fresh("escalations { nodes { id conversation { id } } }"), context.caller)
    assert plan is not None
    text = fresh("escalations { nodes { conversation { customer { name } } } }")
    assert look_up(context, text, context.caller)[1] is None


async def test_plans_of_many_documents_stay_within_the_limit(api: CountedApi, workspace: Workspace) -> None:
    context = await api.context(workspace.key)
    selected = " ".join(f"a{number}: id" for number in range(200))
    oldest, _ = look_up(context, fresh(f"agents {{ {selected} }}"), context.caller)
    for _ in range(60):
        look_up(context, fresh(f"agents {{ {selected} }}"), context.caller)
        assert CACHE.bytes <= CACHE_BYTES
    assert not CACHE.holds(oldest)
