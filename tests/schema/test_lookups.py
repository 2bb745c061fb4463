"""Look-ups of a level: one batch for all who wait, and no task if nothing else can wait."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from graphql.execution.values import VariableValues

from models.database import Database
from resolvers.context import Context
from schema.execution import execute
from schema.executor.calls import settle
from schema.executor.request import Request
from schema.lookups import Loader, Lookup
from schema.operation import Operation
from tests.support.baton_client import DEADLINE, Server, Workspace
from tests.support.baton_process import SCOPE
from tests.support.conversation_driver import Talk
from tests.support.counted_statements import counted_api

pytestmark = pytest.mark.anyio

KEYS = [uuid4() for _ in range(4)]


class Batch:
    """A batch that counts its calls, and waits until it may end."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.calls: list[Sequence[UUID]] = []
        self.tasks: set[asyncio.Task[Any] | None] = set()
        self.has_begun, self.may_end = asyncio.Event(), asyncio.Event()
        self._error = error

    async def __call__(self, _: Context, keys: Sequence[UUID]) -> dict[UUID, str]:
        self.calls.append(keys)
        self.tasks.add(asyncio.current_task())
        self.has_begun.set()
        await self.may_end.wait()
        if self._error:
            raise self._error
        return {key: f"row of {key}" for key in keys if key != KEYS[3]}


def request(*, alone: bool) -> Request:
    return Request(
        None, None, VariableValues({}, {}), (100, 100), lambda: pytest.fail("not needed"), alone=alone
    )


def lookups(loader: Loader[str], *keys: UUID) -> list[Any]:
    return [Lookup(loader, key, lambda row: row) for key in keys]


def loader_of(batch: Batch) -> Loader[str]:
    return Loader(None, batch)  # type: ignore[arg-type]  # the batch needs no context


def rows(*keys: UUID) -> list[str | None]:
    return [None if key == KEYS[3] else f"row of {key}" for key in keys]


@pytest.mark.parametrize("alone", [True, False])
async def test_look_ups_of_a_level_are_one_batch(alone: bool) -> None:
    batch = Batch()
    batch.may_end.set()
    loader = loader_of(batch)
    columns = [["a value", *lookups(loader, KEYS[0], KEYS[3])], lookups(loader, KEYS[1], KEYS[0])]
    await settle(columns, request(alone=alone))
    assert columns == [["a value", *rows(KEYS[0], KEYS[3])], rows(KEYS[1], KEYS[0])]
    assert [sorted(keys) for keys in batch.calls] == [sorted([KEYS[0], KEYS[3], KEYS[1]])]
    assert (batch.tasks == {asyncio.current_task()}) == alone
    columns = [lookups(loader, KEYS[3], KEYS[2])]
    await settle(columns, request(alone=not alone))
    assert columns == [rows(KEYS[3], KEYS[2])]
    assert batch.calls[1:] == [[KEYS[2]]]
    assert await loader.load(KEYS[2]) == rows(KEYS[2])[0]
    assert len(batch.calls) == 2


async def test_look_ups_of_two_loaders_run_concurrently() -> None:
    first, second = Batch(), Batch()
    columns = [lookups(loader_of(first), KEYS[0]), lookups(loader_of(second), KEYS[1])]
    settling = asyncio.create_task(settle(columns, request(alone=True)))
    async with asyncio.timeout(DEADLINE):
        await first.has_begun.wait()
        await second.has_begun.wait()
    first.may_end.set()
    second.may_end.set()
    await settling
    assert columns == [rows(KEYS[0]), rows(KEYS[1])]


async def test_look_ups_of_concurrent_levels_are_one_batch() -> None:
    batch = Batch()
    batch.may_end.set()
    loader, shared = loader_of(batch), request(alone=False)
    columns = [lookups(loader, KEYS[0]), lookups(loader, KEYS[1])]
    await asyncio.gather(*(settle([column], shared) for column in columns))
    assert columns == [rows(KEYS[0]), rows(KEYS[1])]
    assert batch.calls == [KEYS[:2]]


@pytest.mark.parametrize("alone", [True, False])
async def test_error_of_a_batch_is_raised(alone: bool) -> None:
    batch = Batch(ValueError("no rows"))
    batch.may_end.set()
    with pytest.raises(ValueError, match="no rows"):
        await settle([lookups(loader_of(batch), KEYS[0])], request(alone=alone))


async def test_cancelled_level_does_not_end_what_another_waits_for() -> None:
    batch = Batch()
    loader, shared = loader_of(batch), request(alone=False)
    columns = [lookups(loader, KEYS[0]), lookups(loader, KEYS[1])]
    cancelled, other = [asyncio.create_task(settle([column], shared)) for column in columns]
    await batch.has_begun.wait()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    batch.may_end.set()
    await other
    assert columns[1] == rows(KEYS[1])


class InterruptedDatabase(Database):
    """A database that cancels a read of escalations for each of its `interruptions`.

    It is as if a part of asyncpg was cancelled. The views of other scopes have the same interruptions.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, scope=SCOPE)
        self.interruptions: list[BaseException] = []

    async def fetch(self, sql: str, *values: Any, **options: Any) -> list[asyncpg.Record]:
        if self.interruptions and "FROM escalations" in sql:
            raise self.interruptions.pop()
        return await super().fetch(sql, *values, **options)


async def test_cancelled_statement_of_a_kept_plan_is_repeated(server: Server, workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    talk.key.escalate(talk.id)
    operation = Operation("{ conversations { nodes { activeEscalation { status } } } }", None, None)
    interrupted = InterruptedDatabase(server.service_url)
    async with counted_api(server) as api:
        context = await api.context(workspace.key)
        complete = await execute(operation, context)
        assert complete["data"]["conversations"]["nodes"] == [{"activeEscalation": {"status": "OPEN"}}]
        of_batches = Context(replace(api.services, database=interrupted), context.caller)
        interrupted.interruptions.append(asyncio.CancelledError())
        assert await execute(operation, of_batches) == complete
        assert not interrupted.interruptions
    await interrupted.close()
