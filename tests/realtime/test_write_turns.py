"""The turns of a workspace's writes."""

import asyncio
from uuid import UUID, uuid4

import pytest

from models.database import DatabaseUnavailableError
from realtime import write_turns
from realtime.write_turns import WRITES_AHEAD, WRITES_OF_WORKSPACE, WriteTurns
from tests.support.pubsub_probe import eventually

pytestmark = pytest.mark.anyio


async def test_few_writes_of_a_workspace_run_at_a_time_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_turns, "LONGEST_WAIT_SECONDS", 60)
    turns, workspace, begun = WriteTurns(), uuid4(), list[int]()
    ends = [asyncio.Event() for _ in range(2 * WRITES_OF_WORKSPACE)]

    async def write(place: int) -> None:
        async with turns.of(workspace):
            begun.append(place)
            await ends[place].wait()

    writes = [asyncio.create_task(write(place)) for place in range(len(ends))]
    await eventually(lambda: len(begun) >= WRITES_OF_WORKSPACE)
    async with turns.of(uuid4()):
        assert begun == list(range(WRITES_OF_WORKSPACE))
    ends[1].set()
    await eventually(lambda: len(begun) > WRITES_OF_WORKSPACE)
    assert begun == list(range(WRITES_OF_WORKSPACE + 1))
    # One that is cancelled while it waits takes no turn.
    writes[-2].cancel()
    for end in ends:
        end.set()
    await asyncio.wait(writes)
    assert begun == [*range(len(ends) - 2), len(ends) - 1]
    assert turns._writes.is_free(workspace)


async def test_write_that_has_waited_for_long_goes_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_turns, "LONGEST_WAIT_SECONDS", 0.01)
    turns, workspace = WriteTurns(), UUID(int=1)
    held = [turns.of(workspace) for _ in range(WRITES_OF_WORKSPACE)]
    for turn in held:
        await turn.__aenter__()
    async with turns.of(workspace):
        assert not turns._writes.is_free(workspace)
    assert not turns._writes.is_free(workspace)
    for turn in held:
        await turn.__aexit__(None, None, None)
    assert turns._writes.is_free(workspace)


async def test_writes_that_go_ahead_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_turns, "LONGEST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(write_turns, "AHEAD_WAIT_SECONDS", 0.01)
    turns, workspace = WriteTurns(), uuid4()
    held = [turns.of(workspace) for _ in range(WRITES_OF_WORKSPACE + WRITES_AHEAD)]
    for turn in held:
        await turn.__aenter__()
    with pytest.raises(DatabaseUnavailableError):
        await turns.of(workspace).__aenter__()
    async with turns.of(uuid4()):
        pass
    await held.pop().__aexit__(None, None, None)
    async with turns.of(workspace):
        pass
    for turn in held:
        await turn.__aexit__(None, None, None)
    assert turns._writes.is_free(workspace)
    assert turns._ahead.is_free(workspace)
