"""Unread customer messages of an escalation, in a single query and in lists."""

from typing import Any

import pytest

from tests.support.baton_client import Caller, Workspace

ONE = "query($id: ID!) { escalation(id: $id) { unreadMessages } }"
LIST = "{ escalations { nodes { id unreadMessages conversation { readPositions { team customer } } } } }"
READ = "mutation($id: ID!, $position: Int!) { markRead(conversationId: $id, position: $position) { id } }"


@pytest.fixture
def bo(workspace: Workspace) -> Caller:
    return workspace.member("bo@example.com")


def begin(workspace: Workspace, *messages: str) -> tuple[str, str, Caller]:
    """Return a conversation with these customer messages, its escalation, and its customer."""
    started = workspace.start()
    conversation, customer = started["conversation"]["id"], workspace.widget(started)
    for message in messages:
        customer.record(conversation, "USER", message)
    escalation = workspace.key.escalate(conversation)["escalation"]["id"]
    return conversation, escalation, customer


def unread(caller: Caller, escalation: str) -> int:
    return int(caller.ask(ONE, id=escalation)["escalation"]["unreadMessages"])


def test_only_customer_messages_after_the_teams_position_are_unread(workspace: Workspace, bo: Caller) -> None:
    conversation, escalation, customer = begin(workspace, "One", "Two")
    assert unread(bo, escalation) == unread(workspace.key, escalation) == 2, "the confirmation is none"
    bo.ask(READ, id=conversation, position=1)
    assert unread(bo, escalation) == 1
    bo.reply(escalation)
    workspace.key.record(conversation, "ASSISTANT", "A draft")
    customer.record(conversation, "USER", "Three")
    assert unread(bo, escalation) == 2
    last = bo.ask(
        "query($id: ID!) { conversation(id: $id) { messages(last: 1) { nodes { position } } } }",
        id=conversation,
    )["conversation"]["messages"]["nodes"][0]["position"]
    bo.ask(READ, id=conversation, position=last)
    assert unread(bo, escalation) == 0
    bo.ask(READ, id=conversation, position=0)
    assert unread(bo, escalation) == 0, "it never goes back"


def test_read_position_of_the_customer_counts_for_the_customer_only(workspace: Workspace, bo: Caller) -> None:
    conversation, escalation, customer = begin(workspace, "One")
    customer.ask(READ, id=conversation, position=2)
    assert unread(bo, escalation) == 1


def test_read_position_of_a_member_counts_for_the_team(workspace: Workspace, bo: Caller) -> None:
    conversation, escalation, _ = begin(workspace, "One")
    bo.ask(READ, id=conversation, position=1)
    assert unread(workspace.sign_in(), escalation) == 0


def test_escalation_list_shows_the_same_unread_counts(workspace: Workspace, bo: Caller) -> None:
    begun = [begin(workspace, *["A message"] * count) for count in (0, 1, 3)]
    bo.ask(READ, id=begun[2][0], position=1)
    nodes: list[dict[str, Any]] = bo.ask(LIST)["escalations"]["nodes"]
    numbers = {node["id"]: node["unreadMessages"] for node in nodes}
    assert numbers == {escalation: unread(bo, escalation) for _, escalation, _ in begun}
    assert sorted(numbers.values()) == [0, 1, 2]


def test_second_escalation_counts_what_the_conversation_left_unread(workspace: Workspace, bo: Caller) -> None:
    conversation, first, customer = begin(workspace, "One")
    bo.resolve(first)
    customer.record(conversation, "USER", "Two")
    second = workspace.key.escalate(conversation)["escalation"]["id"]
    assert (unread(bo, first), unread(bo, second)) == (2, 2)


def test_customer_sees_no_number(workspace: Workspace) -> None:
    _, escalation, customer = begin(workspace, "One")
    assert customer.refusal(ONE, id=escalation).code == "FORBIDDEN"
