"""Two releases as processes on one database, while the next one migrates it and afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.baton_client import Caller, Server, Socket
from tests.support.own_database import own_database
from tests.support.pubsub_probe import eventually
from tests.support.releases import NEXT_REVISION, Release, Running, next_release, this_release

pytestmark = pytest.mark.anyio

MESSAGES = """subscription($id: ID!, $after: String) { messageAdded(conversationId: $id, after: $after) {
    cursor message { content } } }"""
LISTS = """{ conversations(first: 5) { nodes { id messages(first: 5) { nodes { content } }
    escalations(first: 5) { nodes { id } } } } }"""
REPLIES = 12
WAIT_SECONDS = 300


class Follower:
    """A subscriber of one conversation, and the contents that it has received."""

    def __init__(self, socket: Socket, operation: str) -> None:
        self._socket, self._operation = socket, operation
        self.cursor, self.contents = "", list[str]()

    @classmethod
    @asynccontextmanager
    async def of(cls, caller: Caller, conversation: str, after: str) -> AsyncIterator["Follower"]:
        """Subscribe after a cursor over a socket of its own, and receive until the end of the block."""
        async with caller.socket() as socket:
            follower = cls(socket, await socket.subscribe(MESSAGES, id=conversation, after=after))
            receiving = asyncio.create_task(follower._receive())
            try:
                yield follower
            finally:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)

    async def until(self, content: str) -> list[str]:
        """Wait for a content, and return all contents up to it."""
        await eventually(lambda: content in self.contents, 60)
        return self.contents[: self.contents.index(content) + 1]

    async def _receive(self) -> None:
        while True:
            event = (await self._socket.next(self._operation, WAIT_SECONDS))["messageAdded"]
            self.cursor = event["cursor"]
            self.contents.append(event["message"]["content"])


class Calls:
    """Calls that follow one another: messages of a conversation, and lists of several tables."""

    def __init__(self, caller: Caller, conversation: str) -> None:
        self._caller, self._conversation = caller, conversation
        self._ending = False
        self.contents = list[str]()
        self.task = asyncio.create_task(self._make())

    async def end(self) -> list[str]:
        """Return the contents of all messages, each of which was answered."""
        self._ending = True
        await self.task
        return self.contents

    async def _make(self) -> None:
        while not self._ending:
            content = f"meanwhile {len(self.contents)}"
            await asyncio.to_thread(self._caller.record, self._conversation, "USER", content)
            self.contents.append(content)
            await asyncio.to_thread(self._caller.ask, LISTS)


def initialised(release: Release, own: Server) -> dict[str, Any]:
    """Create a workspace with the release's `baton init`."""
    made = release.command(own, "init", "--json")
    assert made.returncode == 0, made.stderr
    return dict(json.loads(made.stdout))


def revision(own: Server) -> str:
    return str(own.rows("SELECT version_num FROM alembic_version")[0]["version_num"])


async def spoken_in_turn(releases: tuple[Running, ...], token: str, conversation: str) -> list[str]:
    """Record messages through one release after the other, and return their contents."""
    contents = [f"in turn {number}" for number in range(REPLIES)]
    for number, content in enumerate(contents):
        caller = releases[number % len(releases)].caller(token)
        await asyncio.to_thread(caller.record, conversation, "USER", content)
    return contents


@pytest.mark.timeout(420)  # four processes that import everything
async def test_releases_serve_side_by_side_and_the_next_one_migrates_under_calls(
    server: Server, tmp_path: Path
) -> None:
    previous, following = this_release(tmp_path / "previous"), next_release(tmp_path / "next")
    with own_database(server) as own:
        made = await asyncio.to_thread(initialised, previous, own)
        token = made["apiKey"]
        async with previous.serving(own, "previous") as old:
            old_key = old.caller(token)
            started = (await asyncio.to_thread(old_key.start, made["agentId"]))["conversation"]
            conversation, cursor = started["id"], started["cursor"]
            async with Follower.of(old_key, conversation, cursor) as old_follower:
                calls = Calls(old_key, conversation)
                assert revision(own) != NEXT_REVISION
                async with following.serving(own, "next") as new:
                    assert revision(own) == NEXT_REVISION
                    new_key = new.caller(token)
                    async with Follower.of(new_key, conversation, cursor) as new_follower:
                        contents = await calls.end()
                        contents += await spoken_in_turn((old, new), token, conversation)
                        assert await old_follower.until(contents[-1]) == contents
                        assert await new_follower.until(contents[-1]) == contents
                        await check_one_execution(old_key, new_key, conversation)
                        await check_end_of_previous(previous, own, old)
                        await asyncio.to_thread(new_key.record, conversation, "USER", "afterwards")
                        everything = await new_follower.until("afterwards")
                    # The subscriber of the release that has ended continues at the other.
                    seen = old_follower.contents
                    async with Follower.of(new_key, conversation, old_follower.cursor) as resumed:
                        assert [*seen, *await resumed.until("afterwards")] == everything
                    assert await asyncio.to_thread(new.stop) == 0


async def check_one_execution(old: Caller, new: Caller, conversation: str) -> None:
    """Check that a call which is repeated at the other release is executed once, and its result continued."""
    first = await asyncio.to_thread(old.escalate, conversation, idempotencyKey="one")
    again = await asyncio.to_thread(new.escalate, conversation, idempotencyKey="one")
    assert again == first
    escalation = first["escalation"]["id"]
    replied = await asyncio.to_thread(new.reply, escalation)
    assert replied["escalation"]["status"] == "IN_PROGRESS"
    resolved = await asyncio.to_thread(old.resolve, escalation)
    assert (resolved["status"], resolved["sla"]["outcome"]) == ("RESOLVED", "MET")
    seen = await asyncio.to_thread(new.escalation, escalation)
    assert seen["timeline"]["nodes"][0]["kind"] == "created"
    assert seen == await asyncio.to_thread(old.escalation, escalation)


async def check_end_of_previous(previous: Release, own: Server, old: Running) -> None:
    """Check that the previous release is ready until it ends, and does not start again."""
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{old.url}/readyz")).status_code == 200
    refused = await asyncio.to_thread(previous.command, own, "serve")
    assert refused.returncode == 1
    assert refused.stderr.strip() == (
        f"The database is at revision {NEXT_REVISION}, which this version of Baton does not know: install "
        "the version that last migrated it, or a newer one, or give Baton a database of its own."
    )
    assert await asyncio.to_thread(old.stop) == 0
