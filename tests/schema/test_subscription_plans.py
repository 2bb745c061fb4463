"""A subscription that has a compiled plan is read, refused and executed as graphql-core does it."""

from itertools import count
from typing import Any

import pytest

from tests.support.baton_client import Caller, Refused, Socket, Workspace

pytestmark = pytest.mark.anyio

NAMES = count(1)
WRONG: list[dict[str, Any]] = [
    {"id": "nonsense"},
    {"id": "agent_01h455vb4pex5vsknk084sn02q"},
    {"id": "conv_01h455vb4pex5vsknk084sn02q"},
    {"id": None},
    {"id": 7},
    {"id": ["conv"]},
    {"id": "x" * 3_000},
    {"after": "nonsense"},
    {"after": ""},
    {"after": 5},
    {"after": "x" * 300},
]


def fresh(alias: str = "") -> str:
    """Return a document that no other test has sent."""
    return f"""subscription Planned{next(NAMES)}($id: ID!, $after: String) {{
        {alias} messageAdded(conversationId: $id, after: $after) {{
            cursor message {{ id content author {{ name }} }} }} }}"""


async def follow_one(caller: Caller, document: str, **variables: Any) -> Any:
    """Return the first result of a subscription, or the errors that refuse it."""
    async with caller.socket() as socket:
        try:
            return await socket.next(await socket.subscribe(document, **variables))
        except Refused as refused:
            return refused.errors


def begin(workspace: Workspace) -> dict[str, Any]:
    """Start a conversation with a message, and return what a subscriber of it sends."""
    started = workspace.start()["conversation"]
    workspace.key.record(started["id"], "ASSISTANT", "Hello.")
    return {"id": started["id"], "after": started["cursor"]}


@pytest.mark.parametrize("alias", ["", "other:"])
async def test_wrong_values_are_refused_alike_with_a_compiled_plan(workspace: Workspace, alias: str) -> None:
    usual, document = begin(workspace), fresh(alias)
    wrong = [{key: value for key, value in usual.items() if key not in item} | item for item in WRONG]
    wrong.append({"after": usual["after"]})
    before = [await follow_one(workspace.key, document, **item) for item in wrong]
    assert all(isinstance(errors, list) for errors in before), before
    result = await follow_one(workspace.key, document, **usual)
    assert result[alias.rstrip(":") or "messageAdded"]["message"]["content"] == "Hello."
    assert [await follow_one(workspace.key, document, **item) for item in wrong] == before


async def test_callers_without_the_right_are_refused_alike_with_a_compiled_plan(
    workspace: Workspace, other: Workspace
) -> None:
    usual, document = begin(workspace), fresh()
    callers = [other.key, workspace.key_with("ANALYTICS_READ"), workspace.widget(workspace.start())]
    before = [await follow_one(caller, document, **usual) for caller in callers]
    assert all(isinstance(errors, list) for errors in before), before
    await follow_one(workspace.key, document, **usual)
    assert [await follow_one(caller, document, **usual) for caller in callers] == before


async def test_conversations_of_one_compiled_plan_have_their_own_events(workspace: Workspace) -> None:
    document, given = fresh(), [begin(workspace) for _ in range(3)]
    async with workspace.key.socket() as socket:
        ids = [await socket.subscribe(document, **item) for item in given]
        first = [await _content(socket, id_) for id_ in ids]
        for number, item in enumerate(given):
            workspace.key.record(item["id"], "ASSISTANT", f"Number {number}.")
        second = [await _content(socket, id_) for id_ in ids]
    assert first == ["Hello."] * 3
    assert second == [f"Number {number}." for number in range(3)]


async def _content(socket: Socket, id_: str) -> str:
    return str((await socket.next(id_))["messageAdded"]["message"]["content"])
