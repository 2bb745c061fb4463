"""The main job: a conversation is recorded, escalated, answered by a person and handed back."""

import pytest

from tests.support.baton_client import Workspace


def test_conversation_goes_to_a_person_and_back(workspace: Workspace) -> None:
    key, started = workspace.key, workspace.start(customer={"email": "jane@example.com", "name": "Jane"})
    conversation, widget = started["conversation"]["id"], workspace.widget(started)
    widget.record(conversation, "USER", "My parcel is late")
    key.record(conversation, "ASSISTANT", "It is on its way.", confidence=91.5, epoch=1)
    asked = widget.record(conversation, "USER", "can I talk to a human please")
    assert asked["ai"] == {"state": "PAUSED", "epoch": 2, "pausedBy": "ESCALATION"}
    escalation = asked["escalation"]["id"]

    late = key.record(conversation, "ASSISTANT", "Let me try again", confidence=99, epoch=1)
    assert late["message"]["status"] == "HELD"

    agent = workspace.member("bo@example.com")
    replied = agent.reply(escalation, "Bo here. I will look into it.")
    assert replied["escalation"]["status"] == "IN_PROGRESS"
    assert replied["escalation"]["assignee"] == {"email": "bo@example.com"}
    assert replied["escalation"]["sla"]["outcome"] == "MET"

    resolved = agent.resolve(escalation, note="Sent again", disposition="NEEDED")
    assert resolved["resolution"]["resolvedBy"] == {"email": "bo@example.com"}
    assert key.conversation(conversation)["ai"]["state"] == "ACTIVE"

    seen = [(m["role"], m["content"]) for m in widget.messages(conversation)]
    assert seen == [
        ("USER", "My parcel is late"),
        ("ASSISTANT", "It is on its way."),
        ("USER", "can I talk to a human please"),
        (
            "SYSTEM",
            "Your request has been escalated to our support team. We typically respond within 2 hours.",
        ),
        ("HUMAN", "Bo here. I will look into it."),
        ("SYSTEM", "Our AI assistant is answering in this conversation again."),
    ]
    drafts = [m for m in key.messages(conversation) if m["status"] != "DELIVERED"]
    assert [(m["content"], m["status"]) for m in drafts] == [("Let me try again", "DISCARDED")]


@pytest.mark.anyio
async def test_handoff_is_published_live_to_all_sides(workspace: Workspace) -> None:
    key, started = workspace.key, workspace.start()
    conversation, widget = started["conversation"]["id"], workspace.widget(started)
    here = {"id": conversation, "after": started["conversation"]["cursor"]}
    now = key.ask("{ escalations { cursor } }")["escalations"]["cursor"]
    async with widget.socket() as customer, key.socket() as back_end:
        message_added = """subscription($id: ID!, $after: String) {
            messageAdded(conversationId: $id, after: $after) {
            cursor message { role status content confidence author { name email } } } }"""
        said = await customer.subscribe(message_added, **here)
        changed = await customer.subscribe(
            """subscription($id: ID!, $after: String) {
                conversationUpdated(conversationId: $id, after: $after) {
                kind conversation { ai { state } activeEscalation { status } } } }""",
            **here,
        )
        turns = await back_end.subscribe(
            "subscription($now: String) { turnRequested(after: $now) { epoch message { content } } }",
            now=now,
        )
        created = await back_end.subscribe(
            "subscription($now: String) { escalationCreated(after: $now) { escalation { reason } } }",
            now=now,
        )

        widget.record(conversation, "USER", "hello?")
        assert (await customer.next(said))["messageAdded"]["message"]["content"] == "hello?"
        assert (await back_end.next(turns))["turnRequested"] == {"epoch": 1, "message": {"content": "hello?"}}

        escalation = key.escalate(conversation, "a VIP")["escalation"]["id"]
        assert (await back_end.next(created))["escalationCreated"]["escalation"] == {"reason": "a VIP"}
        kinds = [(await customer.next(changed))["conversationUpdated"]["kind"] for _ in range(2)]
        assert kinds == ["escalated", "ai_paused"]
        assert (await customer.next(said))["messageAdded"]["message"]["role"] == "SYSTEM"

        key.record(conversation, "ASSISTANT", "a draft", confidence=3)
        key.reply(escalation, "Here I am", authorEmail=workspace.email)
        human = (await customer.next(said))["messageAdded"]["message"]
        assert human == {
            "role": "HUMAN",
            "status": "DELIVERED",
            "content": "Here I am",
            "confidence": None,
            "author": {"name": "Ada Admin", "email": None},
        }
