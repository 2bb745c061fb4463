"""Several processes with stalled pub/sub still get every event. Typing needs pub/sub."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import DEADLINE, Caller, Server, Socket, Workspace
from tests.support.open_subscriptions import all_begun
from tests.support.pubsub_backends import BlackHole, RedisServer, free_port
from tests.support.requirements import need

pytestmark = pytest.mark.anyio

MESSAGES = "subscription($id: ID!) { messageAdded(conversationId: $id) { message { content } } }"
CHANGES = """subscription($id: ID!, $after: String) {
    conversationUpdated(conversationId: $id, after: $after) { cursor kind typing } }"""
TYPE = "mutation($id: ID!, $typing: Boolean!) { setTyping(conversationId: $id, typing: $typing) }"
PAUSE = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { id } } }"


@asynccontextmanager
async def beside(server: Server, **bells: str) -> AsyncIterator[list[Server]]:
    """Start more processes on the same database, each with the pub/sub backend of its name."""
    processes = [Server(server.data_dir, server.owner_url, server.service_url) for _ in bells]
    starting = []
    for process, (name, url) in zip(processes, bells.items(), strict=True):
        process.log = server.data_dir / f"{name}.log"
        starting.append(asyncio.to_thread(process.start, BATON_BROADCAST_URL=url))
    try:
        await asyncio.gather(*starting)
        yield processes
    finally:
        await asyncio.gather(*(asyncio.to_thread(process.stop) for process in processes))


async def pubsub(process: Server) -> str:
    """Return the pub/sub state by /readyz, and assert status 200."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{process.url}/readyz")
    assert answer.status_code == 200
    return str(answer.json()["pubsub"])


async def becomes(process: Server, state: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while await pubsub(process) != state:  # noqa: ASYNC110 - a probe is not told either
            await asyncio.sleep(0.1)


@asynccontextmanager
async def following(conversation: str, token: str, *processes: Server) -> AsyncIterator[list[Socket]]:
    """Open a socket at each process and subscribe to the conversation's messages."""
    async with AsyncExitStack() as stack:
        sockets = []
        for process in processes:
            caller = Caller(process.url, token)
            sockets.append(await stack.enter_async_context(caller.socket()))
            async with all_begun(process, 1):
                await sockets[-1].subscribe(MESSAGES, id=conversation)
        yield sockets


async def all_hear_all(
    caller: Caller, conversation: str, processes: list[Server], sockets: list[Socket]
) -> None:
    """Assert that messages from each process arrive at all, once and in the same order."""
    acts = [
        asyncio.to_thread(Caller(process.url, caller.token).record, conversation, "USER", process.url)
        for process in processes
    ]
    await asyncio.gather(*acts)
    heard = []
    for socket in sockets:
        events = [(await socket.next("1"))["messageAdded"] for _ in processes]
        heard.append([event["message"]["content"] for event in events])
    assert sorted(heard[0]) == sorted(process.url for process in processes)
    assert heard == [heard[0]] * len(sockets)


@pytest.fixture
def redis_servers() -> Iterator[list[RedisServer]]:
    need("redis-server", shutil.which("redis-server"))
    servers = [RedisServer(free_port()) for _ in range(2)]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.kill()


async def test_processes_with_silent_bells_still_receive_all_entries(
    server: Server, workspace: Workspace, redis_servers: list[RedisServer]
) -> None:
    conversation, key = workspace.start()["conversation"]["id"], workspace.key
    redis, mortal = redis_servers
    rope, thread = BlackHole(server.service_url), BlackHole(redis.url)
    async with (
        rope.serve(),
        thread.serve(),
        beside(server, rope=rope.url, thread=thread.url, mortal=mortal.url) as others,
        following(conversation, workspace.api_key, server, *others) as sockets,
    ):
        everyone = [server, *others]
        for process in everyone:
            await becomes(process, "ok")
        await all_hear_all(key, conversation, everyone, sockets)
        # Two keep connections out of which nothing comes any more; the third's Redis is dead.
        rope.swallow()
        thread.swallow()
        await asyncio.to_thread(mortal.kill)
        await all_hear_all(key, conversation, everyone, sockets)
        for process in others:
            await becomes(process, "stalled")
        assert await pubsub(server) == "ok"
        await all_hear_all(key, conversation, everyone, sockets)
        # What is counted in Redis does not wait for it.
        for process in others:
            assert await asyncio.to_thread(workspace_at(workspace, process).sign_in)
        rope.pass_on()
        await becomes(others[0], "ok")


def workspace_at(workspace: Workspace, process: Server) -> Workspace:
    return Workspace(process, workspace.id, workspace.agent_id, workspace.api_key, workspace.email)


async def test_typing_is_published_at_intervals_and_not_stored(workspace: Workspace) -> None:
    started, key = workspace.start(), workspace.key
    conversation, widget = started["conversation"]["id"], workspace.widget(started)
    stream = parse_id(CONVERSATION, conversation)
    async with key.socket() as socket:
        heard = await socket.subscribe(CHANGES, id=conversation, after=started["conversation"]["cursor"])
        await asyncio.to_thread(key.ask, PAUSE, id=conversation)
        paused = (await socket.next(heard))["conversationUpdated"]
        before = workspace.server.rows("SELECT * FROM log WHERE stream = $1", stream)
        async with httpx.AsyncClient(trust_env=False, headers=widget.headers, timeout=30) as client:
            body = {"query": TYPE, "variables": {"id": conversation, "typing": True}}
            url = f"{key.url}/graphql"
            answers = await asyncio.gather(*(client.post(url, json=body) for _ in range(100)))
        assert [answer.json()["data"] for answer in answers] == [{"setTyping": True}] * len(answers)
        await asyncio.to_thread(key.ask, PAUSE.replace("pauseAi", "resumeAi"), id=conversation)
        events: list[dict[str, Any]] = []
        while not events or events[-1]["kind"] != "ai_resumed":
            events.append((await socket.next(heard))["conversationUpdated"])
        typed = events[:-1]
        # Five a second; the burst takes far less than ten.
        assert 5 <= len(typed) <= 50
        assert {(item["kind"], item["typing"], item["cursor"]) for item in typed} == {
            ("typing_started", "USER", paused["cursor"])
        }
        again = await socket.subscribe(CHANGES, id=conversation, after=paused["cursor"])
        assert (await socket.next(again))["conversationUpdated"] == events[-1]
    now = workspace.server.rows("SELECT * FROM log WHERE stream = $1 ORDER BY position", stream)
    assert [item["type"] for item in now[len(before) :]] == ["message.added", "conversation.ai_resumed"]
