"""Two releases as processes on one database, while the next one migrates it and afterwards."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.baton_client import Caller, Server, Socket
from tests.support.own_database import own_database
from tests.support.releases import NEXT_REVISION, Release, Running, next_release, this_release

pytestmark = pytest.mark.anyio

MESSAGES = """subscription($id: ID!, $after: String) { messageAdded(conversationId: $id, after: $after) {
    cursor message { content } } }"""
LISTS = """{ conversations(first: 5) { nodes { id messages(first: 5) { nodes { content } }
    escalations(first: 5) { nodes { id } } } } }"""
REPLIES = 12


class Follower:
    """A subscriber of one conversation, and the contents that it has received."""

    def __init__(self, socket: Socket, operation: str) -> None:
        self._socket, self._operation = socket, operation
        self.cursor, self.contents = "", list[str]()

    @classmethod
    async def of(cls, socket: Socket, conversation: str, after: str) -> "Follower":
        """Subscribe after a cursor."""
        return cls(socket, await socket.subscribe(MESSAGES, id=conversation, after=after))

    async def receive(self, number: int) -> list[str]:
        """Receive until there are so many, and return all contents."""
        while len(self.contents) < number:
            event = (await self._socket.next(self._operation))["messageAdded"]
            self.cursor = event["cursor"]
            self.contents.append(event["message"]["content"])
        return self.contents

    async def receive_until(self, content: str) -> list[str]:
        """Receive until this content comes, and return what came before it and since the last call."""
        before = len(self.contents)
        while content not in self.contents:
            await self.receive(len(self.contents) + 1)
        return self.contents[before:-1]


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
        async with previous.serving(own, "previous") as old, old.caller(token).socket() as old_socket:
            started = await asyncio.to_thread(old.caller(token).start, made["agentId"])
            conversation, cursor = started["conversation"]["id"], started["conversation"]["cursor"]
            old_follower = await Follower.of(old_socket, conversation, cursor)
            calls = Calls(old.caller(token), conversation)
            assert revision(own) != NEXT_REVISION
            async with following.serving(own, "next") as new, new.caller(token).socket() as new_socket:
                assert revision(own) == NEXT_REVISION
                new_follower = await Follower.of(new_socket, conversation, cursor)
                contents = await calls.end()
                contents += await spoken_in_turn((old, new), token, conversation)
                assert await old_follower.receive(len(contents)) == contents
                assert await new_follower.receive(len(contents)) == contents
                await check_one_execution(old.caller(token), new.caller(token), conversation)
                await check_end_of_previous(previous, own, old)
                # The subscriber of the release that has ended continues at the other.
                await asyncio.to_thread(new.caller(token).record, conversation, "USER", "afterwards")
                resumed = await Follower.of(new_socket, conversation, old_follower.cursor)
                missed = await new_follower.receive_until("afterwards")
                assert "A person here." in missed
                assert await resumed.receive_until("afterwards") == missed
                assert new.stop() == 0


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
