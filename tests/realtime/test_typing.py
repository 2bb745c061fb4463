"""Typing signals: each start has an end."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.baton_client import Socket, Workspace
from tests.support.conversation_driver import Talk

pytestmark = pytest.mark.anyio

CHANGES = """subscription($id: ID!, $after: String) {
    conversationUpdated(conversationId: $id, after: $after) { kind typing } }"""
TYPING = "mutation($id: ID!, $typing: Boolean!) { setTyping(conversationId: $id, typing: $typing) }"
SECONDS = 30.0


async def next_typing(socket: Socket, subscription: str) -> tuple[str, str]:
    """Return the next typing event of the subscription, without other changes."""
    async with asyncio.timeout(SECONDS):
        while True:
            event: dict[str, Any] = (await socket.next(subscription))["conversationUpdated"]
            if event["typing"]:
                return event["kind"], event["typing"]


async def live(socket: Socket, talk: Talk) -> tuple[str, str]:
    """Subscribe to changes, escalate, and wait for that event: typing signals before it would be lost."""
    changes = await socket.subscribe(CHANGES, id=talk.id, after=talk.started["conversation"]["cursor"])
    escalation = (await run(talk.key.escalate, talk.id))["escalation"]["id"]
    await socket.next(changes)
    return changes, escalation


async def run(function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    return await asyncio.to_thread(function, *arguments, **more)


async def test_message_of_the_customer_ends_their_typing(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    async with workspace.key.socket() as socket:
        changes, _ = await live(socket, talk)
        await run(talk.widget.ask, TYPING, id=talk.id, typing=True)
        assert await next_typing(socket, changes) == ("typing_started", "USER")
        await run(talk.says, "Where is my order?")
        assert await next_typing(socket, changes) == ("typing_stopped", "USER")


async def test_reply_ends_only_the_typing_of_its_author(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    bo, cy = workspace.member("bo@example.com"), workspace.member("cy@example.com")
    async with talk.widget.socket() as socket:
        changes, escalation = await live(socket, talk)
        for member in (bo, cy):
            await run(member.ask, TYPING, id=talk.id, typing=True)
            assert await next_typing(socket, changes) == ("typing_started", "HUMAN")
        await run(bo.reply, escalation)
        assert await next_typing(socket, changes) == ("typing_stopped", "HUMAN")
        await run(talk.widget.ask, TYPING, id=talk.id, typing=False)
        await run(cy.reply, escalation)
        assert await next_typing(socket, changes) == ("typing_stopped", "HUMAN")


async def test_typing_without_an_end_is_ended_by_the_server(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    async with workspace.key.socket() as socket:
        changes, _ = await live(socket, talk)
        await run(talk.widget.ask, TYPING, id=talk.id, typing=True)
        assert await next_typing(socket, changes) == ("typing_started", "USER")
        assert await next_typing(socket, changes) == ("typing_stopped", "USER")
