"""Single flight: which run a caller gets, and the end of runs."""

import asyncio
import time
import weakref

import pytest

from realtime.single_flight import SingleFlight

pytestmark = pytest.mark.anyio


class _Runs:
    """Runs that end when the test says so, each with its number as the result."""

    def __init__(self, interval: float = 0) -> None:
        self.now = 0.0
        self.flight: SingleFlight[int] = SingleFlight(interval, lambda: self.now)
        self.results: list[asyncio.Future[int]] = []
        self.begun: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue()

    def call(self, key: str = "key") -> "asyncio.Task[int]":
        return asyncio.create_task(self.work(key))

    async def work(self, key: str = "key") -> int:
        return await self.flight.run(key, self._work)

    async def _work(self) -> int:
        result: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.results.append(result)
        self.begun.put_nowait(result)
        return await result


async def _settle() -> None:
    """Let every task go on until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_callers_during_a_run_share_the_next_one() -> None:
    runs = _Runs()
    first = runs.call()
    await _settle()
    others = [runs.call() for _ in range(3)]
    await _settle()
    assert len(runs.results) == 1
    runs.results[0].set_result(1)
    await _settle()
    assert await first == 1
    assert not any(other.done() for other in others)
    runs.results[1].set_result(2)
    assert await asyncio.gather(*others) == [2, 2, 2]


async def test_caller_between_two_runs_joins_the_next_one() -> None:
    runs = _Runs()

    async def twice() -> tuple[int, int]:
        # The second call comes after the first run, and before the next one begins.
        return await runs.work(), await runs.work()

    both = asyncio.create_task(twice())
    await _settle()
    other = runs.call()
    await _settle()
    runs.results[0].set_result(1)
    await _settle()
    runs.results[1].set_result(2)
    assert [await both, await other] == [(1, 2), 2]
    assert len(runs.results) == 2


async def test_callers_of_other_keys_do_not_wait() -> None:
    runs = _Runs()
    calls = [runs.call("one"), runs.call("other")]
    await _settle()
    assert len(runs.results) == 2
    for number, result in enumerate(runs.results):
        result.set_result(number)
    assert await asyncio.gather(*calls) == [0, 1]


async def test_cancelled_first_caller_ends_only_its_own_run() -> None:
    runs = _Runs()
    first = runs.call()
    await _settle()
    second = runs.call()
    await _settle()
    first.cancel()
    await _settle()
    assert first.cancelled()
    runs.results[1].set_result(2)
    assert await second == 2


async def test_cancelled_sharer_leaves_the_run_to_the_others() -> None:
    runs = _Runs()
    first = runs.call()
    await _settle()
    leaving, staying = runs.call(), runs.call()
    await _settle()
    leaving.cancel()
    runs.results[0].set_result(1)
    await _settle()
    runs.results[1].set_result(2)
    assert await staying == 2
    assert leaving.cancelled()
    assert await first == 1


async def test_error_is_raised_to_those_who_share_the_run() -> None:
    runs = _Runs()
    first = runs.call()
    await _settle()
    sharers = [runs.call(), runs.call()]
    await _settle()
    runs.results[0].set_exception(ValueError("first"))
    with pytest.raises(ValueError, match="first"):
        await first
    await _settle()
    runs.results[1].set_exception(ValueError("shared"))
    outcomes = await asyncio.gather(*sharers, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["shared", "shared"]
    later = runs.call()
    await _settle()
    runs.results[2].set_result(3)
    assert await later == 3


async def test_callers_within_the_interval_share_a_run_after_it() -> None:
    runs = _Runs(interval=0.05)
    begun = time.monotonic()
    first = runs.call()
    (await runs.begun.get()).set_result(1)
    assert await first == 1
    sharers = [runs.call(), runs.call()]
    shared = await runs.begun.get()
    assert time.monotonic() >= begun + 0.05
    shared.set_result(2)
    assert await asyncio.gather(*sharers) == [2, 2]


async def test_caller_after_the_interval_has_a_run_immediately() -> None:
    runs = _Runs(interval=0.02)
    for number, key in enumerate(["key", "other", "key"]):
        call = runs.call(key)
        await _settle()
        runs.results[number].set_result(number)
        assert await call == number
        runs.now += 0.02


async def test_keys_are_forgotten_after_the_interval() -> None:
    class Key:
        """A key, of which a weak reference says whether it is kept."""

    flight: SingleFlight[None] = SingleFlight(0.01, lambda: now)
    now = 0.0
    keys = [Key() for _ in range(3)]
    kept = [weakref.ref(key) for key in keys]
    while keys:
        await flight.run(keys.pop(), _nothing)
    assert all(key() for key in kept)
    now += 0.01
    await flight.run("other", _nothing)
    assert not any(key() for key in kept)


async def _nothing() -> None:
    pass
