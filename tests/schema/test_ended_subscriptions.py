"""Subscriptions that end while their caller goes away."""

import asyncio
from typing import Any

import pytest

from schema.execution import run_any
from schema.live.group_member import GroupMember
from schema.live.groups import Groups
from schema.operation import Operation
from tests.support.baton_client import Workspace
from tests.support.counted_statements import counted_api
from tests.support.pubsub_probe import eventually

pytestmark = pytest.mark.anyio

FOLLOW = "subscription($id: ID!) { messageAdded(conversationId: $id) { message { content } } }"


class _WatchedGroups(Groups):
    """Groups that list their members."""

    def __init__(self) -> None:
        super().__init__()
        self.joined: list[GroupMember] = []

    def join(self, member: GroupMember, *options: Any) -> Any:
        self.joined.append(member)
        return super().join(member, *options)


class _Sink:
    def offer(self, _: Any) -> bool:
        return True

    async def put(self, _: Any) -> None:
        pass


async def test_subscription_that_ends_with_its_cancelled_caller_ends_no_other(workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    async with counted_api(workspace.server) as api:
        context, groups = await api.context(workspace.key), _WatchedGroups()
        operation = Operation(FOLLOW, {"id": conversation}, None)
        calls = [asyncio.create_task(run_any(operation, context, groups, _Sink())) for _ in range(2)]
        await eventually(lambda: len(groups.joined) == len(calls))
        failure = [{"message": "It failed.", "extensions": {"code": "INTERNAL"}}]
        calls[0].cancel()
        # The group ends all of its members in the same turn of the event loop.
        for member in groups.joined:
            member.end(failure)
        assert await asyncio.gather(*calls[1:]) == [failure]
        with pytest.raises(asyncio.CancelledError):
            await calls[0]
        assert not len(groups)
