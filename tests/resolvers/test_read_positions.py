"""Read positions: who may set them, that they never go back, and who is informed."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import Caller, Socket, Workspace

MARK = """mutation($id: ID!, $position: Int!) { markRead(conversationId: $id, position: $position) {
    id readPositions { customer team } } }"""
UPDATED = """subscription($id: ID!, $after: String) {
    conversationUpdated(conversationId: $id, after: $after) {
    kind typing member { name email } conversation { readPositions { customer team } } } }"""


@pytest.fixture
def started(workspace: Workspace) -> dict[str, Any]:
    """A conversation of four messages."""
    started = workspace.start()
    conversation = started["conversation"]["id"]
    for number in range(2):
        workspace.key.record(conversation, "USER", f"Question {number}")
        workspace.key.record(conversation, "ASSISTANT", f"Answer {number}")
    return started


def mark(caller: Caller, started: dict[str, Any], position: int) -> tuple[int, int]:
    answer = caller.ask(MARK, id=started["conversation"]["id"], position=position)["markRead"]
    return answer["readPositions"]["customer"], answer["readPositions"]["team"]


def test_each_side_has_a_position_of_its_own_that_never_goes_back(
    workspace: Workspace, started: dict[str, Any]
) -> None:
    customer, anna = workspace.widget(started), workspace.member("anna@example.com")
    bert = workspace.member("bert@example.com")
    assert mark(customer, started, 0) == (0, 0)
    assert mark(customer, started, 3) == (3, 0)
    assert mark(anna, started, 4) == (3, 4)
    assert mark(customer, started, 1) == (3, 4)
    assert mark(bert, started, 2) == (3, 4)
    assert mark(customer, started, 4) == (4, 4)


def test_concurrent_positions_leave_the_furthest(workspace: Workspace, started: dict[str, Any]) -> None:
    customer = workspace.widget(started)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda position: mark(customer, started, position), [1, 4, 2, 3, 4, 1, 3, 2]))
    assert mark(customer, started, 0) == (4, 0)
    logged = "SELECT type FROM log WHERE stream = $1 AND type = 'conversation.read'"
    stream = parse_id(CONVERSATION, started["conversation"]["id"])
    # Only those that got further are events: at most 1, 2, 3, 4 and at least 4.
    assert 1 <= len(workspace.server.rows(logged, stream)) <= 4


@pytest.mark.parametrize("position", [-1, 5, 2**31 - 1])
def test_position_without_a_message_is_refused(
    workspace: Workspace, started: dict[str, Any], position: int
) -> None:
    customer = workspace.widget(started)
    refused = customer.refusal(MARK, id=started["conversation"]["id"], position=position)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "position")
    assert mark(customer, started, 0) == (0, 0)


def test_position_is_for_the_customer_and_for_members_who_answer(
    workspace: Workspace, other: Workspace, started: dict[str, Any]
) -> None:
    conversation = started["conversation"]["id"]
    viewer = workspace.member("vera@example.com", "VIEWER")
    stranger = workspace.widget(workspace.start())
    codes = {
        caller: each.refusal(MARK, id=conversation, position=2).code
        for caller, each in {
            "viewer": viewer,
            "key": workspace.key,
            "stranger": stranger,
            "foreign": other.sign_in(),
            "nobody": workspace.nobody,
        }.items()
    }
    assert codes == {
        "viewer": "FORBIDDEN",
        "key": "FORBIDDEN",
        "stranger": "NOT_FOUND",
        "foreign": "NOT_FOUND",
        "nobody": "UNAUTHENTICATED",
    }
    assert mark(workspace.widget(started), started, 0) == (0, 0)


async def follow(socket: Socket, started: dict[str, Any]) -> str:
    """Follow the conversation from its start."""
    conversation = started["conversation"]
    return await socket.subscribe(UPDATED, id=conversation["id"], after=conversation["cursor"])


@pytest.mark.anyio
async def test_read_position_is_published_to_both_sides(
    workspace: Workspace, started: dict[str, Any]
) -> None:
    customer, anna = workspace.widget(started), workspace.member("anna@example.com")
    async with customer.socket() as of_customer, anna.socket() as of_anna:
        followed = [(socket, await follow(socket, started)) for socket in (of_customer, of_anna)]
        mark(customer, started, 3)
        mark(customer, started, 2)
        mark(anna, started, 4)
        for socket, id_ in followed:
            events = [(await socket.next(id_))["conversationUpdated"] for _ in range(2)]
            assert [event["kind"] for event in events] == ["read", "read"]
            # Events show rows as they are when sent.
            assert events[0]["conversation"]["readPositions"]["customer"] == 3
            assert events[1]["conversation"]["readPositions"] == {"customer": 3, "team": 4}
            assert events[1]["member"] is None


@pytest.mark.anyio
async def test_customer_sees_the_name_of_the_member_who_types(
    workspace: Workspace, started: dict[str, Any]
) -> None:
    customer, anna = workspace.widget(started), workspace.member("anna@example.com")
    typing = "mutation($id: ID!) { setTyping(conversationId: $id, typing: true) }"
    conversation = started["conversation"]["id"]
    async with customer.socket() as of_customer, anna.socket() as of_anna:
        mark(customer, started, 1)
        followed = [(socket, await follow(socket, started)) for socket in (of_customer, of_anna)]
        # Typing is not repeated, so both must have received something before it.
        for socket, id_ in followed:
            assert (await socket.next(id_))["conversationUpdated"]["kind"] == "read"
        anna.ask(typing, id=conversation)
        event = (await of_customer.next(followed[0][1]))["conversationUpdated"]
        assert (event["kind"], event["typing"]) == ("typing_started", "HUMAN")
        assert event["member"] == {"name": "anna", "email": None}
        customer.ask(typing, id=conversation)
        event = (await of_anna.next(followed[1][1]))["conversationUpdated"]
        assert (event["typing"], event["member"]) == ("USER", None)
