"""Live connections end with their credentials, and with the process."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from resolvers.credentials import WIDGET_LIFETIME, WidgetTokens
from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import DEADLINE, Caller, Server, Workspace
from tests.support.locks import hold
from tests.support.open_subscriptions import all_begun
from tests.support.raw_websocket import close_code, open_sockets
from tests.support.sla_clocks import prolonged

pytestmark = pytest.mark.anyio

MESSAGES = "subscription($id: ID!) { messageAdded(conversationId: $id) { message { content } } }"
RESUMED = """subscription($id: ID!, $after: String) {
    messageAdded(conversationId: $id, after: $after) { message { content } } }"""
REACHED_SECONDS = 5.0
MAKE_KEY = "mutation($i: CreateApiKeyInput!) { createApiKey(input: $i) { key apiKey { id } } }"
MEMBERS = "{ members { id email } }"


async def test_subscriber_without_access_is_closed_in_five_seconds_and_the_group_continues(
    workspace: Workspace,
) -> None:
    key, started = workspace.key, workspace.start()
    conversation = started["conversation"]["id"]
    made = key.ask(MAKE_KEY, i={"name": "ends", "scopes": ["CONVERSATIONS_READ"]})["createApiKey"]
    removed, demoted, stays = (
        workspace.member("r@example.com"),
        workspace.member("d@example.com", "ADMIN"),
        key,
    )
    ids = {member["email"]: member["id"] for member in key.ask(MEMBERS)["members"]}
    secret = (workspace.server.data_dir / "secret_key").read_text().strip()
    soon = datetime.now(UTC) - WIDGET_LIFETIME + timedelta(seconds=4)
    token, _ = WidgetTokens(secret).issue(parse_id(CONVERSATION, conversation), soon)
    ending = [Caller(key.url, made["key"]), removed, demoted, Caller(key.url, token)]
    async with open_sockets(*ending, stays) as opened:
        async with all_begun(workspace.server, 4):
            for item in (*opened[:3], opened[4]):
                await item.subscribe(MESSAGES, id=conversation)
        # Not waited for: its token ends soon.
        await opened[3].subscribe(MESSAGES, id=conversation)
        key.ask("mutation($id: ID!) { revokeApiKey(id: $id) { id } }", id=made["apiKey"]["id"])
        key.ask("mutation($id: ID!) { removeMember(id: $id) }", id=ids["r@example.com"])
        key.ask(
            "mutation($id: ID!) { updateMember(id: $id, role: AGENT) { member { role } } }",
            id=ids["d@example.com"],
        )
        async with asyncio.timeout(4 + prolonged(REACHED_SECONDS)):
            codes = await asyncio.gather(*map(close_code, opened[:4]))
        assert codes == [4403] * 4
        await asyncio.to_thread(key.record, conversation, "USER", "among us")
        assert (await opened[4].next("1"))["messageAdded"]["message"]["content"] == "among us"
    for caller in (ending[0], removed, ending[3]):
        assert caller.refusal(MESSAGES.replace("subscription", "query")).code


async def test_stop_closes_all_connections_and_ends_all_operations(
    server: Server, workspace: Workspace
) -> None:
    process = Server(server.data_dir, server.owner_url, server.service_url)
    process.log = server.data_dir / "stopped.log"
    await asyncio.to_thread(process.start)
    started = workspace.start()["conversation"]
    conversation = started["id"]
    here = Caller(process.url, workspace.api_key)
    try:
        async with (
            open_sockets(*[here] * 20) as sockets,
            httpx.AsyncClient(trust_env=False, headers=here.headers, timeout=30) as client,
        ):
            async with all_begun(process, len(sockets)):
                for socket in sockets:
                    await socket.subscribe(MESSAGES, id=conversation)
            heard = [asyncio.Event() for _ in range(5)]
            streams = [asyncio.create_task(_stream(client, process, started, item)) for item in heard]
            await asyncio.to_thread(here.record, conversation, "USER", "before")
            for socket in sockets:
                assert await socket.next("1")
            for event in heard:
                await asyncio.wait_for(event.wait(), DEADLINE)
            async with hold(server, "conversations", parse_id(CONVERSATION, conversation)) as lock:
                (running,) = await lock.in_order(partial(here.record, conversation, "USER", "meanwhile"))
                assert process.process is not None
                process.process.send_signal(signal.SIGTERM)
                codes = await asyncio.gather(*map(close_code, sockets))
                received = await asyncio.gather(*streams)
                assert not running.done()
            assert (await running)["message"]["position"] == 2
            assert await asyncio.to_thread(process.process.wait, DEADLINE) == 0
        assert codes == [1012] * 20
        assert ["complete" in item for item in received] == [False] * 5
        assert [message["content"] for message in workspace.key.messages(conversation)] == [
            "before",
            "meanwhile",
        ]
        assert "Traceback" not in process.log.read_text()
    finally:
        process.stop(signal.SIGKILL)


async def _stream(client: httpx.AsyncClient, process: Server, started: Any, heard: asyncio.Event) -> str:
    """Read an event stream until it ends."""
    body = {"query": RESUMED, "variables": {"id": started["id"], "after": started["cursor"]}}
    headers = {"accept": "text/event-stream"}
    text = ""
    async with client.stream("POST", f"{process.url}/graphql", json=body, headers=headers) as response:
        async for line in response.aiter_lines():
            text += line
            if "before" in line:
                heard.set()
    return text
