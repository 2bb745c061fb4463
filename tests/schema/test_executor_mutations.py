"""Mutations by plans and by graphql-core on equal conversations: equal results, equal changes."""

import re
from collections import Counter
from random import Random
from typing import Any

import orjson
import pytest
from graphql import ExecutionResult
from prometheus_client import REGISTRY
from structlog.contextvars import bound_contextvars

from resolvers.context import Context
from schema.api import GRAPHQL_SCHEMA
from schema.context import GraphQLContext
from schema.documents import find
from schema.errors import RefusedError, format_errors
from schema.operation import Operation
from tests.support.baton_client import Server, Workspace
from tests.support.counted_statements import counted_api
from tests.support.execution_ways import Way, execute_by
from tests.support.injected_flaws import injected_flaws
from tests.support.random_documents import RandomDocument

pytestmark = pytest.mark.anyio

COUNT = 40
TRIES = 5
ROOTS = {
    "recordMessage": 'input: {conversationId: $id, role: USER, content: "Where is my parcel?"}',
    "escalateConversation": 'input: {conversationId: $id, reason: "asked"}',
    "pauseAi": "conversationId: $id",
    "updateConversation": 'input: {conversationId: $id, language: "de"}',
    "setTyping": "conversationId: $id, typing: true",
}
RECORD = {"role": "USER", "content": "Where is my parcel?", "intents": ["parcel"], "metadata": {"a": [1]}}
STATE = """query($id: ID!) { conversation(id: $id) { language ai { state epoch }
    escalations { nodes { triggers { count } } }
    messages(first: 20) { totalCount nodes { position role status content } } } }"""
# Ids, cursors, times and minutes that are left.
_OWN = re.compile(r'"(?:[\w-]{22,}|[a-z]+_\w{26}|\d{4}-\d\d-\d\dT[^"]*)"|-?\d+\.\d+')


def comparable(result: ExecutionResult) -> str:
    """Return the result without what differs between equal conversations."""
    errors = format_errors(result.errors or ())
    return _OWN.sub("…", orjson.dumps({"data": result.data, "errors": errors}).decode())


def made_by(by: str) -> float:
    return REGISTRY.get_sample_value("baton_executions_total", {"by": by}) or 0


def document(random: Random) -> tuple[str, dict[str, Any]]:
    """Return a document of up to three mutations, and the values of its switches."""
    type_ = GRAPHQL_SCHEMA.mutation_type
    assert type_ is not None
    made = RandomDocument(random, ["nonsense"], "nonsense", ())
    names = random.choices(list(ROOTS), (4, 2, 1, 1, 1), k=random.randint(1, 3))
    given = [
        "input: $record" if name == "recordMessage" and random.random() < 0.5 else ROOTS[name]
        for name in names
    ]
    roots = [
        f"m{place}: {name}({arguments}) {made.payload(name)}"
        for place, (name, arguments) in enumerate(zip(names, given, strict=True))
    ]
    types = {name: type_ for name, (type_, _) in made.variables.items()}
    types |= {"record": "RecordMessageInput!"} if "input: $record" in given else {}
    types |= {"id": "ID!"} if set(given) != {"input: $record"} else {}
    declared = ", ".join(f"${name}: {type_}" for name, type_ in types.items())
    return f"mutation M({declared}) {{ {' '.join(roots)} }} {' '.join(made.fragments)}", made.values


async def act(context: Context, workspace: Workspace, operation: Operation, way: Way) -> tuple[str, Any]:
    """Run the operation on a new conversation; return the result, and the state afterwards."""
    conversation = workspace.start()["conversation"]["id"]
    record = {**RECORD, "conversationId": conversation}
    values = {**(operation.variables or {}), "id": conversation, "record": record}
    operation = Operation(operation.query, values, None)
    call = GraphQLContext.of(context)
    try:
        text, node, _ = find(operation, call)
    except RefusedError:  # a random document can cost too much
        return "refused", None
    result = comparable(await execute_by(way, text, node, operation, call))
    return result, workspace.key.ask(STATE, id=conversation)


@pytest.mark.usefixtures("quiet_log")
async def test_random_mutations_have_the_same_results_and_run_once(
    server: Server, workspace: Workspace
) -> None:
    outcomes, before = Counter[str](), made_by("both")
    async with counted_api(server) as api:
        context = await api.context(workspace.key)
        with injected_flaws() as flaws, bound_contextvars(request_id="the-request"):
            flaws.by_object, flaws.rate = False, 0.15
            for seed in range(COUNT):
                random = Random(seed)
                text, values = document(random)
                operation = Operation(text, values, None)
                flaws.seed = seed if random.random() < 0.7 else None
                for _ in range(TRIES):
                    by_core, *by_plan = [await act(context, workspace, operation, way) for way in Way]
                    if by_plan == [by_core] * 2:
                        break
                assert by_plan == [by_core] * 2, (seed, text)
                outcomes["failed" if '"errors":[]' not in by_core[0] else "complete"] += 1
    assert made_by("both") - before > COUNT * 0.1, outcomes
    assert outcomes["complete"] > COUNT * 0.3, outcomes
