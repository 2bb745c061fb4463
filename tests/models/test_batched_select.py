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
    assert database.queries <= CALLS
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
    seen = await asyncio.gather(*(kind.sees(database, caller, id_) for caller in callers for id_ in ids))
    assert seen == [True, False, False, True]
    assert database.queries <= CALLS


async def test_select_with_a_subquery_that_sees_the_values_of_all_callers_is_refused() -> None:
    with pytest.raises(UncorrelatedError):
        BatchedSelect(
            lambda given: select(Agent.id).where(
                Agent.id.in_(select(Conversation.agent_id).where(Conversation.id == given.id))
            ),
            id=Uuid(),
        )


async def test_failed_call_fails_its_own_callers_only() -> None:
    calls: list[list[int]] = []

    async def load(keys: Sequence[int]) -> Mapping[int, int]:
        calls.append(list(keys))
        await asyncio.sleep(0)
        if 1 in keys:
            raise ConnectionError("lost")
        return {key: key for key in keys}

    batching = Batching(load)
    first = await asyncio.gather(batching.get(1), batching.get(2), return_exceptions=True)
    assert [type(item) for item in first] == [ConnectionError, ConnectionError]
    assert list(await asyncio.gather(batching.get(2), batching.get(3))) == [2, 3]
    assert calls == [[1, 2], [2, 3]]


async def test_caller_that_is_cancelled_leaves_the_look_up_to_the_others() -> None:
    go_on = asyncio.Event()

    async def load(keys: Sequence[str]) -> Mapping[str, str]:
        await go_on.wait()
        return {key: key for key in keys}

    batching = Batching(load)
    leaving, staying = (asyncio.create_task(batching.get("key")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    go_on.set()
    assert await staying == "key"
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_keys_that_come_during_a_call_get_a_later_one() -> None:
    go_on = asyncio.Event()
    calls: list[list[int]] = []

    async def load(keys: Sequence[int]) -> Mapping[int, int]:
        calls.append(list(keys))
        await go_on.wait()
        return dict.fromkeys(keys, len(calls))

    batching = Batching(load)
    waiting = []
    for key in range(CALLS):
        waiting.append(asyncio.create_task(batching.get(key)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    # The key of a call that runs is asked for again: its value may be older than this request.
    late = [asyncio.create_task(batching.get(key)) for key in (0, 7, 8)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*waiting, *late)
    assert calls == [*([key] for key in range(CALLS)), [0, 7, 8]]
