"""Operations on the WebSocket: their end, with or without their clients, leaves nothing."""

import asyncio
import gc
from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from resolvers.actor import Actor
from server.graphql.client_connections import ClientConnection
from server.graphql.operations import Operations
from server.graphql.send_queue import SendQueue
from server.graphql.websocket import Timeouts, WebSocketSession
from tests.support.slow_socket import slow_socket
from tests.support.websocket_server import (
    BROKEN,
    BROKEN_LATER,
    EXPIRED,
    FLOOD,
    KEY,
    REFUSED,
    UNWRITABLE,
    Connect,
    Start,
    tasks_now,
    until,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


async def test_id_is_free_again_after_its_operation(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.introduce(authorization="Bearer key")
    for _ in range(3):
        await client.subscribe("one", "{ answer }")
        assert [(await client.hear())["type"] for _ in range(2)] == ["next", "complete"]
        await client.follow("two")
        await client.say(id="two", type="complete")
    await client.say(id="unknown", type="complete")
    id_ = "é" * 200
    await client.follow(id_)
    assert stage.running == 1
    await client.subscribe(id_)
    code, reason = await client.closed()
    assert code == 4409
    assert reason.startswith("Subscriber for éé")
    await until(lambda: stage.running == 0)


async def test_complete_stops_one_operation_at_once(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.introduce(authorization="Bearer key")
    await client.follow("one")
    await client.follow("two")
    assert stage.running == 2
    await client.say(id="one", type="complete")
    await until(lambda: stage.running == 1)
    await client.follow("three")


async def test_failed_operation_ends_only_itself(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.introduce(authorization="Bearer key")
    await client.follow("stays")
    await client.subscribe("refused", REFUSED)
    payload = [{"message": "No.", "extensions": {"code": "FORBIDDEN"}}]
    assert await client.hear() == {"id": "refused", "type": "error", "payload": payload}
    for query, nexts in {BROKEN: 0, BROKEN_LATER: 2, UNWRITABLE: 0}.items():
        await client.subscribe("broken", query)
        heard = [await client.hear() for _ in range(nexts + 1)]
        assert [message["type"] for message in heard] == ["next"] * nexts + ["error"]
        (error,) = heard[-1]["payload"]
        assert error["extensions"]["code"] == "INTERNAL"
        assert error["extensions"]["requestId"]
        assert "secret" not in error["message"]
        assert "64-bit" not in error["message"]
    await client.subscribe("empty", "")
    assert (await client.hear())["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert stage.running == 1


async def test_socket_runs_a_hundred_operations_concurrently(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.introduce(authorization="Bearer key")
    for number in range(100):
        await client.follow(str(number))
    await client.subscribe("over")
    heard = await client.hear()
    assert (heard["id"], heard["type"]) == ("over", "error")
    assert heard["payload"][0]["extensions"] == {"code": "RATE_LIMITED"}
    await client.say(id="7", type="complete")
    await client.follow("over")
    assert stage.running == 100


async def test_operations_one_after_another_all_complete(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.introduce(authorization="Bearer key")
    before = tasks_now()
    for _ in range(5_000):
        await client.subscribe("one", "{ answer }")
        assert (await client.hear())["type"] == "next"
        assert (await client.hear())["type"] == "complete"
    for _ in range(5_000):
        await client.subscribe("one")
        await client.say(id="one", type="complete")
    await client.subscribe("last", "{ answer }")
    while await client.hear() != {"id": "last", "type": "complete"}:
        pass
    assert stage.running == 0
    await until(lambda: tasks_now() <= before)


async def test_vanished_client_leaves_nothing(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.introduce(authorization="Bearer key")
    await client.follow("one")
    client.connection.transport.abort()
    await until(lambda: stage.running == 0 and len(stage.connections) == 0)


async def test_ended_sockets_leave_nothing_for_the_garbage_collector(start: Start, connect: Connect) -> None:
    stage = await start()
    gc.collect()
    gc.disable()  # thousands of sockets that are cut together would wait for it
    try:
        for number in range(4):
            client = await connect(stage)
            await client.introduce(authorization="Bearer key")
            await client.follow("one")
            if number % 2:
                client.connection.transport.abort()
            else:
                await client.connection.close()
        del client
        await until(lambda: len(stage.connections) == 0)
        await until(lambda: not _kept(WebSocketSession, Operations, SendQueue, ClientConnection))
    finally:
        gc.enable()


def _kept(*types: type) -> list[object]:
    return [item for item in gc.get_objects() if type(item) in types]


async def test_client_that_reads_nothing_is_dropped(start: Start, connect: Connect) -> None:
    stage = await start(Timeouts(send=0.3))
    slow, other = await connect(stage, max_queue=1), await connect(stage)
    for client in (slow, other):
        await client.introduce(authorization="Bearer key")
    for number in range(10):
        await slow.subscribe(str(number), FLOOD)
    await until(lambda: stage.running == 10)
    assert stage.server is not None
    while stage.running:
        await other.subscribe("one", "{ answer }")
        assert [(await other.hear())["type"] for _ in range(2)] == ["next", "complete"]
    # Its transport is gone too, though its buffers never drained.
    await until(lambda: stage.server and len(stage.server.server_state.connections) == 1)


async def test_client_that_reads_slowly_is_served(start: Start, connect: Connect) -> None:
    stage = await start(Timeouts(send=1.0))
    client = await connect(stage, max_queue=1, sock=slow_socket(stage.port))
    await client.introduce(authorization="Bearer key")
    await client.subscribe("one", FLOOD)
    # The server's system takes more only after a third of its buffer was read: here after two seconds.
    for _ in range(60):
        assert (await client.hear())["type"] == "next"
        await asyncio.sleep(0.1)
    assert stage.running == 1
    await client.say(id="one", type="complete")
    await until(lambda: stage.running == 0)


async def test_end_of_a_credential_closes_its_sockets_with_the_reason(start: Start, connect: Connect) -> None:
    stage = await start(recheck_seconds=0.02)
    anonymous, ended, twin, lives, customer, member = [await connect(stage) for _ in range(6)]
    await anonymous.introduce()
    await customer.introduce(authorization="Bearer widget")
    await member.introduce(authorization="Bearer cookie")
    for client in (ended, twin):
        await client.introduce(authorization="Bearer key")
        await client.follow("one")
    await lives.introduce(authorization="Bearer other")
    await until(lambda: stage.asked[-1:] == [["cookie", "key", "other", "widget"]])
    del stage.actors["cookie"], stage.actors["key"]
    stage.actors["widget"] = EXPIRED
    for client in (ended, twin):
        assert await client.closed() == (4403, "Forbidden: the credential was revoked")
    assert await customer.closed() == (4403, "Forbidden: the credential has expired")
    assert await member.closed() == (4403, "Forbidden: the session has ended")
    await until(lambda: stage.asked[-1:] == [["other"]])
    assert stage.running == 0
    await lives.follow("one")
    stage.actors["other"] = replace(KEY, scopes=frozenset())
    assert await lives.closed() == (4403, "Forbidden: the rights of the credential have changed")
    await anonymous.follow("one")


async def test_failed_recheck_ends_no_socket(
    start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await start(recheck_seconds=0.02)
    client = await connect(stage)
    await client.introduce(authorization="Bearer key")
    failed = asyncio.Event()

    async def fail(_: Collection[str]) -> Mapping[str, Actor]:
        failed.set()
        raise ConnectionError

    with monkeypatch.context() as patching:
        patching.setattr(stage, "still_good", fail)
        await failed.wait()
    asked = len(stage.asked)
    await until(lambda: len(stage.asked) > asked + 1)
    await client.follow("one")


async def test_shutdown_is_sent_to_every_client(start: Start, connect: Connect) -> None:
    stage = await start()
    silent, idle, busy = [await connect(stage) for _ in range(3)]
    for client in (idle, busy):
        await client.introduce(authorization="Bearer key")
    await busy.follow("one")
    await stage.connections.close_all()
    assert len(stage.connections) == stage.running == 0
    late = await connect(stage)
    for client in (silent, idle, busy, late):
        assert await client.closed() == (1012, "Service restart")


async def test_shutdown_waits_for_no_stuck_client(start: Start, connect: Connect) -> None:
    stage = await start(Timeouts(close=0.1))
    client = await connect(stage, max_queue=1)
    await client.introduce(authorization="Bearer key")
    await client.subscribe("one", FLOOD)
    assert stage.server is not None
    await until(lambda: stage.running == 1)
    await stage.connections.close_all()
    await until(lambda: stage.server and not stage.server.server_state.connections)
