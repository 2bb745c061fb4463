"""Summary and metadata of an escalation: from the caller to the team, never to the customer."""

from typing import Any

import pytest

from tests.support.baton_client import Workspace
from tests.support.conversation_driver import Talk

SHOWN = "query($id: ID!) { escalation(id: $id) { summary metadata version } }"
ESCALATE = """mutation($i: EscalateConversationInput!) {
    escalateConversation(input: $i) { created escalation { id summary metadata } } }"""
SUMMARY = "Was charged twice.\nWants one charge back: José & <b>Zoë</b>"
METADATA = {"orderId": "1042", "charges": [{"amount": 12.5}, None, True]}


def escalate(talk: Talk, **more: Any) -> dict[str, Any]:
    given = {"conversationId": talk.id, "reason": "a VIP", **more}
    payload: dict[str, Any] = talk.key.ask(ESCALATE, i=given)["escalateConversation"]
    return payload


def test_summary_and_metadata_are_stored_and_shown_to_the_team_only(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    raised = escalate(talk, summary=SUMMARY, metadata=METADATA)["escalation"]
    assert (raised["summary"], raised["metadata"]) == (SUMMARY, METADATA)
    stored = workspace.member("ada@example.com").ask(SHOWN, id=raised["id"])["escalation"]
    assert (stored["summary"], stored["metadata"]) == (SUMMARY, METADATA)
    seen = talk.widget.ask("query($id: ID!) { escalation(id: $id) { summary metadata } }", id=raised["id"])
    assert seen["escalation"] == {"summary": None, "metadata": None}


def test_later_call_replaces_what_it_gives_and_leaves_the_rest(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    first = escalate(talk, summary="First words", metadata=METADATA)
    second = escalate(talk, summary="Later words")
    assert (first["created"], second["created"]) == (True, False)
    assert second["escalation"] == {
        "id": first["escalation"]["id"],
        "summary": "Later words",
        "metadata": METADATA,
    }
    talk.presses()
    shown = talk.key.ask(SHOWN, id=first["escalation"]["id"])["escalation"]
    assert (shown["summary"], shown["metadata"]) == ("Later words", METADATA)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"summary": ""}, "input.summary"),
        ({"summary": "\u200b\u2800"}, "input.summary"),
        ({"summary": "x" * 2001}, "input.summary"),
        ({"summary": "a\0b"}, "input.summary"),
        ({"metadata": ["no object"]}, "input.metadata"),
        ({"metadata": {"text": "x" * 40_000}}, "input.metadata"),
    ],
)
def test_value_out_of_bounds_is_refused_and_nothing_changes(
    workspace: Workspace, more: dict[str, Any], field: str
) -> None:
    talk = Talk.begin(workspace)
    given = {"conversationId": talk.id, "reason": "a VIP", **more}
    refused = talk.key.refusal(ESCALATE, i=given)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", field)
    assert talk.silent


def test_repeated_key_with_another_summary_is_a_mismatch(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    first = escalate(talk, summary="One", idempotencyKey="k")
    assert escalate(talk, summary="One", idempotencyKey="k") == first
    given = {"conversationId": talk.id, "reason": "a VIP", "summary": "Two", "idempotencyKey": "k"}
    assert talk.key.refusal(ESCALATE, i=given).code == "IDEMPOTENCY_MISMATCH"
    assert talk.key.ask(SHOWN, id=first["escalation"]["id"])["escalation"]["summary"] == "One"
