"""Plans are kept with their documents, within the bytes of the cache of documents."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from resolvers.actor import Actor
from resolvers.context import Context
from schema.bounded_executor import BoundedExecutor
from schema.context import GraphQLContext
from schema.documents import CACHE, CACHE_BYTES, Document, find
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
    document, node = find(operation, call)
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
