"""The list of conversations: order, count, pages in both directions, filters and searches."""

import unicodedata
from typing import Any

import pytest

from tests.support.baton_client import Server, Workspace

LIST = """query($filter: ConversationFilter, $orderBy: ConversationOrder! = CREATED_DESC, $first: Int,
        $after: String, $last: Int, $before: String) {
    conversations(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last,
            before: $before) {
        totalCount cursor nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
ESCALATIONS = """query($filter: EscalationFilter) { escalations(filter: $filter) {
    totalCount nodes { id } } }"""
COMPOSED = unicodedata.normalize("NFC", "José Ñandú")
DECOMPOSED = unicodedata.normalize("NFD", "José Ñandú")


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    return server.new_workspace()


@pytest.fixture
def agent(workspace: Workspace) -> str:
    return str(workspace.key.ask('mutation { createAgent(name: "Robot") { id } }')["createAgent"]["id"])


def start(workspace: Workspace, agent: str, **more: Any) -> str:
    return str(workspace.key.start(agent, **more)["conversation"]["id"])


def listed(workspace: Workspace, agent: str, **given: Any) -> dict[str, Any]:
    chosen = {"agentId": agent, **given.pop("filter", {})}
    page: dict[str, Any] = workspace.key.ask(LIST, filter=chosen, **given)["conversations"]
    return page


def ids(page: dict[str, Any]) -> list[str]:
    return [node["id"] for node in page["nodes"]]


def test_last_message_order_moves_a_conversation_to_the_top(workspace: Workspace, agent: str) -> None:
    first, second, third = (start(workspace, agent) for _ in range(3))
    assert ids(listed(workspace, agent, orderBy="LAST_MESSAGE_DESC")) == [third, second, first]
    workspace.key.record(first, "USER", "Hello?")
    assert ids(listed(workspace, agent, orderBy="LAST_MESSAGE_DESC")) == [first, third, second]
    assert ids(listed(workspace, agent)) == [third, second, first]
    assert ids(listed(workspace, agent, orderBy="CREATED_ASC")) == [first, second, third]


@pytest.mark.parametrize("order", ["CREATED_DESC", "CREATED_ASC", "LAST_MESSAGE_DESC"])
def test_pages_in_both_directions_have_each_row_once(workspace: Workspace, agent: str, order: str) -> None:
    started = [start(workspace, agent) for _ in range(5)]
    for conversation in (started[3], started[0]):
        workspace.key.record(conversation, "USER", "Hello?")
    whole = ids(listed(workspace, agent, orderBy=order))
    assert sorted(whole) == sorted(started)
    forward: list[str] = []
    backward: list[str] = []
    after, before = None, None
    for _ in range(3):
        page = listed(workspace, agent, orderBy=order, first=2, after=after)
        assert page["totalCount"] == 5
        forward += ids(page)
        after = page["pageInfo"]["endCursor"]
        page = listed(workspace, agent, orderBy=order, last=2, before=before)
        backward = ids(page) + backward
        before = page["pageInfo"]["startCursor"]
    assert forward == backward == whole
    assert page["pageInfo"]["hasPreviousPage"] is False


def test_cursor_of_another_order_is_refused(workspace: Workspace, agent: str) -> None:
    start(workspace, agent)
    after = listed(workspace, agent, first=1)["pageInfo"]["endCursor"]
    refused = workspace.key.refusal(LIST, orderBy="LAST_MESSAGE_DESC", after=after)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "after")


def test_external_id_filter_finds_the_customer_only(workspace: Workspace, agent: str) -> None:
    wanted = start(workspace, agent, customer={"externalId": "customer-4711"})
    start(workspace, agent, customer={"externalId": "customer-47110"})
    start(workspace, agent)
    page = listed(workspace, agent, filter={"customerExternalId": "customer-4711"})
    assert (ids(page), page["totalCount"]) == ([wanted], 1)
    assert ids(listed(workspace, agent, filter={"customerExternalId": ""})) == []


def test_external_ids_that_differ_in_case_are_of_two_customers(workspace: Workspace, agent: str) -> None:
    lower, upper = (start(workspace, agent, customer={"externalId": given}) for given in ("aB1", "AB1"))
    for given, wanted in (("aB1", [lower]), ("AB1", [upper]), ("ab1", [])):
        page = listed(workspace, agent, filter={"customerExternalId": given})
        assert (ids(page), page["totalCount"]) == (wanted, len(wanted))


def test_escalated_filter_finds_conversations_with_an_escalation_of_any_status(
    workspace: Workspace, agent: str
) -> None:
    never, active, resolved = (start(workspace, agent) for _ in range(3))
    for conversation in (active, resolved):
        workspace.key.escalate(conversation)
    workspace.key.resolve(workspace.key.conversation(resolved)["escalations"]["nodes"][0]["id"])
    assert ids(listed(workspace, agent, filter={"escalated": True})) == [resolved, active]
    assert ids(listed(workspace, agent, filter={"escalated": False})) == [never]


def test_search_finds_words_in_any_spelling_and_ids(workspace: Workspace, agent: str) -> None:
    composed = start(workspace, agent, customer={"name": COMPOSED, "externalId": "c_100%"})
    decomposed = start(workspace, agent, customer={"name": DECOMPOSED})
    written = start(workspace, agent)
    message = workspace.key.record(written, "USER", f"My name is {DECOMPOSED.upper()}, ﬁne")["message"]["id"]
    other = start(workspace, agent, customer={"name": "Jose"})
    escalation = workspace.key.escalate(other)["escalation"]["id"]

    def ids_of(search: str) -> set[str]:
        return set(ids(listed(workspace, agent, filter={"search": search})))

    every = {composed, decomposed, written}
    assert ids_of(COMPOSED) == ids_of(DECOMPOSED) == ids_of("ñandú josé") == every
    assert ids_of("FINE") == {written}
    assert ids_of("jose") == {other}
    assert ids_of("C_100%") == {composed}
    assert ids_of("%") == set()
    assert ids_of(message) == ids_of(written) == {written}
    assert ids_of(escalation) == {other}
    assert ids_of("esc_00000000000000000000000000") == set()


def test_email_filter_ignores_case_and_composition(workspace: Workspace, agent: str) -> None:
    stored = unicodedata.normalize("NFD", "josé@exämple.com")
    wanted = start(workspace, agent, customer={"email": stored})
    for spelling in ("NFC", "NFD"):
        email = unicodedata.normalize(spelling, "JOSÉ@exämple.com")
        assert ids(listed(workspace, agent, filter={"customerEmail": email})) == [wanted]


def test_search_of_escalations_finds_ids_summary_and_any_spelling(workspace: Workspace, agent: str) -> None:
    customer = {"name": DECOMPOSED, "externalId": "customer-815"}
    conversation = start(workspace, agent, customer=customer)
    message = workspace.key.record(conversation, "USER", "Hello?")["message"]["id"]
    escalation = workspace.key.escalate(conversation, summary="Wants a refund")["escalation"]["id"]
    workspace.key.escalate(start(workspace, agent))
    for search in (COMPOSED, DECOMPOSED, "customer-815", "REFUND", conversation, message, escalation):
        page = workspace.key.ask(ESCALATIONS, filter={"agentId": agent, "search": search})["escalations"]
        assert page == {"totalCount": 1, "nodes": [{"id": escalation}]}, search


def test_members_are_looked_up_in_any_spelling_of_their_email(workspace: Workspace, agent: str) -> None:
    stored = unicodedata.normalize("NFD", "josé@example.com")
    workspace.member(stored)
    composed = unicodedata.normalize("NFC", "JOSÉ@example.com")
    assert workspace.sign_in(composed).ask("{ viewer { member { email } } }")["viewer"]["member"]["email"]
    raised = workspace.key.escalate(start(workspace, agent), assignTo=composed)
    assert raised["escalation"]["assignee"]["email"] == stored
    again = """mutation($input: CreateMemberInput!) { createMember(input: $input) { member { id } } }"""
    given = {"email": composed, "name": "José", "role": "AGENT"}
    assert workspace.key.refusal(again, input=given).code == "CONFLICT"
