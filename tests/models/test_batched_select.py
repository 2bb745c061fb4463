"""Selects that concurrent callers execute together: each gets its own rows, by few statements."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Uuid, select

from models.agent import Agent
from models.batched_select import BatchedSelect, UncorrelatedError
from models.batching import CALLS, Batching
from models.conversation import Conversation
from models.database import Database
from resolvers.actor import Actor, ActorKind
from resolvers.visibility import AGENT, CONVERSATION, ESCALATION, MESSAGE, VisibleRow
from rules.typeid import AGENT as AGENT_PREFIX
from rules.typeid import CONVERSATION as CONVERSATION_PREFIX
from rules.typeid import WORKSPACE, parse_id
from tests.support.baton_client import Workspace

pytestmark = pytest.mark.anyio


class CountedDatabase(Database):
    """A database that counts its single queries."""

    queries = 0

    async def fetch(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        self.queries += 1
        return await super().fetch(sql, *values)


@pytest.fixture
async def database(workspace: Workspace) -> AsyncIterator[CountedDatabase]:
    opened = CountedDatabase(workspace.server.service_url, connections=1)
    yield opened
    await opened.close()


def customer(workspace: Workspace, conversation: str) -> Actor:
    return Actor(
        ActorKind.CUSTOMER,
        parse_id(WORKSPACE, workspace.id),
        conversation_id=parse_id(CONVERSATION_PREFIX, conversation),
    )


async def test_concurrent_callers_share_statements_and_get_their_own_rows(
    workspace: Workspace, database: CountedDatabase
) -> None:
    by_id = BatchedSelect(
        lambda given: select(Conversation.id, Conversation.agent_id).where(Conversation.id == given.id),
        id=Uuid(),
    )
    ids = [parse_id(CONVERSATION_PREFIX, workspace.start()["conversation"]["id"]) for _ in range(20)]
    unknown = parse_id(WORKSPACE, workspace.id)
    results = await asyncio.gather(*(by_id.rows(database, id=id_) for id_ in [*ids, unknown, *ids]))
    agent = parse_id(AGENT_PREFIX, workspace.agent_id)
    assert results == [*([(id_, agent)] for id_ in ids), [], *([(id_, agent)] for id_ in ids)]
    assert database.queries <= 2 * CALLS
    # Nothing is kept: a later caller reads again.
    before = database.queries
    assert await by_id.rows(database, id=ids[0]) == [(ids[0], agent)]
    assert database.queries == before + 1


@pytest.mark.parametrize("kind", [AGENT, CONVERSATION, ESCALATION, MESSAGE], ids=lambda kind: kind.name)
async def test_caller_sees_only_its_own_rows_among_concurrent_callers(
    workspace: Workspace, other: Workspace, database: CountedDatabase, kind: VisibleRow[Any]
) -> None:
    """Each caller asks for the rows of both."""
    callers, rows = [], []
    for own in (workspace, other):
        conversation = own.start()["conversation"]["id"]
        message = own.key.record(conversation, "USER", "Hello")["message"]["id"]
        escalation = own.key.escalate(conversation)["escalation"]["id"]
        callers.append(customer(own, conversation))
        rows.append(
            {
                AGENT.name: own.agent_id,
                CONVERSATION.name: conversation,
                ESCALATION.name: escalation,
                MESSAGE.name: message,
            }
        )
    ids = [parse_id(row[kind.name].partition("_")[0], row[kind.name]) for row in rows]
    asked = [(caller, id_) for caller in callers for id_ in ids] * 10
    seen = await asyncio.gather(*(kind.sees(database, caller, id_) for caller, id_ in asked))
    assert list(seen) == [True, False, False, True] * 10
    assert database.queries <= 2 * CALLS


async def test_select_with_a_subquery_that_sees_the_values_of_all_callers_is_refused() -> None:
    with pytest.raises(UncorrelatedError):
        BatchedSelect(
            lambda given: select(Agent.id).where(
                Agent.id.in_(select(Conversation.agent_id).where(Conversation.id == given.id))
            ),
            id=Uuid(),
        )


class HeldLoad:
    """A loader whose calls wait until they may go on. Key 1 fails."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.go_on = asyncio.Event()

    async def __call__(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.calls.append(list(keys))
        await self.go_on.wait()
        if 1 in keys:
            raise ConnectionError("lost")
        return {key: key for key in keys}


async def occupied(batching: Batching[int, int]) -> list["asyncio.Task[int | None]"]:
    """Start as many calls as may run concurrently."""
    tasks = [asyncio.create_task(batching.get(-place)) for place in range(CALLS)]
    await asyncio.sleep(0)
    return tasks


async def test_failed_call_fails_its_own_callers_only() -> None:
    load = HeldLoad()
    batching = Batching(load)
    first = await occupied(batching)
    waiting = [asyncio.create_task(batching.get(key)) for key in (1, 2)]
    await asyncio.sleep(0)
    load.go_on.set()
    results = await asyncio.gather(*first, *waiting, return_exceptions=True)
    assert results[:CALLS] == [-place for place in range(CALLS)]
    assert [type(item) for item in results[CALLS:]] == [ConnectionError, ConnectionError]
    assert await batching.get(2) == 2
    assert load.calls[CALLS:] == [[1, 2], [2]]


async def test_caller_that_is_cancelled_leaves_the_look_up_to_the_others() -> None:
    load = HeldLoad()
    batching = Batching(load)
    first = await occupied(batching)
    leaving, staying = (asyncio.create_task(batching.get(7)) for _ in range(2))
    await asyncio.sleep(0)
    for task in (leaving, *first):
        task.cancel()
    load.go_on.set()
    assert await staying == 7
    assert load.calls[CALLS:] == [[7]]
    assert all(
        isinstance(item, BaseException) for item in await asyncio.gather(*first, return_exceptions=True)
    )


async def test_keys_that_come_during_calls_share_a_later_one() -> None:
    load = HeldLoad()
    batching = Batching(load)
    first = await occupied(batching)
    # The key of a call that runs is asked for again: its value may be older than this request.
    late = [asyncio.create_task(batching.get(key)) for key in (0, 7, 8, 7)]
    await asyncio.sleep(0)
    load.go_on.set()
    assert list(await asyncio.gather(*late)) == [0, 7, 8, 7]
    await asyncio.gather(*first)
    assert load.calls == [*([-place] for place in range(CALLS)), [0, 7, 8]]
