"""The live feed: resuming by cursor, and failures of processes, pub/sub and databases."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import Caller, Refused, Server, Socket, Workspace, wait_for

pytestmark = pytest.mark.anyio

MESSAGES = """subscription($id: ID!, $after: String) { messageAdded(conversationId: $id, after: $after) {
    cursor message { position content status } } }"""
CHANGES = """subscription($id: ID!, $after: String) {
    conversationUpdated(conversationId: $id, after: $after) { cursor kind typing } }"""


async def take(socket: Socket, id_: str, count: int) -> list[dict[str, Any]]:
    return [(await socket.next(id_))["messageAdded"] for _ in range(count)]


async def record(caller: Caller, conversation: str, *contents: str) -> None:
    for content in contents:
        await asyncio.to_thread(caller.record, conversation, "USER", content)


async def test_cursor_replays_missed_entries_and_then_goes_live(workspace: Workspace) -> None:
    key, started = workspace.key, workspace.start()
    conversation, cursor = started["conversation"]["id"], started["conversation"]["cursor"]
    await record(key, conversation, "one", "two", "three")
    async with key.socket() as socket:
        first = await take(socket, await socket.subscribe(MESSAGES, id=conversation, after=cursor), 3)
        assert [item["message"]["content"] for item in first] == ["one", "two", "three"]
        again = await socket.subscribe(MESSAGES, id=conversation, after=first[0]["cursor"])
        await record(key, conversation, "four")
        rest = await take(socket, again, 3)
        assert [item["message"]["content"] for item in rest] == ["two", "three", "four"]


async def test_long_backlog_is_replayed_whole_during_writes(workspace: Workspace) -> None:
    # More than two pages of the log, with a writer that does not stop meanwhile.
    key, started = workspace.key, workspace.start()
    conversation, cursor = started["conversation"]["id"], started["conversation"]["cursor"]
    workspace.server.execute(
        """WITH bumped AS (UPDATE streams SET head = 1200, head_at = now() WHERE id = $1),
                said AS (INSERT INTO messages (id, conversation_id, position, role, status, content,
                                               intents, created_at)
                         SELECT gen_random_uuid(), $1, n, 'USER', 'DELIVERED', n::text, '{}', now()
                         FROM generate_series(1, 1200) AS n RETURNING id, position),
                counted AS (UPDATE conversations SET messages = 1200 WHERE id = $1)
           INSERT INTO log (stream, position, type, data, occurred_at)
           SELECT $1, position, 'message.added',
                  jsonb_build_object('message', id, 'status', 'DELIVERED'), now() FROM said""",
        parse_id(CONVERSATION, conversation),
    )
    async with key.socket() as socket:
        id_ = await socket.subscribe(MESSAGES, id=conversation, after=cursor)
        writer = asyncio.create_task(record(key, conversation, *(f"live {n}" for n in range(30))))
        seen = [item["message"]["position"] for item in await take(socket, id_, 1230)]
        await writer
    assert seen == list(range(1, 1231))


async def test_invalid_cursor_asks_for_a_resync(workspace: Workspace) -> None:
    key, started = workspace.key, workspace.start()
    conversation, cursor = started["conversation"]["id"], started["conversation"]["cursor"]
    foreign = workspace.start()["conversation"]["cursor"]
    ahead = workspace.start()["conversation"]
    await record(key, conversation, "one", "two")
    stream = parse_id(CONVERSATION, conversation)
    async with key.socket() as socket:

        async def outcome(after: str) -> str:
            try:
                await socket.next(await socket.subscribe(MESSAGES, id=conversation, after=after))
            except Refused as refused:
                return refused.code
            return "replayed"

        (entry, _) = await take(socket, await socket.subscribe(MESSAGES, id=conversation, after=cursor), 2)
        assert await outcome(entry["cursor"]) == "replayed"
        for wrong in ("", "nonsense", foreign, ahead["cursor"], entry["cursor"][:-4] + "AAAA"):
            assert await outcome(wrong) == "RESYNC_REQUIRED", wrong
        # As after 30 days: what stood there has been purged.
        workspace.server.execute("DELETE FROM log WHERE stream = $1 AND position = 1", stream)
        assert await outcome(entry["cursor"]) == "RESYNC_REQUIRED"
        assert await outcome(cursor) == "RESYNC_REQUIRED"


async def test_cursor_from_before_a_restore_asks_for_a_resync(workspace: Workspace) -> None:
    key, started = workspace.key, workspace.start()
    conversation, cursor = started["conversation"]["id"], started["conversation"]["cursor"]
    await record(key, conversation, "one")
    stream = parse_id(CONVERSATION, conversation)
    async with key.socket() as socket:
        (entry,) = await take(socket, await socket.subscribe(MESSAGES, id=conversation, after=cursor), 1)
    # The database is put back to before the message, and goes on with another.
    workspace.server.execute(
        "WITH gone AS (DELETE FROM log WHERE stream = $1 AND position >= 1) "
        "UPDATE streams SET head = 0, head_at = now() WHERE id = $1",
        stream,
    )
    await record(key, conversation, "another", "and another")
    async with key.socket() as socket:
        id_ = await socket.subscribe(MESSAGES, id=conversation, after=entry["cursor"])
        with pytest.raises(Refused) as refused:
            await socket.next(id_)
    assert refused.value.code == "RESYNC_REQUIRED"


async def test_typing_reaches_the_others_and_not_its_author(workspace: Workspace) -> None:
    started = workspace.start()
    conversation, widget = started["conversation"]["id"], workspace.widget(started)
    here = {"id": conversation, "after": started["conversation"]["cursor"]}
    typing = "mutation($id: ID!, $typing: Boolean!) { setTyping(conversationId: $id, typing: $typing) }"
    async with widget.socket() as customer, workspace.key.socket() as team:
        heard = {
            "customer": await customer.subscribe(CHANGES, **here),
            "team": await team.subscribe(CHANGES, **here),
        }
        # Both follow once they have heard of a change.
        await asyncio.to_thread(workspace.sign_in().ask, PAUSE, id=conversation)
        for socket, id_ in ((customer, heard["customer"]), (team, heard["team"])):
            assert (await socket.next(id_))["conversationUpdated"]["kind"] == "ai_paused"
        await asyncio.to_thread(widget.ask, typing, id=conversation, typing=True)
        event = (await team.next(heard["team"]))["conversationUpdated"]
        assert (event["kind"], event["typing"]) == ("typing_started", "USER")
        await asyncio.to_thread(workspace.key.ask, typing, id=conversation, typing=False)
        event = (await customer.next(heard["customer"]))["conversationUpdated"]
        assert (event["kind"], event["typing"]) == ("typing_stopped", "ASSISTANT")


PAUSE = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { id } } }"


@pytest.fixture
def own_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="baton-feed-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


async def test_killed_server_loses_no_reply(own_dir: Path) -> None:
    with Server.started(own_dir) as server:
        workspace = server.new_workspace()
        key, started = workspace.key, workspace.start()
        conversation, widget = started["conversation"]["id"], workspace.widget(started)
        async with widget.socket() as customer:
            here = {"id": conversation, "after": started["conversation"]["cursor"]}
            id_ = await customer.subscribe(MESSAGES, **here)
            await record(key, conversation, "before")
            (before,) = await take(customer, id_, 1)
            server.stop(9)
        server.start()
        await record(key, conversation, "while away")
        async with widget.socket() as customer:
            id_ = await customer.subscribe(MESSAGES, id=conversation, after=before["cursor"])
            await record(key, conversation, "back again")
            contents = [item["message"]["content"] for item in await take(customer, id_, 2)]
    assert contents == ["while away", "back again"]


async def test_killed_database_is_restarted_and_followers_continue(own_dir: Path) -> None:
    with Server.started(own_dir) as server:
        workspace = server.new_workspace()
        started = workspace.start()
        conversation = started["conversation"]["id"]
        async with workspace.key.socket() as socket:
            here = {"id": conversation, "after": started["conversation"]["cursor"]}
            id_ = await socket.subscribe(MESSAGES, **here)
            await record(workspace.key, conversation, "before")
            await take(socket, id_, 1)
            postmaster = int(next(own_dir.rglob("postmaster.pid")).read_text().split()[0])
            os.kill(postmaster, signal.SIGKILL)
            wait_for(lambda: _status(f"{server.url}/readyz") == 503, "the database to be missed")
            wait_for(lambda: _status(f"{server.url}/readyz") == 200, "the database to be back", 40)
            await record(workspace.key, conversation, "after")
            (after,) = await take(socket, id_, 1)
            assert after["message"]["content"] == "after"


def _status(url: str) -> int:
    return httpx.get(url, timeout=20).status_code


async def test_entries_arrive_without_a_bell_and_across_processes(own_dir: Path) -> None:
    # There is no Redis at this address: only the poll of the heads carries events between the processes.
    deaf = {"BATON_BROADCAST_URL": "redis://127.0.0.1:1"}
    with Server.started(own_dir, **deaf) as first:
        second = Server(own_dir, first.owner_url, first.service_url)
        second.log = own_dir / "second.log"
        second.start(**deaf)
        try:
            workspace = first.new_workspace()
            started = workspace.start()
            conversation = started["conversation"]["id"]
            async with Caller(second.url, workspace.api_key).socket() as socket:
                here = {"id": conversation, "after": started["conversation"]["cursor"]}
                id_ = await socket.subscribe(MESSAGES, **here)
                for n in range(2):
                    await record(workspace.key, conversation, str(n))
                    (event,) = await take(socket, id_, 1)
                    assert event["message"]["content"] == str(n)

            def readyz() -> dict[str, str]:
                return dict(httpx.get(f"{second.url}/readyz").json())

            wait_for(lambda: readyz()["pubsub"] == "stalled", "the bell to be known as deaf")
            assert httpx.get(f"{second.url}/readyz").status_code == 200
        finally:
            second.stop()


async def test_two_processes_ring_each_other_over_postgresql(server: Server, workspace: Workspace) -> None:
    second = Server(server.data_dir, server.owner_url, server.service_url)
    second.log = server.data_dir / "second.log"
    second.start()
    try:
        started = workspace.start()
        conversation = started["conversation"]["id"]
        async with Caller(second.url, workspace.api_key).socket() as socket:
            here = {"id": conversation, "after": started["conversation"]["cursor"]}
            id_ = await socket.subscribe(MESSAGES, **here)
            await record(workspace.key, conversation, "from the other process")
            assert (await take(socket, id_, 1))[0]["message"]["position"] == 1
            assert httpx.get(f"{second.url}/readyz").json()["pubsub"] == "ok"
    finally:
        second.stop()
