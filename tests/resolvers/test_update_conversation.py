"""Changes of a conversation by its back end, and the email address that a form gives."""

from typing import Any

import pytest

from tests.support.baton_client import Workspace
from tests.support.conversation_driver import Talk

UPDATE = """mutation($i: UpdateConversationInput!) { updateConversation(input: $i) {
    metadata language customer { externalId email name verified } } }"""
STATE = """query($id: ID!) { conversation(id: $id) {
    metadata language customer { externalId email name verified } } }"""
NOTHING = {"externalId": None, "email": None, "name": None, "verified": False}


@pytest.fixture
def talk(workspace: Workspace) -> Talk:
    return Talk.begin(workspace)


def update(talk: Talk, **more: Any) -> dict[str, Any]:
    payload: dict[str, Any] = talk.key.ask(UPDATE, i={"conversationId": talk.id, **more})[
        "updateConversation"
    ]
    return payload


def state(talk: Talk) -> dict[str, Any]:
    shown: dict[str, Any] = talk.key.ask(STATE, id=talk.id)["conversation"]
    return shown


def changes(talk: Talk) -> list[str]:
    """Return the changes in the conversation's own stream and in the workspace's."""
    rows = talk.workspace.server.rows("SELECT type FROM log WHERE type LIKE '%changed' ORDER BY type")
    return [row["type"] for row in rows]


def test_given_fields_change_and_the_others_stay(talk: Talk) -> None:
    customer = {"externalId": "c-1", "email": "kim@example.com", "name": "Kim"}
    first = update(talk, customer=customer, metadata={"plan": "pro"}, language="de")
    assert first == {
        "customer": {**customer, "verified": True},
        "metadata": {"plan": "pro"},
        "language": "de",
    }
    second = update(talk, customer={"name": "Kim Doe"})
    assert second == {**first, "customer": {**customer, "name": "Kim Doe", "verified": True}}
    assert state(talk) == second


def test_null_clears_a_field(talk: Talk) -> None:
    update(talk, customer={"email": "kim@example.com", "name": "Kim"}, metadata={"a": 1}, language="de")
    cleared = update(talk, customer={"email": None}, metadata=None, language=None)
    assert cleared["customer"] == {**NOTHING, "name": "Kim", "verified": True}
    assert (cleared["metadata"], cleared["language"]) == (None, None)


def test_call_without_a_change_logs_nothing(talk: Talk) -> None:
    update(talk, customer={"name": "Kim"}, metadata={"a": 1}, language="de")
    before = changes(talk)
    update(talk, customer={"name": "Kim"}, metadata={"a": 1}, language="de")
    update(talk)
    assert changes(talk) == before


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"customer": {"email": "no address"}}, "input.customer.email"),
        ({"customer": {"name": " "}}, "input.customer.name"),
        ({"customer": {"externalId": "x" * 201}}, "input.customer.externalId"),
        ({"metadata": [1]}, "input.metadata"),
        ({"language": "not a tag"}, "input.language"),
    ],
)
def test_invalid_field_is_refused_and_nothing_changes(talk: Talk, more: dict[str, Any], field: str) -> None:
    before = update(talk, customer={"name": "Kim"}, metadata={"a": 1}, language="de")
    given = {"conversationId": talk.id, "customer": {"name": "Other"}, "language": "fr", **more}
    refused = talk.key.refusal(UPDATE, i=given)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", field)
    assert state(talk) == before


def test_form_gives_a_customer_without_one_an_unverified_email(talk: Talk) -> None:
    talk.submits(fields={"about": "x@example.com", "E-Mail": " kim@example.com "}, escalate=False)
    assert state(talk)["customer"] == {**NOTHING, "email": "kim@example.com"}
    # The back end names the customer without an address: that from the form stays in doubt.
    assert update(talk, customer={"name": "Kim"})["customer"]["verified"] is False
    assert update(talk, customer={"email": "kim@example.com"})["customer"]["verified"] is True


@pytest.mark.parametrize("fields", [{"email": "not one"}, {"email": 5}, {"mailing": "kim@example.com"}])
def test_form_without_a_valid_email_changes_no_customer(talk: Talk, fields: dict[str, Any]) -> None:
    talk.submits(fields=fields)
    assert state(talk)["customer"] == NOTHING


def test_form_does_not_replace_the_email_of_a_customer(talk: Talk) -> None:
    update(talk, customer={"email": "kim@example.com"})
    talk.submits(fields={"email": "other@example.com"})
    assert state(talk)["customer"] == {**NOTHING, "email": "kim@example.com", "verified": True}


def test_customer_named_at_the_start_is_verified(workspace: Workspace) -> None:
    started = workspace.start(customer={"name": "Kim"})["conversation"]["id"]
    shown = workspace.key.ask(STATE, id=started)["conversation"]["customer"]
    assert shown == {**NOTHING, "name": "Kim", "verified": True}
    assert workspace.key.ask(STATE, id=workspace.start()["conversation"]["id"])["conversation"][
        "customer"
    ] == (NOTHING)
