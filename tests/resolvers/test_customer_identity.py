"""Signed identities over the API: what they open, what they change, and what a forged one does not change."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from rules.typeid import AGENT, CONVERSATION, WORKSPACE, parse_id
from tests.support.baton_client import Caller, Workspace
from tests.support.callers import everything_kept, mint_widget_token
from tests.support.widget_pages import DAY, Page, allow, claims_of, rotate, signed

IDENTIFY = """mutation($id: ID!, $identity: String!) {
    identifyCustomer(conversationId: $id, identity: $identity) {
    id customer { externalId email name verified } } }"""
CUSTOMER = "query($id: ID!) { conversation(id: $id) { customer { externalId email name verified } } }"


@pytest.fixture
def secret(workspace: Workspace) -> str:
    """The identity secret of the workspace's AI agent, whose pages need an identity."""
    allow(workspace, anonymous=False)
    return rotate(workspace)


def identity(workspace: Workspace, secret: str, subject: str = "customer-7", **more: Any) -> str:
    return signed(claims_of(workspace.agent_id, subject, **more), secret)


def customer_of(workspace: Workspace, conversation: str) -> dict[str, Any]:
    customer: dict[str, Any] = workspace.key.ask(CUSTOMER, id=conversation)["conversation"]["customer"]
    return customer


def kept(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the workspace's conversations and streams, which a refused call must not change."""
    workspace_id = parse_id(WORKSPACE, workspace.id)
    return [
        *workspace.server.rows(
            "SELECT * FROM conversations WHERE workspace_id = $1 ORDER BY id", workspace_id
        ),
        *workspace.server.rows(
            """SELECT * FROM streams WHERE id = $1
            OR id IN (SELECT id FROM conversations WHERE workspace_id = $1) ORDER BY id""",
            workspace_id,
        ),
    ]


def test_identity_opens_a_verified_conversation(workspace: Workspace, secret: str) -> None:
    token = identity(workspace, secret, email="jo@example.com", name="Jo")
    # The signature covers no words of the page, so they are dropped.
    opened = Page.of(workspace).open(
        identity=token, customer={"email": "boss@example.com", "externalId": "1"}
    )
    assert opened["conversation"]["customer"] == {
        "externalId": "customer-7",
        "email": "jo@example.com",
        "name": "Jo",
        "verified": True,
    }


def test_same_subject_gets_the_same_conversation_on_every_device(workspace: Workspace, secret: str) -> None:
    phone, desk, other = Page.of(workspace), Page.of(workspace), Page.of(workspace)
    first = phone.open(identity=identity(workspace, secret, email="old@example.com", name="Jo"))
    phone.customer(first).record(first["conversation"]["id"], "USER", "From the phone")
    second = desk.open(identity=identity(workspace, secret, email="new@example.com"), language="de")
    conversation = second["conversation"]
    assert conversation["id"] == first["conversation"]["id"]
    assert [message["content"] for message in conversation["messages"]["nodes"]] == ["From the phone"]
    assert conversation["language"] == "de"
    # What was signed later replaces what was signed before, and only that.
    assert (conversation["customer"]["email"], conversation["customer"]["name"]) == ("new@example.com", "Jo")
    stranger = other.open(identity=identity(workspace, secret, "customer-8"))
    assert stranger["conversation"]["id"] != conversation["id"]


def test_concurrent_devices_get_one_conversation(workspace: Workspace, secret: str) -> None:
    pages = [Page.of(workspace) for _ in range(12)]
    tokens = [identity(workspace, secret, email=f"{number}@example.com") for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        opened = list(pool.map(lambda page, token: page.open(identity=token), pages, tokens))
    assert len({payload["conversation"]["id"] for payload in opened}) == 1
    assert len(kept_conversations(workspace)) == 1


def kept_conversations(workspace: Workspace) -> list[dict[str, Any]]:
    query = "SELECT * FROM conversations WHERE workspace_id = $1"
    return workspace.server.rows(query, parse_id(WORKSPACE, workspace.id))


def test_resuming_is_no_start(workspace: Workspace, secret: str) -> None:
    page = Page.of(workspace)
    opened = {page.open(identity=identity(workspace, secret))["conversation"]["id"] for _ in range(12)}
    assert len(opened) == 1


def test_subject_of_another_agent_has_a_conversation_of_its_own(workspace: Workspace, secret: str) -> None:
    agent = str(workspace.key.ask('mutation { createAgent(name: "B") { id } }')["createAgent"]["id"])
    workspace.key.settings(agent, widget={"allowedOrigins": ["https://shop.example"]})
    own = rotate(workspace, agent)
    page = Page.of(workspace, agent_id=agent)
    first = Page.of(workspace).open(identity=identity(workspace, secret))
    second = page.open(identity=signed(claims_of(agent), own))
    assert first["conversation"]["id"] != second["conversation"]["id"]
    for token in (identity(workspace, secret), signed(claims_of(agent), secret)):
        assert page.refused(identity=token)["extensions"]["code"] == "UNAUTHENTICATED"


def forged(workspace: Workspace, secret: str, other: str) -> dict[str, str]:
    good = claims_of(workspace.agent_id)
    return {
        "alg none": signed(good, secret, {"alg": "none"}),
        "RS256 with the secret": signed(good, secret, {"alg": "RS256"}),
        "no aud": signed(claims_of(workspace.agent_id, aud=None), secret),
        "foreign aud": signed(claims_of("agt_01h455vb4pex5vsknk084sn02q"), secret),
        "no sub": signed(claims_of(workspace.agent_id, sub=None), secret),
        "no exp": signed(claims_of(workspace.agent_id, exp=None), secret),
        "expired": signed(claims_of(workspace.agent_id, exp=int(time.time()) - 1), secret),
        "far exp": signed(claims_of(workspace.agent_id, exp=int(time.time()) + DAY + 300), secret),
        "wrong signature": signed(good, secret + "x"),
        "secret of another agent": signed(good, other),
        "widget token": "baton_wt_" + "A" * 70,
        "empty": "",
        "NUL": "\0",
    }


def test_forged_identity_is_refused_and_changes_nothing(
    workspace: Workspace, other: Workspace, secret: str
) -> None:
    allow(workspace, anonymous=True)
    tokens = forged(workspace, secret, rotate(other))
    page = Page.of(workspace)
    opened = page.open(customer={"name": "Jo"})
    customer, conversation = page.customer(opened), opened["conversation"]["id"]
    before = kept(workspace)
    for name, token in tokens.items():
        # Not even as an anonymous visitor, which the settings would allow.
        assert page.refused(identity=token)["extensions"] == {"code": "UNAUTHENTICATED"}, name
        refusal = customer.refusal(IDENTIFY, id=conversation, identity=token)
        assert refusal.code == "UNAUTHENTICATED", name
    # Longer than any token: refused before it is read.
    assert page.refused(identity="a" * 100_000)["extensions"]["code"] == "BAD_USER_INPUT"
    assert customer.refusal(IDENTIFY, id=conversation, identity="a" * 100_000).code == "BAD_USER_INPUT"
    assert kept(workspace) == before


def test_identity_without_any_secret_is_refused(workspace: Workspace) -> None:
    allow(workspace)
    error = Page.of(workspace).refused(identity=identity(workspace, ""))
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert "rotateIdentitySecret" in error["message"]


def test_two_secrets_are_valid_until_a_day_after_the_rotation(workspace: Workspace, secret: str) -> None:
    second = rotate(workspace)
    page = Page.of(workspace)
    for valid in (secret, second):
        page.open(identity=identity(workspace, valid))
    third = rotate(workspace)
    refused = page.refused(identity=identity(workspace, secret))
    assert refused["extensions"]["code"] == "UNAUTHENTICATED"
    for valid in (second, third):
        page.open(identity=identity(workspace, valid))
    age = """UPDATE identity_secrets SET previous_expires_at = previous_expires_at - interval '24 hours'
        WHERE agent_id = $1"""
    workspace.server.execute(age, parse_id(AGENT, workspace.agent_id))
    assert page.refused(identity=identity(workspace, second))["extensions"]["code"] == "UNAUTHENTICATED"
    page.open(identity=identity(workspace, third))


def test_concurrent_rotations_leave_two_valid_secrets(workspace: Workspace, secret: str) -> None:
    with ThreadPoolExecutor(5) as pool:
        made = list(pool.map(lambda _: rotate(workspace), range(5)))
    assert len({secret, *made}) == 6
    page = Page.of(workspace)
    answers = [
        page.post(
            "mutation($i: OpenConversationInput!) { openConversation(input: $i) { widgetToken } }",
            {"i": {"agentId": workspace.agent_id, "identity": identity(workspace, each)}},
        )
        for each in (secret, *made)
    ]
    assert sum("errors" not in answer for answer in answers) == 2


def test_secret_is_sealed_at_rest(workspace: Workspace, secret: str) -> None:
    assert secret.startswith("baton_is_")
    stored = everything_kept(workspace.server)
    assert secret not in stored
    assert secret.removeprefix("baton_is_") not in stored


def test_secret_is_for_admins(workspace: Workspace, secret: str) -> None:
    query = "mutation($id: ID!) { rotateIdentitySecret(agentId: $id) { secret } }"
    agent = workspace.member("anna@example.com")
    assert agent.refusal(query, id=workspace.agent_id).code == "FORBIDDEN"
    assert workspace.key_with("SETTINGS_WRITE").refusal(query, id=workspace.agent_id).code == "FORBIDDEN"
    Page.of(workspace).open(identity=identity(workspace, secret))


# ---- identifyCustomer


@pytest.fixture
def visit(workspace: Workspace, secret: str) -> tuple[Page, str]:
    """A conversation of an anonymous visitor: its page with the token, and its id."""
    allow(workspace, anonymous=True)
    page = Page.of(workspace)
    opened = page.open(customer={"externalId": "9", "email": "said@example.com", "name": "Said"})
    return page.customer(opened), opened["conversation"]["id"]


def test_signed_in_visitor_keeps_the_conversation(
    workspace: Workspace, secret: str, visit: tuple[Page, str]
) -> None:
    customer, conversation = visit
    token = identity(workspace, secret, name="Jo")
    named = {"externalId": "customer-7", "email": None, "name": "Jo", "verified": True}
    answer = customer.ask(IDENTIFY, id=conversation, identity=token)["identifyCustomer"]
    # The page's own words are gone: otherwise its email would count as verified.
    assert answer == {"id": conversation, "customer": named}
    assert customer.ask(IDENTIFY, id=conversation, identity=token)["identifyCustomer"] == answer
    assert customer_of(workspace, conversation) == named
    assert Page.of(workspace).open(identity=token)["conversation"]["id"] == conversation


def test_conversation_of_another_identity_is_a_conflict(
    workspace: Workspace, secret: str, visit: tuple[Page, str]
) -> None:
    customer, conversation = visit
    customer.ask(IDENTIFY, id=conversation, identity=identity(workspace, secret))
    before = kept(workspace)
    other = identity(workspace, secret, "customer-8")
    assert customer.refusal(IDENTIFY, id=conversation, identity=other).code == "CONFLICT"
    assert kept(workspace) == before


def test_identity_resumes_the_conversation_that_it_was_last_proven_in(
    workspace: Workspace, secret: str, visit: tuple[Page, str]
) -> None:
    customer, conversation = visit
    token = identity(workspace, secret)
    phone = Page.of(workspace)
    earlier = phone.open(identity=token)
    customer.ask(IDENTIFY, id=conversation, identity=token)
    assert phone.open(identity=token)["conversation"]["id"] == conversation
    # The earlier one stays open to its own device, and belongs to the same customer.
    old = phone.customer(earlier)
    old.record(earlier["conversation"]["id"], "USER", "Still here")
    refused = old.refusal(
        IDENTIFY, id=earlier["conversation"]["id"], identity=identity(workspace, secret, "customer-8")
    )
    assert refused.code == "CONFLICT"


def test_concurrent_proofs_in_two_conversations_leave_one_that_is_resumed(
    workspace: Workspace, secret: str
) -> None:
    allow(workspace, anonymous=True)
    pages = [Page.of(workspace) for _ in range(4)]
    opened = [page.open() for page in pages]
    token = identity(workspace, secret)

    def prove(number: int) -> None:
        page, payload = pages[number % 4], opened[number % 4]
        page.customer(payload).ask(IDENTIFY, id=payload["conversation"]["id"], identity=token)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(prove, range(16)))
    subjects = [row["customer_subject"] for row in kept_conversations(workspace)]
    assert sorted(subjects, key=str) == [None, None, None, "customer-7"]


def test_customer_whom_the_back_end_named_keeps_what_it_said(workspace: Workspace, secret: str) -> None:
    started = workspace.start(customer={"externalId": "customer-7", "email": "jo@example.com"})
    customer, conversation = workspace.widget(started), started["conversation"]["id"]
    assert customer_of(workspace, conversation)["verified"] is True
    other = identity(workspace, secret, "customer-8")
    assert customer.refusal(IDENTIFY, id=conversation, identity=other).code == "CONFLICT"
    customer.ask(IDENTIFY, id=conversation, identity=identity(workspace, secret, name="Jo"))
    named = {"externalId": "customer-7", "email": "jo@example.com", "name": "Jo", "verified": True}
    assert customer_of(workspace, conversation) == named


def test_nameless_customer_of_the_back_end_is_not_verified(workspace: Workspace) -> None:
    assert customer_of(workspace, workspace.start()["conversation"]["id"])["verified"] is False


def test_identity_is_for_the_own_conversation_and_a_valid_token(
    workspace: Workspace, secret: str, visit: tuple[Page, str]
) -> None:
    customer, conversation = visit
    token = identity(workspace, secret)
    elsewhere = workspace.start()
    before = kept(workspace)
    assert customer.refusal(IDENTIFY, id=elsewhere["conversation"]["id"], identity=token).code == "NOT_FOUND"
    expired = Caller(customer.url, mint_widget_token(workspace.server, conversation, timedelta(hours=2)))
    assert expired.refusal(IDENTIFY, id=conversation, identity=token).code == "UNAUTHENTICATED"
    assert workspace.nobody.refusal(IDENTIFY, id=conversation, identity=token).code == "UNAUTHENTICATED"
    assert (
        workspace.member("vera@example.com", "VIEWER").refusal(IDENTIFY, id=conversation, identity=token).code
        == "FORBIDDEN"
    )
    assert kept(workspace) == before


def test_change_of_the_customer_is_logged_once(
    workspace: Workspace, secret: str, visit: tuple[Page, str]
) -> None:
    customer, conversation = visit
    for _ in range(2):
        customer.ask(IDENTIFY, id=conversation, identity=identity(workspace, secret))
    logged = "SELECT type FROM log WHERE stream = $1 ORDER BY position"
    types = [row["type"] for row in workspace.server.rows(logged, parse_id(CONVERSATION, conversation))]
    assert types == ["conversation.customer_changed"]


def test_email_of_a_form_does_not_release_the_conversation(workspace: Workspace, secret: str) -> None:
    page = Page.of(workspace)
    opened = page.open(identity=identity(workspace, secret))
    customer, conversation = page.customer(opened), opened["conversation"]["id"]
    form = "mutation($i: SubmitFormInput!) { submitForm(input: $i) { created } }"
    fields = {"email": "typed@example.com"}
    customer.ask(form, i={"conversationId": conversation, "form": "contact", "fields": fields})
    # Anybody can write any address into a form.
    assert customer_of(workspace, conversation)["verified"] is False
    other = identity(workspace, secret, "customer-8")
    assert customer.refusal(IDENTIFY, id=conversation, identity=other).code == "CONFLICT"
    again = Page.of(workspace).open(identity=identity(workspace, secret))["conversation"]
    assert (again["id"], again["customer"]["verified"]) == (conversation, True)
