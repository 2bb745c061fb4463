"""The recorder of messages and timeline entries, and what callers may not record for others."""

from typing import Any

import pytest

from tests.support.baton_client import Caller, Refused, Workspace
from tests.support.conversation_driver import Talk
from tests.support.seeded_workspace import fingerprint
from tests.support.widget_pages import Page, allow

MESSAGES = """query($id: ID!) { conversation(id: $id) { messages(first: 50) {
    nodes { role content recordedBy { kind id } } }
    escalations { nodes { timeline { nodes { kind recordedBy { kind id } } } } } } }"""
RECORD = "mutation($i: RecordMessageInput!) { recordMessage(input: $i) { message { id } } }"
FORM = "mutation($i: SubmitFormInput!) { submitForm(input: $i) { created } }"


def history(talk: Talk, caller: Caller) -> dict[str, Any]:
    result: dict[str, Any] = caller.ask(MESSAGES, id=talk.id)["conversation"]
    return result


def test_each_message_and_entry_names_its_recorder(workspace: Workspace) -> None:
    talk, member = Talk.begin(workspace), workspace.sign_in()
    key = workspace.key.ask("{ viewer { apiKey { id } } }")["viewer"]["apiKey"]["id"]
    member_id = member.ask("{ viewer { member { id } } }")["viewer"]["member"]["id"]
    talk.says("Hello?")
    talk.answers()
    escalation = talk.presses()["escalation"]["id"]
    member.reply(escalation)
    seen = history(talk, workspace.key)
    assert [(node["role"], node["recordedBy"]) for node in seen["messages"]["nodes"]] == [
        ("USER", {"kind": "CUSTOMER", "id": None}),
        ("ASSISTANT", {"kind": "API_KEY", "id": key}),
        ("SYSTEM", {"kind": "SYSTEM", "id": None}),
        ("HUMAN", {"kind": "TEAM_MEMBER", "id": member_id}),
    ]
    entries = {
        node["kind"]: node["recordedBy"] for node in seen["escalations"]["nodes"][0]["timeline"]["nodes"]
    }
    assert entries["created"] == {"kind": "CUSTOMER", "id": None}
    assert entries["replied"] == {"kind": "TEAM_MEMBER", "id": member_id}


def test_reply_by_a_key_for_a_member_names_the_key(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    escalation = workspace.key.escalate(talk.id)["escalation"]["id"]
    workspace.key.reply(escalation, authorEmail=workspace.email)
    (human,) = (node for node in history(talk, workspace.key)["messages"]["nodes"] if node["role"] == "HUMAN")
    assert human["recordedBy"]["kind"] == "API_KEY"


def test_customer_does_not_see_the_recorder(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    talk.answers()
    query = "query($id: ID!) { conversation(id: $id) { messages { nodes { recordedBy { kind } } } } }"
    seen = talk.widget.ask(query, id=talk.id)["conversation"]["messages"]["nodes"]
    assert seen == [{"recordedBy": None}]


@pytest.mark.parametrize("role", ["USER", "ASSISTANT"])
def test_member_who_records_words_of_another_is_refused(workspace: Workspace, role: str) -> None:
    talk, member = Talk.begin(workspace), workspace.sign_in()
    before = fingerprint(workspace)
    given = {"conversationId": talk.id, "role": role, "content": "Words of another"}
    assert member.refusal(RECORD, i=given).code == "FORBIDDEN"
    form = {"conversationId": talk.id, "form": "refund", "fields": {"order": "1"}}
    assert member.refusal(FORM, i=form).code == "FORBIDDEN"
    assert fingerprint(workspace) == before


@pytest.mark.parametrize("key", ["team", "team.tier"])
def test_customer_who_sets_metadata_of_the_team_is_refused(workspace: Workspace, key: str) -> None:
    talk = Talk.begin(workspace)
    before = fingerprint(workspace)
    given = {"conversationId": talk.id, "role": "USER", "content": "Hello", "metadata": {key: "gold"}}
    refused = talk.widget.refusal(RECORD, i=given)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.metadata")
    assert fingerprint(workspace) == before
    talk.widget.ask(RECORD, i=given | {"metadata": {"teams": 2, "page": "/cart"}})
    workspace.key.ask(RECORD, i=given)


@pytest.mark.parametrize(
    "more",
    [{"confidence": 99}, {"probability": 0.9}, {"intents": ["refund"]}, {"epoch": 1}, {"role": "ASSISTANT"}],
    ids=lambda more: next(iter(more)),
)
def test_customer_who_reports_what_the_ai_reports_is_refused(
    workspace: Workspace, more: dict[str, Any]
) -> None:
    talk = Talk.begin(workspace)
    before = fingerprint(workspace)
    with pytest.raises(Refused):
        talk.widget.ask(RECORD, i={"conversationId": talk.id, "role": "USER", "content": "Hello"} | more)
    assert fingerprint(workspace) == before


def test_page_that_sets_metadata_of_the_team_is_refused(workspace: Workspace) -> None:
    allow(workspace)
    page = Page.of(workspace)
    before = fingerprint(workspace)
    error = page.refused(metadata={"team": {"tier": "gold"}})
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", "input.metadata")
    assert fingerprint(workspace) == before
    opened = page.open(customer={"email": "kim@example.com"})["conversation"]
    assert opened["customer"]["verified"] is False
