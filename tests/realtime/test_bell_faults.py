"""The bell through every way that its PostgreSQL, its Redis and those around it have of failing."""

import asyncio
import time
from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from broadcaster import Broadcast
from ears import create_ears, eventually, hear_each_other, listening, told
from ropes import BlackHole, RedisServer, drop_connections, free_port, publish
from structlog.testing import capture_logs

from realtime.pubsub import STREAMS_WAITING, TYPINGS_WAITING, Bell, Ring, Typing

pytestmark = pytest.mark.anyio


async def test_closed_connections_are_rebuilt_and_everybody_catches_up(url: str) -> None:
    async with listening(url, url) as (one, other):
        await hear_each_other(one, other)
        await drop_connections(url)
        await eventually(lambda: one.recoveries == other.recoveries == 1)
        await hear_each_other(one, other)
        assert not one.bell.deaf
        assert not other.bell.deaf


async def test_a_redis_that_dies_and_is_replaced(redis_server: RedisServer) -> None:
    with capture_logs() as lines:
        async with listening(redis_server.url, redis_server.url) as (one, other):
            await hear_each_other(one, other)
            redis_server.kill()
            await eventually(lambda: one.bell.deaf and other.bell.deaf)
            missed = Ring(uuid4(), 3)
            one.bell.ring(missed)
            await eventually(lambda: [line["event"] for line in told(lines)] == ["bell.deaf"] * 2)
            assert one.recoveries == other.recoveries == 0
            redis_server.start()
            await eventually(lambda: one.recoveries >= 1 and other.recoveries >= 1)
            await hear_each_other(one, other)
            assert not one.bell.deaf
            assert not other.bell.deaf
    assert sorted(str(line["event"]) for line in told(lines)) == ["bell.deaf"] * 2 + ["bell.hears"] * 2


async def test_a_connection_that_swallows_everything(url: str) -> None:
    with capture_logs() as lines:
        async with BlackHole(url).serve() as hole, listening(hole.url, url) as (one, other):
            await hear_each_other(one, other)
            hole.swallow()
            stream = uuid4()
            one.bell.ring(Ring(stream, 8))
            await eventually(lambda: bool(told(lines)))
            assert one.bell.deaf
            await eventually(lambda: [line["event"] for line in lines].count("bell.connection_lost") > 1)
            hole.pass_on()
            await eventually(lambda: one.recoveries >= 1)
            await hear_each_other(one, other)
            assert not one.bell.deaf
            assert other.highest()[stream] == 8
            assert other.recoveries == 0
    assert [line["event"] for line in told(lines)] == ["bell.deaf", "bell.hears"]


async def test_a_server_that_comes_later(redis_server: RedisServer) -> None:
    redis_server.kill()
    async with listening(redis_server.url) as (ears,):
        await eventually(lambda: ears.bell.deaf)
        redis_server.start()
        await eventually(lambda: ears.recoveries == 1)
        assert not ears.bell.deaf


@pytest.mark.parametrize("scheme", ["redis", "postgresql"])
async def test_with_no_server_at_all_nothing_raises(scheme: str) -> None:
    async with listening(f"{scheme}://nobody@127.0.0.1:{free_port()}/none") as (ears,):
        assert not ears.bell.deaf
        for number in range(STREAMS_WAITING + 10):
            ears.bell.ring(Ring(uuid4(), number))
            ears.bell.type(Typing(uuid4(), "USER", "visitor", True))
        await eventually(lambda: ears.bell.deaf, within=10)
        assert len(ears.rings) == len(ears.typings) == STREAMS_WAITING + 10
        assert len(ears.bell._rings) == STREAMS_WAITING
        assert len(ears.bell._typings) == TYPINGS_WAITING


def test_a_bell_that_does_not_run_turns_deaf_and_still_wakes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ears = create_ears("redis://127.0.0.1:1")
    ears.bell.ring(Ring(UUID(int=1), 1))
    assert ears.rings == [Ring(UUID(int=1), 1)]
    assert not ears.bell.deaf
    later = time.monotonic() + 10
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert ears.bell.deaf


MALFORMED = [
    "",
    "x",
    "null",
    "[]",
    "{}",
    "7" * 400,
    '{"sender": "a"}',
    '{"sender": "a", "canary": false, "rings": 5, "typings": []}',
    '{"sender": "a", "canary": false, "rings": [{"stream": 5, "position": 1}], "typings": []}',
    '{"sender": "a", "canary": false, "rings": [{"stream": "5", "position": 1}], "typings": []}',
    '{"sender": "a", "canary": false, "rings": [], "typings": [{"conversation": null}]}',
    '{"sender": "a", "canary": false, "rings": [{"stream": "' + "1" * 32 + '", "position": "x"}]}',
    '{"sender": "a", "canary": false, "rings": [{"stream": "' + "1" * 32 + '", "position": null}]}',
    "[" * 3_000,
]


async def test_malformed_messages_are_ignored(url: str) -> None:
    with capture_logs() as lines:
        async with listening(url, url) as (one, other):
            await hear_each_other(one, other)
            heard = len(other.typings)
            await publish(url, *MALFORMED)
            await eventually(lambda: sum(x["event"] == "bell.malformed" for x in lines) == 2 * len(MALFORMED))
            await hear_each_other(one, other)
            assert len(other.typings) == heard
            assert one.recoveries == other.recoveries == 0
    assert not told(lines)


async def test_bytes_that_are_no_text_do_not_end_the_bell(redis_server: RedisServer) -> None:
    async with listening(redis_server.url, redis_server.url) as (one, other):
        await hear_each_other(one, other)
        await publish(redis_server.url, b"\xff")
        await eventually(lambda: one.recoveries == other.recoveries == 1)
        await hear_each_other(one, other)
        assert not one.bell.deaf


async def test_a_client_that_swallows_a_cancellation_does_not_keep_the_connection_alive() -> None:
    class Swallowing(Broadcast):
        async def publish(self, channel: str, message: object) -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    bell = create_ears("redis://127.0.0.1:1").bell
    bell.ring(Ring(uuid4(), 1))
    publishing = asyncio.create_task(bell._publish(Swallowing("memory://")))
    publishing.get_loop().call_soon(publishing.cancel)
    async with asyncio.timeout(5):
        await publishing


def test_a_callback_that_raises_ends_nothing() -> None:
    def fail(_: object = None) -> None:
        raise RuntimeError("a follower's mistake")

    bell = Bell("redis://127.0.0.1:1", on_ring=fail, on_typing=fail, on_recover=fail)
    with capture_logs() as lines:
        bell.ring(Ring(uuid4(), 1))
        bell.type(Typing(uuid4(), "USER", "visitor", True))
    assert [line["event"] for line in lines] == ["bell.callback_failed"] * 2
