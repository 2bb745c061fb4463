"""Team members who take over: what the customer reads, and what one reply does."""

import asyncio
from typing import Any

import pytest

from tests.support.baton_client import Caller, Server, Workspace
from tests.support.conversation_driver import CONFIRMATION, HANDED_BACK, TAKING_OVER, Talk
from tests.support.locks import Contender, Scene, outcomes, send

REPLY = """mutation($i: ReplyToConversationInput!) { replyToConversation(input: $i) {
    message { id role status content author { email } }
    escalation { id status trigger reason version assignee { email } sla { outcome metAt } } } }"""
PAUSE = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { ai { epoch } } } }"
TEXTS = "query($id: ID!) { conversation(id: $id) { messages { nodes { role kind content } } } }"
SETTINGS = """mutation($i: UpdateEscalationSettingsInput!) {
    updateEscalationSettings(input: $i) { settings { version } } }"""


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    return server.new_workspace()


@pytest.fixture(scope="module")
def ada(workspace: Workspace) -> Caller:
    return workspace.member("ada@example.com")


def reply(member: Caller, talk: Talk, content: str = "Ada here.", **more: Any) -> dict[str, Any]:
    given = {"conversationId": talk.id, "content": content, **more}
    payload: dict[str, Any] = member.ask(REPLY, i=given)["replyToConversation"]
    return payload


def texts(talk: Talk) -> list[tuple[str | None, str]]:
    """Return the kinds and contents of the messages, as the customer reads them."""
    nodes = talk.widget.ask(TEXTS, id=talk.id)["conversation"]["messages"]["nodes"]
    return [(node["kind"], node["content"]) for node in nodes]


def test_escalation_by_a_member_posts_the_take_over_text_only(workspace: Workspace, ada: Caller) -> None:
    talk = Talk.begin(workspace)
    raised = ada.escalate(talk.id, "a VIP")
    assert raised["confirmationMessage"] == TAKING_OVER
    assert raised["escalation"]["assignee"] == {"email": "ada@example.com"}
    assert texts(talk) == [("TAKEN_OVER", TAKING_OVER)]


def test_escalation_by_a_member_after_a_pause_posts_nothing_more(workspace: Workspace, ada: Caller) -> None:
    talk = Talk.begin(workspace)
    ada.ask(PAUSE, id=talk.id)
    ada.escalate(talk.id)
    assert texts(talk) == [("TAKEN_OVER", TAKING_OVER)]


def test_request_of_the_customer_after_a_pause_is_confirmed(workspace: Workspace, ada: Caller) -> None:
    talk = Talk.begin(workspace)
    ada.ask(PAUSE, id=talk.id)
    talk.presses()
    assert texts(talk) == [("TAKEN_OVER", TAKING_OVER), ("CONFIRMATION", CONFIRMATION)]


def test_reply_to_a_conversation_takes_it_over(workspace: Workspace, ada: Caller) -> None:
    talk = Talk.begin(workspace)
    talk.says("Where is my order?")
    payload = reply(ada, talk)
    assert payload["message"] | {"id": ""} == {
        "id": "",
        "role": "HUMAN",
        "status": "DELIVERED",
        "content": "Ada here.",
        "author": {"email": "ada@example.com"},
    }
    escalation = payload["escalation"]
    assert escalation["status"] == "IN_PROGRESS"
    assert escalation["trigger"] == "TEAM_MEMBER"
    assert escalation["assignee"] == {"email": "ada@example.com"}
    assert escalation["sla"]["outcome"] == "MET"
    assert escalation["sla"]["metAt"]
    assert talk.state["ai"]["state"] == "PAUSED"
    assert texts(talk)[1:] == [("TAKEN_OVER", TAKING_OVER), (None, "Ada here.")]
    assert [entry["kind"] for entry in talk.escalation["timeline"]["nodes"]] == [
        "created",
        "ai_paused",
        "replied",
        "status_changed",
    ]


def test_reply_to_a_conversation_hands_back_by_the_policy(workspace: Workspace, ada: Caller) -> None:
    talk = Talk.begin(workspace, ai={"resumeOn": "HUMAN_REPLY"})
    reply(ada, talk)
    assert talk.state["ai"]["state"] == "ACTIVE"
    assert texts(talk) == [
        ("TAKEN_OVER", TAKING_OVER),
        (None, "Ada here."),
        ("HANDED_BACK", HANDED_BACK),
    ]


def test_reply_to_an_escalated_conversation_joins_its_escalation(workspace: Workspace, ada: Caller) -> None:
    talk = Talk.begin(workspace)
    talk.presses()
    payload = reply(ada, talk)
    assert payload["escalation"]["id"] == talk.escalation["id"]
    assert payload["escalation"]["trigger"] == "BUTTON"
    assert [trigger["trigger"] for trigger in talk.escalation["triggers"]] == ["BUTTON"]


def test_repeated_reply_to_a_conversation_is_sent_once(workspace: Workspace, ada: Caller) -> None:
    talk = Talk.begin(workspace)
    first, second = (reply(ada, talk, idempotencyKey="once") for _ in range(2))
    assert second["message"]["id"] == first["message"]["id"]
    assert second["escalation"]["id"] == first["escalation"]["id"]
    assert [text for kind, text in texts(talk) if kind is None] == ["Ada here."]


def test_api_key_cannot_take_over_by_a_reply(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    given = {"conversationId": talk.id, "content": "A robot."}
    assert workspace.key.refusal(REPLY, i=given).code == "FORBIDDEN"
    assert talk.silent


@pytest.mark.anyio
async def test_two_replies_at_the_same_time_raise_one_escalation(workspace: Workspace, ada: Caller) -> None:
    scene = Scene.of(workspace)
    bob = workspace.member("bob@example.com")
    members = [Contender(workspace.server.url, member.token) for member in (ada, bob)]
    given = {"conversationId": scene.conversation, "content": "Here."}
    async with scene.locked() as lock:
        calls = [send(member.ask, REPLY, i=given) for member in members]
        await lock.queued(2)
    answers = [answer["replyToConversation"] for answer in await outcomes(*calls)]
    assert len({answer["escalation"]["id"] for answer in answers}) == 1
    stored = workspace.key.escalation(answers[0]["escalation"]["id"])
    assert len(stored["triggers"]) == 1
    assert [entry["kind"] for entry in stored["timeline"]["nodes"]].count("replied") == 2
    assert stored["assignee"]["email"] in {"ada@example.com", "bob@example.com"}


@pytest.mark.anyio
async def test_reply_and_button_at_the_same_time_raise_one_escalation(
    workspace: Workspace, ada: Caller
) -> None:
    scene = Scene.of(workspace)
    member = Contender(workspace.server.url, ada.token)
    given = {"conversationId": scene.conversation, "content": "Here."}
    async with scene.locked() as lock:
        calls = await lock.in_order(
            lambda: scene.widget.press(scene.conversation), lambda: member.ask(REPLY, i=given)
        )
    raised, replied = await asyncio.gather(*calls)
    assert replied["replyToConversation"]["escalation"]["id"] == raised["escalation"]["id"]


# ---- the texts


def test_texts_of_a_change_of_control_can_be_set(workspace: Workspace) -> None:
    widget = {"takenOverMessage": "A colleague is here now.", "handedBackMessage": "The robot is back."}
    talk = Talk.begin(workspace, widget=widget)
    for query in (PAUSE, PAUSE.replace("pauseAi", "resumeAi")):
        talk.key.ask(query, id=talk.id)
    assert texts(talk) == [
        ("TAKEN_OVER", "A colleague is here now."),
        ("HANDED_BACK", "The robot is back."),
    ]


@pytest.mark.parametrize("blank", ["", " \u200b "])
def test_blank_text_of_a_change_of_control_posts_nothing(workspace: Workspace, blank: str) -> None:
    talk = Talk.begin(workspace, widget={"takenOverMessage": blank, "handedBackMessage": blank})
    for query in (PAUSE, PAUSE.replace("pauseAi", "resumeAi")):
        talk.key.ask(query, id=talk.id)
    assert texts(talk) == []
    assert talk.state["ai"] == {"state": "ACTIVE", "epoch": 3, "pausedBy": None, "pausedAt": None}


GERMAN = {
    "language": "de",
    "buttonText": "Mit einem Menschen sprechen",
    "confirmationMessage": "Wir melden uns in {response_time}.",
    "takenOverMessage": "Wir übernehmen.",
    "handedBackMessage": "",
}


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de-AT", [("CONFIRMATION", "Wir melden uns in 2 Stunden.")]),
        ("fr", [("CONFIRMATION", CONFIRMATION), ("HANDED_BACK", HANDED_BACK)]),
        (None, [("CONFIRMATION", CONFIRMATION), ("HANDED_BACK", HANDED_BACK)]),
    ],
)
def test_texts_are_in_the_language_of_the_conversation(
    workspace: Workspace, language: str | None, expected: list[tuple[str, str]]
) -> None:
    agent = Talk.begin(workspace, widget={"texts": [GERMAN]}).agent_id
    talk = Talk(workspace, agent, workspace.key.start(agent, language=language))
    talk.presses()
    talk.key.resolve(talk.escalation["id"])
    assert texts(talk) == expected
    query = "query($id: ID!) { conversation(id: $id) { language button { text } } }"
    conversation = talk.key.ask(query, id=talk.id)["conversation"]
    assert conversation["language"] == language
    button = "Talk to a human" if expected[0][1] == CONFIRMATION else "Mit einem Menschen sprechen"
    assert conversation["button"]["text"] == button


@pytest.mark.parametrize("language", ["", "d", "de_AT", "de-", "x" * 40, "deutsch lang"])
def test_language_that_is_no_tag_is_refused(workspace: Workspace, language: str) -> None:
    start = "mutation($i: StartConversationInput!) { startConversation(input: $i) { widgetToken } }"
    refused = workspace.key.refusal(start, i={"agentId": workspace.agent_id, "language": language})
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.language")
    given = {"agentId": workspace.agent_id, "widget": {"texts": [{"language": language}]}}
    refused = workspace.key.refusal(SETTINGS, i=given)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.widget.texts.0.language")


def test_second_text_of_a_language_is_refused(workspace: Workspace) -> None:
    given = {"agentId": workspace.agent_id, "widget": {"texts": [{"language": "de"}, {"language": "DE"}]}}
    assert workspace.key.refusal(SETTINGS, i=given).code == "BAD_USER_INPUT"


@pytest.mark.parametrize("field", ["takenOverMessage", "handedBackMessage"])
def test_placeholder_in_a_notice_is_refused(workspace: Workspace, field: str) -> None:
    given = {"agentId": workspace.agent_id, "widget": {field: "Within {response_time}."}}
    refused = workspace.key.refusal(SETTINGS, i=given)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", f"input.widget.{field}")
