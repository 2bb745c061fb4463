"""The live list of a workspace's conversations, and control in the live list of its escalations."""

from typing import Any

import pytest

from tests.support.baton_client import Caller, Refused, Workspace
from tests.support.conversation_driver import Talk, resume

pytestmark = pytest.mark.anyio

LIST = """subscription($agent: ID, $after: String) { conversationsUpdated(agentId: $agent, after: $after) {
    cursor kind conversation { id ai { state } } message { id role status } } }"""
ESCALATIONS = """subscription($id: ID, $after: String) { escalationUpdated(escalationId: $id, after: $after) {
    kind escalation { id conversation { id } } } }"""
PAUSE = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { id } } }"
UPDATE = "mutation($i: UpdateConversationInput!) { updateConversation(input: $i) { id } }"
HEAD = "{ conversations(first: 1) { cursor } }"


def head(workspace: Workspace) -> str:
    return str(workspace.key.ask(HEAD)["conversations"]["cursor"])


async def events(caller: Caller, number: int, **variables: Any) -> list[dict[str, Any]]:
    async with caller.socket() as socket:
        id_ = await socket.subscribe(LIST, **variables)
        return [(await socket.next(id_))["conversationsUpdated"] for _ in range(number)]


async def test_every_change_of_a_conversation_arrives_once_in_order(workspace: Workspace) -> None:
    after = head(workspace)
    elsewhere, talk = Talk.begin(workspace), Talk.begin(workspace)
    talk.says("Where is my parcel?")
    talk.answers(confidence=90)
    talk.presses()
    talk.answers(confidence=90)
    resume(talk)
    changes = {"customer": {"name": "Kim"}, "metadata": {"a": 1}, "language": "de"}
    talk.key.ask(UPDATE, i={"conversationId": talk.id, **changes})

    for caller in (workspace.key, workspace.member("ada@example.com")):
        seen = await events(caller, 11, agent=talk.agent_id, after=after)
        assert {event["conversation"]["id"] for event in seen} == {talk.id}
        assert [event["kind"] for event in seen] == [
            "created",
            "message_added",
            "message_added",
            "ai_paused",
            "message_added",
            "message_added",
            "message_added",
            "ai_resumed",
            "customer_changed",
            "metadata_changed",
            "language_changed",
        ]
        messages = [event["message"] for event in seen if event["message"]]
        assert [(message["role"], message["status"]) for message in messages] == [
            ("USER", "DELIVERED"),
            ("ASSISTANT", "DELIVERED"),
            ("SYSTEM", "DELIVERED"),
            ("ASSISTANT", "DISCARDED"),
            ("SYSTEM", "DELIVERED"),
        ]
        rest = await events(caller, 4, agent=talk.agent_id, after=seen[6]["cursor"])
        assert rest == seen[7:]
    whole = await events(workspace.key, 2, after=after)
    assert [event["conversation"]["id"] for event in whole] == [elsewhere.id, talk.id]


async def test_live_event_follows_the_list_without_a_gap(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    async with workspace.key.socket() as socket:
        id_ = await socket.subscribe(LIST, after=head(workspace))
        recorded = talk.key.record(talk.id, "USER", "Hello?")["message"]
        event = (await socket.next(id_))["conversationsUpdated"]
    assert event["message"] == {"id": recorded["id"], "role": "USER", "status": "DELIVERED"}


async def test_customer_and_key_without_the_scope_are_refused(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    for caller in (talk.widget, workspace.key_with("ESCALATIONS_READ", "CONVERSATIONS_WRITE")):
        with pytest.raises(Refused) as refused:
            await events(caller, 1)
        assert refused.value.code == "FORBIDDEN"


async def test_list_of_another_workspace_stays_silent(workspace: Workspace, other: Workspace) -> None:
    after = head(other)
    Talk.begin(workspace).says("Hello?")
    own = other.start()["conversation"]["id"]
    (event,) = await events(other.key, 1, after=after)
    assert (event["kind"], event["conversation"]["id"]) == ("created", own)


async def test_pause_and_resume_under_an_active_escalation_are_changes_of_it(workspace: Workspace) -> None:
    after = head(workspace)
    talk, calm = Talk.begin(workspace), Talk.begin(workspace)
    escalation = talk.key.escalate(talk.id)["escalation"]["id"]
    resume(talk)
    talk.key.ask(PAUSE, id=talk.id)
    # Without an active escalation a pause is no change of one.
    calm.key.ask(PAUSE, id=calm.id)
    talk.key.resolve(escalation)
    kinds = ["created", "ai_resumed", "ai_paused", "resolved"]
    async with workspace.key.socket() as socket:
        for chosen in (None, escalation):
            id_ = await socket.subscribe(ESCALATIONS, after=after, id=chosen)
            seen = [(await socket.next(id_))["escalationUpdated"] for _ in kinds]
            assert [event["kind"] for event in seen] == kinds
            assert {event["escalation"]["id"] for event in seen} == {escalation}
