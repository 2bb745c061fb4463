"""Operations that fail or run for the first time: they leave nothing for the garbage collector."""

import gc
from asyncio import sleep
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest

from schema.bounded_executor import BoundedExecutor
from schema.context import GraphQLContext
from schema.operation import Operation
from tests.support.baton_client import Server, Workspace
from tests.support.counted_statements import CountedApi, counted_api

pytestmark = pytest.mark.anyio

NAMES = count(1)
UNKNOWN = "01h455vb4pex5vsknk084sn02q"
LOOK = "query Look($id: ID!) { conversation(id: $id) { id } }"
CLAIM = "mutation Claim($id: ID!) { claimEscalation(escalationId: $id) { escalation { id } } }"
RECORD = """mutation Record($id: ID!, $key: String) { recordMessage(input: {conversationId: $id,
    role: ASSISTANT, content: "Hello.", idempotencyKey: $key}) { message { id } } }"""
FAILING: dict[str, tuple[str, dict[str, Any]]] = {
    "query": (LOOK, {"id": "nonsense"}),
    "variable": (LOOK, {"id": ["conv"]}),
    "mutation": (CLAIM, {"id": "nonsense"}),
    "unknown row": (CLAIM, {"id": f"esc_{UNKNOWN}"}),
    "unknown conversation": (RECORD, {"id": f"conv_{UNKNOWN}"}),
    "transaction": (RECORD, {"id": f"conv_{UNKNOWN}", "key": "once"}),
}
KINDS = GraphQLContext, BoundedExecutor, Operation


@pytest.fixture
async def api(server: Server) -> AsyncIterator[CountedApi]:
    async with counted_api(server) as opened:
        yield opened


def kept() -> Counter[type]:
    return Counter(type(item) for item in gc.get_objects() if isinstance(item, KINDS))


@pytest.mark.parametrize("kind", FAILING)
async def test_failing_operation_is_freed_without_the_garbage_collector(
    api: CountedApi, workspace: Workspace, kind: str
) -> None:
    # A request may have 1 MiB, and the collector begins only after 50,000 objects.
    document, variables = FAILING[kind]
    context = await api.context(workspace.key)
    await api.ask(context, document, **variables)
    gc.collect()
    gc.disable()
    try:
        before = kept()
        for _ in range(3):
            answer, _ = await api.ask(context, document, **variables)
            assert answer["errors"]
        await sleep(0)  # until then the event loop refers to the last result
        assert kept() == before
    finally:
        gc.enable()


async def test_first_run_of_a_document_is_freed_without_the_garbage_collector(
    api: CountedApi, workspace: Workspace
) -> None:
    context, talk = await api.context(workspace.key), workspace.start()["conversation"]["id"]
    await api.ask(context, LOOK, id=talk)
    gc.collect()
    gc.disable()
    try:
        before = kept()
        for _ in range(3):
            answer, _ = await api.ask(context, LOOK.replace("Look", f"Look{next(NAMES)}"), id=talk)
            assert answer["data"]["conversation"]["id"] == talk
        await sleep(0)
        assert kept() == before
    finally:
        gc.enable()
