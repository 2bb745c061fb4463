"""Many subscribers, each of a conversation of its own, with an event in the same moment."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import orjson
import pytest

from models.database import Database
from resolvers.context import Context
from resolvers.credentials import actor_of
from schema.execution import execute, follow
from schema.live.event_buffer import EncodedBatch
from schema.live.groups import CONCURRENT_EXECUTIONS, Groups
from schema.operation import Operation
from server.services import open_services
from server.settings import Settings
from tests.support.baton_client import DEADLINE, Server, Workspace
from tests.support.baton_process import SCOPE
from tests.support.pubsub_probe import eventually

pytestmark = pytest.mark.anyio

CONVERSATIONS = 4 * CONCURRENT_EXECUTIONS
FOLLOW = "subscription($id: ID!) { messageAdded(conversationId: $id) { message { content } } }"
RECORD = """mutation($id: ID!) { recordMessage(input: {
    conversationId: $id, role: ASSISTANT, content: "Hello."}) { message { id } } }"""
MESSAGES = "FROM messages"


@dataclass
class _Reads:
    """The reads that run, and how many ran at most."""

    running: int = 0
    most: int = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            yield
        finally:
            self.running -= 1


class _WatchedDatabase(Database):
    """A database that counts the concurrent reads of messages, each of which takes a moment.

    The views of other scopes count with it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, scope=SCOPE)
        self.reads = _Reads()

    async def fetch(self, sql: str, *values: Any, **options: Any) -> list[asyncpg.Record]:
        if MESSAGES not in sql:
            return await super().fetch(sql, *values, **options)
        with self.reads.one_more():
            # Others begin meanwhile, if they may.
            await super().fetch("SELECT pg_sleep(0.01)")
            return await super().fetch(sql, *values, **options)


class _Sink:
    """A sink that counts what it gets for each conversation."""

    def __init__(self, received: Counter[str], conversation: str, arrived: asyncio.Event) -> None:
        self._received, self._conversation, self._arrived = received, conversation, arrived

    def offer(self, results: EncodedBatch) -> bool:
        for event in results.payloads:
            assert orjson.loads(event)["data"]["messageAdded"]["message"] == {"content": "Hello."}
            self._received[self._conversation] += 1
        if len(self._received) == CONVERSATIONS:
            self._arrived.set()
        return True

    async def put(self, results: EncodedBatch) -> None:
        self.offer(results)


async def test_events_of_many_groups_are_executed_in_turns(server: Server, workspace: Workspace) -> None:
    talks = [workspace.start()["conversation"]["id"] for _ in range(CONVERSATIONS)]
    received, arrived = Counter[str](), asyncio.Event()
    ended: list[Any] = []
    watched = _WatchedDatabase(server.service_url).with_own_query_pool()
    assert isinstance(watched, _WatchedDatabase)
    settings = Settings(data_dir=server.data_dir, database_url=server.service_url)
    async with open_services(settings, server.service_url) as opened, asyncio.timeout(DEADLINE):
        services, groups = replace(opened.services, live_database=watched), Groups()
        token = workspace.key.token
        assert token
        context = Context(services, await actor_of(services.database, services.widget_tokens, token))
        followers = [
            follow(
                Operation(FOLLOW, {"id": talk}, None),
                context,
                groups,
                _Sink(received, talk, arrived),
                ended.append,
            )
            for talk in talks
        ]
        await eventually(lambda: len(groups) == CONVERSATIONS)
        await asyncio.gather(*(execute(Operation(RECORD, {"id": talk}, None), context) for talk in talks))
        await arrived.wait()
        for follower in followers:
            await follower.stop()
    await watched.close()
    assert received == dict.fromkeys(talks, 1)
    assert not ended
    assert 1 < watched.reads.most <= CONCURRENT_EXECUTIONS
