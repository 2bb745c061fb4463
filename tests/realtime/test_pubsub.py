"""Pub/sub over a real PostgreSQL and a real Redis: wake-ups, typing, and message sizes."""

import asyncio
import random
from dataclasses import replace
from uuid import uuid4

import asyncpg
import orjson
import pytest
from broadcaster import Broadcast
from broadcaster._base import Subscriber

from realtime.pubsub import (
    CANARIES_WITHOUT_OTHERS,
    CHANNEL,
    TYPING_BYTES,
    TYPINGS_PER_MESSAGE,
    TYPINGS_WAITING,
    WAKEUPS_PER_MESSAGE,
    Typing,
    Wakeup,
    _fits,
    _Message,
)
from tests.support.pubsub_backends import RedisServer
from tests.support.pubsub_probe import (
    CANARY_SECONDS,
    create_listener,
    eventually,
    listening,
    reach_each_other,
)

pytestmark = pytest.mark.anyio


async def test_two_bells_reach_each_other(url: str) -> None:
    async with listening(url, url) as (first, other):
        await reach_each_other(first, other)
        typing = Typing(uuid4(), "HUMAN", "user:7", True)
        first.pubsub.publish_typing(typing)
        await eventually(lambda: other.typings == [typing])
        assert first.typings == [typing]
        assert not first.pubsub.stalled
        assert not other.pubsub.stalled
        assert first.recoveries == other.recoveries == 0


async def test_first_subscription_of_a_process_receives_events(url: str) -> None:
    async with listening(url) as (alone,):
        await asyncio.sleep(4 * CANARY_SECONDS)  # the one thing to wait for is that nothing happens
        assert not alone.pubsub.stalled
        assert alone.recoveries == 0


async def test_own_ring_is_heard_once_and_immediately(url: str) -> None:
    async with listening(url, url) as (first, other):
        await reach_each_other(first, other)
        wakeup = Wakeup(uuid4(), 5)
        first.pubsub.publish_wakeup(wakeup)
        assert first.wakeups.count(wakeup) == 1
        await eventually(lambda: wakeup in other.wakeups)
        await reach_each_other(first, other)
        assert first.wakeups.count(wakeup) == 1


async def test_only_process_publishes_nothing_until_another_begins(url: str) -> None:
    watch, texts = Broadcast(url), list[str]()
    async with listening(url) as (first,), watch, watch.subscribe(CHANNEL) as events:
        watching = asyncio.create_task(_collect(events, texts))
        await eventually(lambda: len(texts) > CANARIES_WITHOUT_OTHERS)
        texts.clear()
        unheard, typing = Wakeup(uuid4(), 5), Typing(uuid4(), "HUMAN", "user:7", True)
        first.pubsub.publish_wakeup(unheard)
        first.pubsub.publish_typing(typing)
        assert (first.wakeups, first.typings) == ([unheard], [typing])
        await eventually(lambda: len(texts) > 1)
        assert not any(message.wakeups or message.typings for message in map(_Message.decode, texts))
        other = create_listener(url)
        running = asyncio.create_task(other.pubsub.run())
        await reach_each_other(first, other)
        assert unheard not in other.wakeups
        watching.cancel()
        running.cancel()
        await asyncio.gather(watching, running, return_exceptions=True)


async def test_lost_connection_makes_a_process_publish_again(redis_server: RedisServer) -> None:
    async with listening(redis_server.url) as (first,):
        await eventually(lambda: first.pubsub._canaries_without_others >= CANARIES_WITHOUT_OTHERS)
        redis_server.kill()
        await eventually(lambda: first.pubsub.stalled)
        missed = Wakeup(uuid4(), 3)
        first.pubsub.publish_wakeup(missed)
        assert missed.stream in first.pubsub._wakeups


async def _collect(events: Subscriber, texts: list[str]) -> None:
    while True:
        texts.append((await events.get()).message)


async def test_burst_arrives_with_the_highest_position_of_each_stream(url: str) -> None:
    streams = [uuid4() for _ in range(50)]
    numbers = random.Random(7).sample(range(10_000), 10_000)
    async with listening(url, url) as (first, other):
        await reach_each_other(first, other)
        other.wakeups.clear()
        for count, number in enumerate(numbers):
            first.pubsub.publish_wakeup(Wakeup(streams[number % 50], number))
            if count % 100 == 0:
                await asyncio.sleep(0)
        await eventually(lambda: all(other.highest().get(s) == 9_950 + i for i, s in enumerate(streams)))
        assert len(other.wakeups) < 10_000
        assert first.recoveries == other.recoveries == 0


async def test_more_streams_than_fit_a_message_all_arrive(url: str) -> None:
    wakeups = {uuid4(): 2**63 - 1 for _ in range(1_000)}
    async with listening(url, url) as (first, other):
        await reach_each_other(first, other)
        for stream, position in wakeups.items():
            first.pubsub.publish_wakeup(Wakeup(stream, position))
            first.pubsub.publish_typing(Typing(stream, "ASSISTANT", "a" * 100, True))
        await eventually(lambda: wakeups.items() <= other.highest().items())
        assert 0 < len(other.typings) <= TYPINGS_WAITING + TYPINGS_PER_MESSAGE


def test_largest_message_stays_below_7500_bytes() -> None:
    wakeups = [Wakeup(uuid4(), -(2**63)) for _ in range(WAKEUPS_PER_MESSAGE)]
    typing = Typing(uuid4(), "ASSISTANT", "", False)
    while _fits(replace(typing, actor=typing.actor + "a")):
        typing = replace(typing, actor=typing.actor + "a")
    message = _Message(uuid4().hex, False, wakeups, [typing] * TYPINGS_PER_MESSAGE)
    assert len(orjson.dumps(typing)) == TYPING_BYTES
    assert 7_000 < len(message.encode().encode()) < 7_500
    assert _Message.decode(message.encode()) == message


def test_ids_may_be_those_that_asyncpg_reads() -> None:
    id_ = asyncpg.pgproto.pgproto.UUID(str(uuid4()))  # a subclass, which orjson does not write by itself
    message = _Message("one", True, [Wakeup(id_, 1)], [Typing(id_, "USER", "visitor", True)])
    assert _fits(message.typings[0])
    assert _Message.decode(message.encode()) == message


@pytest.mark.parametrize("actor", ["a" * 300, "\x00" * 40, "\ud800"])
def test_oversized_typing_stays_in_its_process(actor: str) -> None:
    listener = create_listener("redis://127.0.0.1:1")
    listener.pubsub.publish_typing(Typing(uuid4(), "USER", actor, True))
    assert len(listener.typings) == 1
    assert not listener.pubsub._typings


@pytest.mark.parametrize("address", ["", "kafka://x", "postgresql+asyncpg://x/y", "memory://"])
def test_unsupported_address_is_refused_immediately(address: str) -> None:
    with pytest.raises(ValueError, match="must begin with one of redis"):
        create_listener(address)
