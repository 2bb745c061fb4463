"""More calls than can run: which are answered, which wait, and which are refused. Over real sockets.

A test holds the row of a conversation, so that its calls run for as long as the test needs.
"""

import asyncio
import re
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import Caller, Refused, Server, Workspace, wait_for
from tests.support.baton_process import WIDE_LIMITS
from tests.support.locks import Lock, hold
from tests.support.open_subscriptions import all_begun

pytestmark = pytest.mark.anyio

MODERN = "application/graphql-response+json"
RECORD = """mutation($id: ID!) {
    recordMessage(input: {conversationId: $id, role: USER, content: "hello"}) { message { id } } }"""
VIEWER = "{ viewer { kind } }"
# Eight calls run: six of a workspace, four of a caller. Four of a conversation is the default.
ENVIRONMENT = dict.fromkeys(WIDE_LIMITS, "") | {
    "BATON_CONCURRENT_REQUESTS": "8",
    "BATON_MESSAGES_PER_WIDGET": "1000",
}


@pytest.fixture(scope="module")
def busy() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="baton-admission-") as folder:
        Path(folder).chmod(0o755)
        with Server.started(Path(folder), **ENVIRONMENT) as server:
            yield server


@pytest.fixture
def workspace(busy: Server) -> Workspace:
    return busy.new_workspace()


@pytest.fixture
def neighbour(busy: Server) -> Workspace:
    return busy.new_workspace()


class Flood:
    """Calls that record a message each in one conversation, whose row is held."""

    def __init__(self, lock: Lock, client: httpx.AsyncClient, url: str, conversation: str) -> None:
        self.lock = lock
        self._client, self._url, self._conversation = client, url, conversation
        self.calls: list[asyncio.Task[httpx.Response]] = []

    def send(self, token: str, count: int) -> list[asyncio.Task[httpx.Response]]:
        """Start calls."""
        begun = [asyncio.create_task(self._call(token)) for _ in range(count)]
        self.calls += begun
        return begun

    async def _call(self, token: str) -> httpx.Response:
        body = {"query": RECORD, "variables": {"id": self._conversation}}
        headers = {"authorization": f"Bearer {token}", "accept": MODERN}
        return await self._client.post(f"{self._url}/graphql", json=body, headers=headers)


@asynccontextmanager
async def flooding(server: Server, conversation: str) -> AsyncIterator[Flood]:
    """Hold the row of a conversation during the block; wait for the calls after it."""
    async with AsyncExitStack() as closing:
        client = await closing.enter_async_context(httpx.AsyncClient(timeout=30, trust_env=False))
        lock = await closing.enter_async_context(
            hold(server, "conversations", parse_id(CONVERSATION, conversation))
        )
        flood = Flood(lock, client, server.url, conversation)
        yield flood
        # The row is free before the client is closed.
        await lock.connection.execute("COMMIT")
        await lock.connection.execute("BEGIN")
        await asyncio.gather(*flood.calls)


def metric(server: Server, name: str) -> float:
    text = httpx.get(f"{server.url}/metrics").text
    (value,) = re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(value)


async def until(server: Server, **expected: float) -> None:
    """Wait until as many calls run and wait as are expected."""

    def reached() -> bool:
        return all(metric(server, f"baton_requests_{name}") == value for name, value in expected.items())

    await asyncio.to_thread(wait_for, reached, str(expected))


def assert_shed(response: httpx.Response) -> None:
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "UNAVAILABLE", "retryAfter": 1}
    assert "data" not in response.json()


def messages(server: Server, conversation: str) -> int:
    query = "SELECT count(*) FROM messages WHERE conversation_id = $1"
    count: int = server.rows(query, parse_id(CONVERSATION, conversation))[0]["count"]
    return count


async def test_calls_that_wait_too_long_are_refused_and_neighbours_are_answered(
    busy: Server, workspace: Workspace, neighbour: Workspace
) -> None:
    conversation = workspace.start()["conversation"]["id"]
    elsewhere = neighbour.start()["conversation"]["id"]
    colleague = workspace.sign_in()
    async with flooding(busy, conversation) as flood:
        calls = flood.send(workspace.api_key, 12)
        await until(busy, running=4, waiting=8)
        for path in ("/healthz", "/readyz", "/openapi.json"):
            assert (await asyncio.to_thread(httpx.get, f"{busy.url}{path}")).status_code == 200
        assert await asyncio.to_thread(neighbour.key.record, elsewhere, "USER", "hello")
        assert await asyncio.to_thread(colleague.ask, VIEWER)
        await until(busy, running=4, waiting=0)
    responses = [call.result() for call in calls]
    shed = [response for response in responses if response.status_code != 200]
    assert len(shed) == 8
    for response in shed:
        assert_shed(response)
    assert messages(busy, conversation) == 4
    await until(busy, running=0, waiting=0)


async def test_conversation_runs_four_calls_and_a_few_wait(busy: Server, workspace: Workspace) -> None:
    started, other = workspace.start(), workspace.start()
    conversation, token = started["conversation"]["id"], started["widgetToken"]
    reason = 'baton_requests_refused_total{reason="one conversation"}'
    before = metric(busy, reason)
    async with flooding(busy, conversation) as flood:
        calls = flood.send(token, 25)
        await until(busy, running=4, waiting=16)
        widget = Caller(busy.url, other["widgetToken"])
        assert await asyncio.to_thread(widget.record, other["conversation"]["id"], "USER", "hello")
        await until(busy, running=4, waiting=0)
    answers = Counter(call.result().status_code for call in calls)
    assert answers == {200: 4, 429: 5, 503: 16}
    for response in (call.result() for call in calls):
        if response.status_code == 429:
            (error,) = response.json()["errors"]
            assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 1}
            assert response.headers["retry-after"] == "1"
    assert metric(busy, reason) == before + 5
    assert messages(busy, conversation) == 4


async def test_all_tokens_of_a_conversation_share_its_calls(busy: Server, workspace: Workspace) -> None:
    started = workspace.start()
    conversation, tokens = started["conversation"]["id"], [started["widgetToken"]]
    renew = "mutation($id: ID!) { refreshWidgetToken(conversationId: $id) }"
    tokens.append(workspace.key.ask(renew, id=conversation)["refreshWidgetToken"])
    for token in tokens:
        await asyncio.to_thread(Caller(busy.url, token).ask, VIEWER)
    async with flooding(busy, conversation) as flood:
        for token in tokens:
            flood.send(token, 3)
        await until(busy, running=4, waiting=2)


async def test_four_calls_of_a_conversation_are_at_the_database_by_whatever_callers(
    busy: Server, workspace: Workspace
) -> None:
    conversation = workspace.start()["conversation"]["id"]
    second = str(workspace.key_with("CONVERSATIONS_WRITE").token)
    await asyncio.to_thread(Caller(busy.url, second).ask, VIEWER)
    async with flooding(busy, conversation) as flood:
        calls = flood.send(workspace.api_key, 3) + flood.send(second, 3)
        await until(busy, running=6)
        assert len(await flood.lock.queued(4)) == 4
    assert {call.result().status_code for call in calls} == {200}


async def test_other_transports_take_turns_and_are_refused_in_their_own_form(
    busy: Server, workspace: Workspace
) -> None:
    conversation = workspace.start()["conversation"]["id"]
    key = workspace.key
    added = "subscription($id: ID!) { messageAdded(conversationId: $id) { message { id } } }"
    async with key.socket() as live:
        async with all_begun(busy, 1):
            followed = await live.subscribe(added, id=conversation)
        async with flooding(busy, conversation) as flood:
            flood.send(workspace.api_key, 4)
            await flood.lock.queued(4)
            operation = await live.subscribe(VIEWER)
            url = f"{busy.url}/conversations/{conversation}/escalate"
            rest = asyncio.create_task(
                asyncio.to_thread(httpx.post, url, json={"reason": "VIP"}, headers=key.headers)
            )
            stream = asyncio.create_task(
                asyncio.to_thread(
                    httpx.post,
                    f"{busy.url}/graphql",
                    json={"query": VIEWER},
                    headers=key.headers | {"accept": "text/event-stream"},
                )
            )
            with pytest.raises(Refused) as refused:
                await live.next(operation)
            assert refused.value.code == "UNAVAILABLE"
            assert refused.value.errors[0]["extensions"]["retryAfter"] == 1
            problem, streamed = await rest, await stream
            assert (problem.status_code, problem.headers["retry-after"]) == (503, "1")
            assert problem.headers["content-type"] == "application/problem+json"
            assert (problem.json()["code"], problem.json()["status"]) == ("UNAVAILABLE", 503)
            assert_shed(streamed)
        # The socket has outlived the flood, and gets what was recorded.
        assert (await live.next(followed))["messageAdded"]
    escalations = "SELECT id FROM escalations WHERE conversation_id = $1"
    assert busy.rows(escalations, parse_id(CONVERSATION, conversation)) == []


async def test_query_in_an_event_stream_holds_a_place(busy: Server, workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    async with flooding(busy, conversation):
        task = asyncio.create_task(
            asyncio.to_thread(
                httpx.post,
                f"{busy.url}/graphql",
                json={"query": RECORD, "variables": {"id": conversation}},
                headers=workspace.key.headers | {"accept": "text/event-stream"},
                timeout=30,
            )
        )
        await until(busy, running=1)
    assert "event: next" in (await task).text
    await until(busy, running=0)


async def test_slow_bodies_hold_no_place(busy: Server, workspace: Workspace) -> None:
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {workspace.api_key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    slow = [socket.create_connection(("127.0.0.1", busy.port)) for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(head.encode())
        assert await asyncio.to_thread(workspace.key.ask, VIEWER)
        await until(busy, running=0, waiting=0)
    finally:
        for connection in slow:
            connection.close()


async def test_caller_that_leaves_gives_up_its_turn(busy: Server, workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    async with workspace.key.socket() as live, flooding(busy, conversation) as flood:
        flood.send(workspace.api_key, 4)
        await flood.lock.queued(4)
        waiting = await live.subscribe(RECORD, id=conversation)
        await until(busy, running=4, waiting=1)
        await live.send(id=waiting, type="complete")
        await until(busy, running=4, waiting=0)
    assert messages(busy, conversation) == 4
    await until(busy, running=0, waiting=0)
