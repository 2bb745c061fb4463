"""Events and ended subscriptions: they leave nothing that only the garbage collector would free."""

import asyncio
import gc
from collections import Counter
from typing import Any

import asyncpg
import pytest

from realtime.feed import _Stream
from resolvers.context import Context
from resolvers.credentials import actor_of
from schema.bounded_executor import BoundedExecutor
from schema.context import GraphQLContext
from schema.execution import execute, follow
from schema.live.event_buffer import EncodedBatch
from schema.live.group_member import GroupMember
from schema.live.groups import Groups, _Group
from schema.live.subscription_plan import SubscriptionPlan
from schema.operation import Operation
from server.services import open_services
from server.settings import Settings
from tests.support.baton_client import DEADLINE, Server, Workspace
from tests.support.pubsub_probe import eventually

pytestmark = pytest.mark.anyio

SUBSCRIBERS = 4
FOLLOW = """subscription($id: ID!, $after: String) { messageAdded(conversationId: $id, after: $after) {
    message { content author { name } } } }"""
RECORD = """mutation($id: ID!) { recordMessage(input: {
    conversationId: $id, role: ASSISTANT, content: "Hello."}) { message { id } } }"""
KINDS = asyncpg.Record, GraphQLContext, BoundedExecutor, SubscriptionPlan, GroupMember, _Group, _Stream


class _Sink:
    """A sink that counts results."""

    def __init__(self) -> None:
        self.count = 0

    def offer(self, results: EncodedBatch) -> bool:
        self.count += len(results.payloads)
        return True

    async def put(self, results: EncodedBatch) -> None:
        self.offer(results)


def kept() -> Counter[type]:
    return Counter(type(item) for item in gc.get_objects() if isinstance(item, KINDS))


async def _follow_all(context: Context, started: list[dict[str, Any]], groups: Groups) -> None:
    """Follow conversations from their beginning, record a message in each, and stop."""
    sinks, ended = [_Sink() for _ in started], list[Any]()
    operations = [Operation(FOLLOW, {"id": item["id"], "after": item["cursor"]}, None) for item in started]
    followers = [
        follow(operation, context, groups, sink, ended.append)
        for operation, sink in zip(operations, sinks, strict=True)
    ]
    await eventually(lambda: len(groups) == len(started))
    before = [sink.count for sink in sinks]
    await asyncio.gather(*(execute(Operation(RECORD, {"id": item["id"]}, None), context) for item in started))
    await eventually(lambda: all(sink.count > count for sink, count in zip(sinks, before, strict=True)))
    for follower in followers:
        await follower.stop()
    await eventually(lambda: not len(groups))
    assert not ended


async def test_events_and_ended_subscriptions_leave_nothing_for_the_garbage_collector(
    server: Server, workspace: Workspace
) -> None:
    started = [workspace.start()["conversation"] for _ in range(SUBSCRIBERS)]
    settings, groups = Settings(data_dir=server.data_dir, database_url=server.service_url), Groups()
    async with open_services(settings, server.service_url) as opened, asyncio.timeout(DEADLINE):
        services = opened.services
        token = workspace.key.token
        assert token
        context = Context(services, await actor_of(services.database, services.widget_tokens, token))
        await _follow_all(context, started, groups)  # plans and prepared statements stay
        gc.collect()
        gc.disable()  # thousands of sockets that return together would wait for it
        try:
            before = kept()
            await _follow_all(context, started, groups)
            # Those of the first time may have ended only now.
            await eventually(lambda: not kept() - before)
        finally:
            gc.enable()
