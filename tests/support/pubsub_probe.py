"""Pub/sub over a real server, and its callbacks."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from realtime.pubsub import PubSub, Typing, Wakeup
from tests.support.baton_client import DEADLINE

CANARY_SECONDS = 0.2


@dataclass
class Listener:
    """A pub/sub and its recorded callbacks."""

    pubsub: PubSub
    wakeups: list[Wakeup] = field(default_factory=list)
    typings: list[Typing] = field(default_factory=list)
    recoveries: int = 0

    def highest(self) -> dict[UUID, int]:
        positions: dict[UUID, int] = {}
        for wakeup in self.wakeups:
            positions[wakeup.stream] = max(wakeup.position, positions.get(wakeup.stream, 0))
        return positions

    def recovered(self) -> None:
        self.recoveries += 1


def create_listener(url: str) -> Listener:
    listener: Listener
    pubsub = PubSub(
        url,
        on_wakeup=lambda wakeup: listener.wakeups.append(wakeup),
        on_typing=lambda typing: listener.typings.append(typing),
        on_recover=lambda: listener.recovered(),
        canary_seconds=CANARY_SECONDS,
    )
    listener = Listener(pubsub)
    return listener


@asynccontextmanager
async def listening(*urls: str) -> AsyncIterator[list[Listener]]:
    """Run a pub/sub for each address, and assert that no task and no unread failure remains."""
    unread: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unread.append(context))
    listeners = [create_listener(url) for url in urls]
    tasks = [asyncio.create_task(listener.pubsub.run()) for listener in listeners]
    try:
        yield listeners
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)
    await eventually(lambda: not any(map(belongs_to_pubsub, asyncio.all_tasks())))
    gc.collect()
    await asyncio.sleep(0)
    assert unread == []


def belongs_to_pubsub(task: asyncio.Task[object]) -> bool:
    name: str = getattr(task.get_coro(), "__qualname__", "")
    return name.startswith(("PubSub.", "Broadcast.", "RedisBackend."))


async def eventually(condition: Callable[[], bool], within: float = DEADLINE) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.01)


async def reach_each_other(*listeners: Listener) -> None:
    """Wait until a wake-up of each has reached all of them."""
    assert len(listeners) > 1, "a pub/sub's own wake-ups take no way"
    for caller in listeners:
        stream, position = uuid4(), 0

        def arrived(stream: UUID = stream) -> bool:
            return all(stream in listener.highest() for listener in listeners)

        async with asyncio.timeout(DEADLINE):
            while not arrived():
                position += 1
                caller.pubsub.publish_wakeup(Wakeup(stream, position))
                with suppress(AssertionError):
                    await eventually(arrived, within=0.5)


def operator_log(lines: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Return the log lines that an operator sees, and assert that they have no traceback."""
    assert not any("exc_info" in line for line in lines)
    return [line for line in lines if line["log_level"] != "debug"]
