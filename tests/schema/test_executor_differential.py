"""Random documents: the same bytes by the plan and by graphql-core, for all kinds of callers and failures.

EXECUTOR_DOCUMENTS sets the number of documents, EXECUTOR_SEED the first seed.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import orjson
import pytest
from graphql import ExecutionResult
from prometheus_client import REGISTRY
from structlog.contextvars import bound_contextvars

from resolvers.actor import Actor, ActorKind
from resolvers.context import Context
from resolvers.trusted_documents import TrustedDocuments
from rules.typeid import CONVERSATION, WORKSPACE, parse_id
from schema.context import GraphQLContext
from schema.documents import find
from schema.errors import RefusedError, format_errors
from schema.operation import Operation
from tests.support.baton_client import Caller, Server, Workspace
from tests.support.conversation_driver import Talk
from tests.support.counted_statements import CountedApi, counted_api
from tests.support.execution_ways import Way, execute_by
from tests.support.injected_flaws import injected_flaws
from tests.support.random_documents import RandomDocument

pytestmark = pytest.mark.anyio

COUNT = int(os.environ.get("EXECUTOR_DOCUMENTS", "300"))
SEED = int(os.environ.get("EXECUTOR_SEED", "1"))
TRIES = 20
LISTS = ("escalations", "conversations", "deliveries", "agents", "members", "apiKeys", "savedReplies")
SINGLE = ("escalation", "conversation", "agent", "node", "viewer", "escalationSettings", "escalationCounts")
ANALYTICS = ("escalationAnalytics", "thresholdWhatIf", "confidenceCalibration")
ROOTS = (*LISTS, *LISTS[:2], *LISTS[:2], *SINGLE, *ANALYTICS)


@pytest.fixture
async def api(server: Server) -> AsyncIterator[CountedApi]:
    async with counted_api(server) as opened:
        yield opened


def run_by(by: str) -> float:
    return REGISTRY.get_sample_value("baton_executions_total", {"by": by}) or 0


def in_bytes(result: ExecutionResult) -> bytes:
    errors = format_errors(result.errors or ())
    return orjson.dumps({"data": result.data, "errors": errors})


async def ask(context: Context, operation: Operation, now: datetime, way: Way) -> bytes:
    """Return the result of an operation; raise RefusedError."""
    call = GraphQLContext.of(context)
    call.now = now
    document, node, _ = find(operation, call)
    return in_bytes(await execute_by(way, document, node, operation, call))


def create_rows(workspace: Workspace) -> tuple[list[str], list[Caller]]:
    """Make rows of many kinds; return ids, and callers of every kind but customers."""
    members = [workspace.member(f"{role.lower()}@example.com", role) for role in ("AGENT", "VIEWER")]
    ids = ["esc_00000000000000000000000000", "nonsense", workspace.agent_id]
    for number in range(4):
        talk = Talk.begin(workspace)
        message = talk.says(f"Where is parcel {number}?")
        escalation = workspace.key.escalate(talk.id, metadata={"number": number})["escalation"]["id"]
        if number:
            members[0].reply(escalation)
        if number == 3:
            members[0].resolve(escalation)
        ids += [talk.id, escalation, str(message["message"]["id"])]
    limited = [workspace.key_with("ESCALATIONS_READ"), workspace.key_with("CONVERSATIONS_WRITE")]
    return ids, [workspace.key, workspace.key, *members, workspace.sign_in(), *limited]


def customer(api: CountedApi, workspace: Workspace, conversation: str) -> Context:
    """Return a context for the customer of a conversation, who may send any document."""
    actor = Actor(
        ActorKind.CUSTOMER,
        parse_id(WORKSPACE, workspace.id),
        conversation_id=parse_id(CONVERSATION, conversation),
    )
    return Context(replace(api.services, trusted_documents=TrustedDocuments({}, any_allowed=True)), actor)


# graphql-core drops coroutines of its own when it cancels siblings that have not started: once in 20,000.
@pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <coroutine object Executor\."
    ":pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.usefixtures("quiet_log")
async def test_random_documents_have_the_same_result_by_plan_and_by_graphql_core(
    api: CountedApi, workspace: Workspace
) -> None:
    ids, callers = create_rows(workspace)
    contexts = [await api.context(caller) for caller in callers]
    contexts += [customer(api, workspace, talk) for talk in ids if talk.startswith("conv_")][:2]
    now, outcomes, before = datetime.now(UTC), Counter[str](), run_by("plan")
    with injected_flaws() as flaws, bound_contextvars(request_id="the-request"):
        for seed in range(SEED, SEED + COUNT):
            random = Random(seed)
            made = RandomDocument(random, ids, workspace.agent_id, ROOTS)
            operation = Operation(made.text, made.values, None)
            context = random.choice(contexts)
            flaws.seed = seed if random.random() < 0.3 else None
            outcomes[await compare(context, operation, now, seed)] += 1
    assert run_by("plan") - before > COUNT * 0.4, outcomes
    assert outcomes["failed"] > COUNT * 0.1


async def compare(context: Context, operation: Operation, now: datetime, seed: int) -> str:
    """Compare both results; return what became of the operation.

    Of errors that wait for the database, the first that comes is reported. Such results are compared again.
    """
    try:
        by_core = {await ask(context, operation, now, Way.CORE)}
    except RefusedError:
        return "refused"
    failed = any(orjson.loads(result)["errors"] for result in by_core)
    for way in (Way.NEW, Way.KEPT):
        by_plan = {await ask(context, operation, now, way)}
        tries = TRIES if failed else 0
        while not by_plan & by_core and tries:
            tries -= 1
            by_core.add(await ask(context, operation, now, Way.CORE))
            by_plan.add(await ask(context, operation, now, way))
        assert by_plan & by_core, (seed, operation, context.caller, by_plan, by_core)
    return "failed" if failed else "complete"
