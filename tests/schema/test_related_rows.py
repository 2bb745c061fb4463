"""Related rows of nodes: the same in a page and in a single query, and current after each mutation."""

import asyncio
from typing import Any

import pytest

from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import Caller, Refused, Socket, Workspace
from tests.support.conversation_driver import Talk
from tests.support.open_subscriptions import all_begun

PEOPLE = "fragment People on Escalation { assignee { id name email } resolution { resolvedBy { name } } }"
TALK = """fragment Talk on Conversation { id customer { name } agent { id }
    activeEscalation { ...People status } messages(last: 5) { nodes { content author { email } } } }"""
NODE = """fragment Node on Escalation { id ...People agent { id name } by: conversation { ...Talk }
    timeline(first: 50) { nodes { kind actor { email } } } }"""
PAGE = (
    "query { escalations(first: 10) { edges { node { ...Node } } nodes { ...Node } } }" + NODE + TALK + PEOPLE
)
ONE = "query($id: ID!) { escalation(id: $id) { ...Node } }" + NODE + TALK + PEOPLE
TALKS = "query { conversations { nodes { ...Talk } } }" + TALK + PEOPLE
ONE_TALK = "query($id: ID!) { conversation(id: $id) { ...Talk } }" + TALK + PEOPLE


@pytest.fixture
def people(workspace: Workspace) -> tuple[Caller, Caller]:
    """Two team members."""
    return workspace.member("bo@example.com"), workspace.member("cy@example.com")


@pytest.fixture
def talks(workspace: Workspace, people: tuple[Caller, Caller]) -> list[Talk]:
    """Conversations whose escalations are unassigned, taken up, resolved, and raised once more."""
    bo, cy = people
    begun = [Talk.begin(workspace) for _ in range(4)]
    raised = [workspace.key.escalate(talk.id)["escalation"]["id"] for talk in begun]
    bo.reply(raised[1])
    cy.reply(raised[2])
    bo.resolve(raised[2])
    cy.reply(raised[3])
    cy.resolve(raised[3])
    bo.reply(workspace.key.escalate(begun[3].id)["escalation"]["id"], "Bo again.")
    return begun


@pytest.mark.usefixtures("talks")
def test_node_in_a_page_equals_the_node_by_id(workspace: Workspace, people: tuple[Caller, Caller]) -> None:
    for caller in (workspace.key, *people):
        page = caller.ask(PAGE)["escalations"]
        alone = [caller.ask(ONE, id=node["id"])["escalation"] for node in page["nodes"]]
        assert page["nodes"] == [edge["node"] for edge in page["edges"]] == alone
    assert [(node["assignee"] or {}).get("name") for node in page["nodes"]] == ["bo", "cy", "cy", "bo", None]
    resolved = [(node["resolution"] or {}).get("resolvedBy") for node in page["nodes"]]
    assert resolved == [None, {"name": "cy"}, {"name": "bo"}, None, None]


def test_conversation_in_a_page_equals_the_conversation_by_id(
    workspace: Workspace, talks: list[Talk]
) -> None:
    nodes = workspace.key.ask(TALKS)["conversations"]["nodes"]
    assert nodes == [workspace.key.ask(ONE_TALK, id=node["id"])["conversation"] for node in nodes]
    active = {node["id"]: (node["activeEscalation"] or {}).get("status") for node in nodes}
    assert [active[talk.id] for talk in talks] == ["OPEN", "IN_PROGRESS", None, "IN_PROGRESS"]


def test_page_for_a_customer_shows_names_only(talks: list[Talk]) -> None:
    query = "query($id: ID!) { conversation(id: $id) { escalations { nodes { %s } } } }"
    conversation = talks[3].widget.ask(query % "assignee { name email }", id=talks[3].id)["conversation"]
    assert conversation["escalations"]["nodes"] == [
        {"assignee": {"name": "bo", "email": None}},
        {"assignee": {"name": "cy", "email": None}},
    ]
    for hidden in ("agent { name }", "conversation { id }"):
        assert talks[3].widget.refusal(query % hidden, id=talks[3].id).code == "FORBIDDEN"


def test_each_of_several_mutations_shows_its_own_change(workspace: Workspace) -> None:
    """Rows that were loaded for one mutation are loaded again for the next."""
    talk = Talk.begin(workspace)
    acts = """mutation($id: ID!, $said: RecordMessageInput!, $asked: EscalateConversationInput!) {
        paused: pauseAi(conversationId: $id) { ...After } resumed: resumeAi(conversationId: $id) { ...After }
        said: recordMessage(input: $said) { escalation { id } }
        escalated: escalateConversation(input: $asked) { escalation { conversation { ...Talk } } }
        again: recordMessage(input: $said) { escalation { conversation { ...Talk } } } }
        fragment After on AiControlPayload { conversation { ...Talk } }
        fragment Talk on Conversation { ai { state epoch } activeEscalation { status } }"""
    said = {"conversationId": talk.id, "role": "USER", "content": "Hello?"}
    result = workspace.key.ask(
        acts, id=talk.id, said=said, asked={"conversationId": talk.id, "reason": "asked"}
    )
    assert [result[name]["conversation"] for name in ("paused", "resumed")] == [
        _stands("PAUSED", 2),
        _stands("ACTIVE", 3),
    ]
    assert result["said"]["escalation"] is None
    escalated = _stands("PAUSED", 4, {"status": "OPEN"})
    assert [result[name]["escalation"]["conversation"] for name in ("escalated", "again")] == [escalated] * 2


def _stands(state: str, epoch: int, active: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"ai": {"state": state, "epoch": epoch}, "activeEscalation": active}


FAILING = """query($id: ID!) { conversations { nodes { agent { name }
        activeEscalation { agent { name } assignee { name } timeline(first: -1) { nodes { kind } } } } }
    one: conversation(id: $id) { agent { name } activeEscalation { assignee { name } } } }"""


def test_failed_field_keeps_the_others(workspace: Workspace, talks: list[Talk]) -> None:
    """Other fields wait for the same rows and are not cancelled with it."""
    for talk in talks:
        answer = workspace.key.post(FAILING, {"id": talk.id})
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}
        assert answer["data"] is None or answer["data"]["one"]["agent"]["name"] == "Robot"


@pytest.mark.anyio
async def test_failed_field_leaves_the_socket_open(workspace: Workspace, talks: list[Talk]) -> None:
    async with workspace.key.socket() as socket:
        for talk in talks:
            id_ = await socket.subscribe(FAILING, id=talk.id)
            assert await _code(socket, id_) == "BAD_USER_INPUT"


@pytest.mark.anyio
async def test_failed_field_does_not_end_a_subscription(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    query = """subscription($id: ID!) { messageAdded(conversationId: $id) { message {
        author { name } conversationId } cursor } }"""
    failing = """subscription { escalationUpdated { kind escalation { agent { name } assignee { name }
        conversation { agent { name } activeEscalation { agent { name }
            timeline(first: -1) { nodes { kind } } } } } } }"""
    async with workspace.key.socket() as socket:
        async with all_begun(workspace.server, 2):
            sound, broken = await socket.subscribe(query, id=talk.id), await socket.subscribe(failing)
        escalation = (await asyncio.to_thread(workspace.key.escalate, talk.id))["escalation"]["id"]
        for number in range(8):
            await asyncio.to_thread(workspace.key.reply, escalation, f"reply {number}")
        codes = [await _code(socket, broken) for _ in range(9)]
        assert codes == ["BAD_USER_INPUT"] * 9
        for _ in range(9):
            assert (await socket.next(sound))["messageAdded"]["message"]["conversationId"] == talk.id


async def _code(socket: Socket, id_: str) -> str:
    with pytest.raises(Refused) as refused:
        await socket.next(id_)
    return refused.value.code


def test_pages_with_more_text_than_a_reply_are_refused_before_they_are_read(workspace: Workspace) -> None:
    begun = [Talk.begin(workspace) for _ in range(10)]
    workspace.server.execute(
        """INSERT INTO messages (id, conversation_id, position, role, status, content, intents, created_at)
        SELECT gen_random_uuid(), conversation_id, 1000 + place, 'USER', 'DELIVERED',
            repeat('x', 20000), '{}', now()
        FROM unnest($1::uuid[]) conversation_id, generate_series(1, 50) place""",
        [parse_id(CONVERSATION, talk.id) for talk in begun],
    )
    page = "{{ conversations {{ nodes {{ messages(last: {}) {{ nodes {{ id }} }} }} }} }}"
    refused = workspace.key.refusal(page.format(50))
    assert refused.code == "QUERY_TOO_COMPLEX"
    assert "Ask for smaller pages" in str(refused)
    nodes = workspace.key.ask(page.format(30))["conversations"]["nodes"]
    assert [len(node["messages"]["nodes"]) for node in nodes] == [30] * 10
