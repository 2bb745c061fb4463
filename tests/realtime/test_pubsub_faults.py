"""Pub/sub during failures of PostgreSQL, of Redis and of its callbacks."""

import asyncio
import time
from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from broadcaster import Broadcast
from structlog.testing import capture_logs

from realtime.pubsub import STREAMS_WAITING, TYPINGS_WAITING, PubSub, Typing, Wakeup
from tests.support.baton_client import DEADLINE
from tests.support.pubsub_backends import BlackHole, RedisServer, drop_connections, free_port, publish
from tests.support.pubsub_probe import create_listener, eventually, listening, operator_log, reach_each_other

pytestmark = pytest.mark.anyio


async def test_closed_connections_are_rebuilt_and_all_processes_catch_up(url: str) -> None:
    async with listening(url, url) as (first, other):
        await reach_each_other(first, other)
        await drop_connections(url)
        await eventually(lambda: first.recoveries == other.recoveries == 1)
        await reach_each_other(first, other)
        assert not first.pubsub.stalled
        assert not other.pubsub.stalled


async def test_replaced_redis_is_reconnected(redis_server: RedisServer) -> None:
    with capture_logs() as lines:
        async with listening(redis_server.url, redis_server.url) as (first, other):
            await reach_each_other(first, other)
            redis_server.kill()
            await eventually(lambda: first.pubsub.stalled and other.pubsub.stalled)
            missed = Wakeup(uuid4(), 3)
            first.pubsub.publish_wakeup(missed)
            await eventually(
                lambda: [line["event"] for line in operator_log(lines)] == ["pubsub.stalled"] * 2
            )
            assert first.recoveries == other.recoveries == 0
            redis_server.start()
            await eventually(lambda: first.recoveries >= 1 and other.recoveries >= 1)
            await reach_each_other(first, other)
            assert not first.pubsub.stalled
            assert not other.pubsub.stalled
    assert (
        sorted(str(line["event"]) for line in operator_log(lines))
        == ["pubsub.recovered"] * 2 + ["pubsub.stalled"] * 2
    )


async def test_connection_that_swallows_everything_is_replaced(url: str) -> None:
    with capture_logs() as lines:
        async with BlackHole(url).serve() as hole, listening(hole.url, url) as (first, other):
            await reach_each_other(first, other)
            hole.swallow()
            stream = uuid4()
            first.pubsub.publish_wakeup(Wakeup(stream, 8))
            await eventually(lambda: bool(operator_log(lines)))
            assert first.pubsub.stalled
            await eventually(lambda: [line["event"] for line in lines].count("pubsub.connection_lost") > 1)
            hole.pass_on()
            await eventually(lambda: first.recoveries >= 1)
            await reach_each_other(first, other)
            assert not first.pubsub.stalled
            assert other.highest()[stream] == 8
            assert other.recoveries == 0
    assert [line["event"] for line in operator_log(lines)] == ["pubsub.stalled", "pubsub.recovered"]


async def test_later_server_is_connected(redis_server: RedisServer) -> None:
    redis_server.kill()
    async with listening(redis_server.url) as (listener,):
        await eventually(lambda: listener.pubsub.stalled)
        redis_server.start()
        await eventually(lambda: listener.recoveries == 1)
        assert not listener.pubsub.stalled


@pytest.mark.parametrize("scheme", ["redis", "postgresql"])
async def test_missing_server_raises_nothing(scheme: str) -> None:
    async with listening(f"{scheme}://nobody@127.0.0.1:{free_port()}/none") as (listener,):
        assert not listener.pubsub.stalled
        for number in range(STREAMS_WAITING + 10):
            listener.pubsub.publish_wakeup(Wakeup(uuid4(), number))
            listener.pubsub.publish_typing(Typing(uuid4(), "USER", "visitor", True))
        await eventually(lambda: listener.pubsub.stalled, within=10)
        assert len(listener.wakeups) == len(listener.typings) == STREAMS_WAITING + 10
        assert len(listener.pubsub._wakeups) == STREAMS_WAITING
        assert len(listener.pubsub._typings) == TYPINGS_WAITING


def test_bell_that_is_not_running_is_deaf_and_still_wakes_its_own_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = create_listener("redis://127.0.0.1:1")
    listener.pubsub.publish_wakeup(Wakeup(UUID(int=1), 1))
    assert listener.wakeups == [Wakeup(UUID(int=1), 1)]
    assert not listener.pubsub.stalled
    later = time.monotonic() + 10
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert listener.pubsub.stalled


MALFORMED = [
    "",
    "x",
    "null",
    "[]",
    "{}",
    "7" * 400,
    '{"sender": "a"}',
    '{"sender": "a", "canary": false, "wakeups": 5, "typings": []}',
    '{"sender": "a", "canary": false, "wakeups": [{"stream": 5, "position": 1}], "typings": []}',
    '{"sender": "a", "canary": false, "wakeups": [{"stream": "5", "position": 1}], "typings": []}',
    '{"sender": "a", "canary": false, "wakeups": [], "typings": [{"conversation": null}]}',
    '{"sender": "a", "canary": false, "wakeups": [{"stream": "' + "1" * 32 + '", "position": "x"}]}',
    '{"sender": "a", "canary": false, "wakeups": [{"stream": "' + "1" * 32 + '", "position": null}]}',
    "[" * 3_000,
]


async def test_malformed_messages_are_ignored(url: str) -> None:
    with capture_logs() as lines:
        async with listening(url, url) as (first, other):
            await reach_each_other(first, other)
            heard = len(other.typings)
            await publish(url, *MALFORMED)
            await eventually(
                lambda: sum(x["event"] == "pubsub.malformed" for x in lines) == 2 * len(MALFORMED)
            )
            await reach_each_other(first, other)
            assert len(other.typings) == heard
            assert first.recoveries == other.recoveries == 0
    assert not operator_log(lines)


async def test_bytes_that_are_no_text_do_not_end_the_bell(redis_server: RedisServer) -> None:
    async with listening(redis_server.url, redis_server.url) as (first, other):
        await reach_each_other(first, other)
        await publish(redis_server.url, b"\xff")
        await eventually(lambda: first.recoveries == other.recoveries == 1)
        await reach_each_other(first, other)
        assert not first.pubsub.stalled


async def test_client_that_ignores_a_cancellation_does_not_keep_the_connection_open() -> None:
    class Swallowing(Broadcast):
        async def publish(self, channel: str, message: object) -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    pubsub = create_listener("redis://127.0.0.1:1").pubsub
    pubsub.publish_wakeup(Wakeup(uuid4(), 1))
    publishing = asyncio.create_task(pubsub._publish(Swallowing("memory://")))
    publishing.get_loop().call_soon(publishing.cancel)
    async with asyncio.timeout(DEADLINE):
        await publishing


def test_failing_callback_ends_nothing() -> None:
    def fail(_: object = None) -> None:
        raise RuntimeError("a follower's mistake")

    pubsub = PubSub("redis://127.0.0.1:1", on_wakeup=fail, on_typing=fail, on_recover=fail)
    with capture_logs() as lines:
        pubsub.publish_wakeup(Wakeup(uuid4(), 1))
        pubsub.publish_typing(Typing(uuid4(), "USER", "visitor", True))
    assert [line["event"] for line in lines] == ["pubsub.callback_failed"] * 2
