"""The triggers of escalations, and folding into an active one."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.support.baton_client import Caller, Workspace
from tests.support.conversation_driver import CONFIRMATION, TAKING_OVER, Talk, resume

BILLING = {"name": "billing", "keywords": ["refund", "charged twice"], "intents": ["dispute"]}
LEGAL = {"name": "legal", "keywords": ["lawyer"], "priority": "URGENT"}
TARGETS = [{"priority": name, "targetResponseMinutes": n} for name, n in (("HIGH", 60), ("URGENT", 15))]
ASKS = "Hello! Where is it?? Can I talk to a HUMAN, please?"
TURNS = """subscription($agent: ID!, $after: String!) { turnRequested(agentId: $agent, after: $after) {
    epoch conversation { id } message { role content } } }"""
LOGGED = ["escalation.created", "conversation.ai_paused"]


@pytest.fixture
def talk(team: Workspace) -> Talk:
    """A conversation by the default settings."""
    return Talk.begin(team)


def kinds(escalation: dict[str, Any]) -> list[str]:
    return [node["kind"] for node in escalation["timeline"]["nodes"]]


def fired(escalation: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(trigger["trigger"], trigger["detail"]) for trigger in escalation["triggers"]]


def minutes_of(sla: dict[str, Any]) -> float:
    started, due = (datetime.fromisoformat(sla[name]) for name in ("startedAt", "dueAt"))
    return (due - started).total_seconds() / 60


Route = tuple[Callable[[Talk], object], str, str, str | None, float | None]
ROUTES: dict[str, Route] = {
    "BUTTON": (Talk.presses, "BUTTON", "user_button", None, None),
    "PHRASE": (lambda talk: talk.says(ASKS), "PHRASE", "user_phrase", "Can I talk to a HUMAN", None),
    "FORM": (Talk.submits, "FORM", "user_form", "refund", None),
    "LOW_CONFIDENCE": (lambda talk: talk.answers(49.9), "LOW_CONFIDENCE", "low_confidence", None, 49.9),
    "TOOL_FAILURE": (
        lambda talk: [talk.fails("charge_card") for _ in range(3)],
        "TOOL_FAILURE",
        "tool_failure",
        "charge_card",
        None,
    ),
    "TOPIC": (lambda talk: talk.says("I want a Refund!"), "TOPIC", "topic", "billing", None),
    "API": (lambda talk: talk.key.escalate(talk.id, "a VIP"), "API", "a VIP", None, None),
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_every_route_raises_an_escalation_with_its_reason(team: Workspace, route: Route) -> None:
    act, trigger, reason, detail, confidence = route
    talk = Talk.begin(team, triggers={"topics": [BILLING]})
    act(talk)
    escalation = talk.escalation
    once = {"trigger": trigger, "reason": reason, "detail": detail, "confidence": confidence}
    assert {name: escalation[name] for name in once} == once
    assert escalation["triggers"] == [once | {"count": 1}]
    assert (escalation["status"], escalation["priority"], escalation["assignee"]) == ("OPEN", "MEDIUM", None)
    ai = talk.state["ai"]
    assert (ai["state"], ai["epoch"], ai["pausedBy"]) == ("PAUSED", 2, "ESCALATION")
    assert talk.notices == [CONFIRMATION]
    assert kinds(escalation) == ["created", "ai_paused"]
    assert talk.published == LOGGED


def test_take_over_assigns_the_member(team: Workspace, talk: Talk, member: Caller) -> None:
    member.escalate(talk.id, "I know her")
    escalation = talk.escalation
    assert (escalation["reason"], fired(escalation)) == ("team_member", [("TEAM_MEMBER", "I know her")])
    assert escalation["assignee"]["email"] == "bo@example.com"
    (created, _) = escalation["timeline"]["nodes"]
    assert (created["actor"], created["data"]["priority"]) == ({"email": "bo@example.com"}, "MEDIUM")
    assert created["data"]["assignee"] == escalation["assignee"]["id"]
    assert talk.published == LOGGED

    beside = Talk.begin(team)
    member.escalate(beside.id, "for Ada", assignTo=team.email.upper())
    assert beside.escalation["assignee"]["email"] == team.email


@pytest.mark.parametrize(("priority", "minutes"), [("LOW", 120), ("HIGH", 60), ("URGENT", 15)])
def test_call_sets_priority_and_assignee(team: Workspace, priority: str, minutes: int) -> None:
    talk = Talk.begin(team, sla={"targetsByPriority": TARGETS})
    talk.key.escalate(talk.id, priority=priority, assignTo=team.email)
    escalation = talk.escalation
    assert (escalation["priority"], escalation["assignee"]["email"]) == (priority, team.email)
    assert escalation["sla"]["targetMinutes"] == minutes_of(escalation["sla"]) == minutes
    assert kinds(escalation) == ["created", "ai_paused"]


def test_message_with_several_triggers_raises_one_escalation(team: Workspace) -> None:
    sla = {"targetsByPriority": TARGETS, "defaultPriority": "LOW"}
    talk = Talk.begin(team, triggers={"topics": [BILLING, LEGAL]}, sla=sla)
    talk.says("My lawyer says I was CHARGED TWICE. Let me talk to a human!")
    escalation = talk.escalation
    assert (escalation["trigger"], escalation["priority"]) == ("PHRASE", "URGENT")
    assert fired(escalation) == [
        ("PHRASE", "Let me talk to a human"),
        ("TOPIC", "billing"),
        ("TOPIC", "legal"),
    ]
    assert escalation["timeline"]["nodes"][0]["data"]["priority"] == "URGENT"
    assert kinds(escalation) == ["created", "triggered", "triggered", "ai_paused"]
    assert escalation["sla"]["targetMinutes"] == 15
    assert talk.notices == [CONFIRMATION.replace("2 hours", "15 minutes")]
    assert talk.published.count("escalation.created") == 1


def test_uncertain_reply_precedes_the_topic_that_it_reports(team: Workspace) -> None:
    talk = Talk.begin(team, triggers={"topics": [BILLING | {"priority": "LOW"}]})
    talk.answers(10, intents=["dispute"])
    escalation = talk.escalation
    assert (escalation["trigger"], escalation["confidence"]) == ("LOW_CONFIDENCE", 10)
    assert fired(escalation) == [("LOW_CONFIDENCE", None), ("TOPIC", "billing")]
    # A topic's own priority stands instead of the default, be it lower.
    assert escalation["priority"] == "LOW"


def test_trigger_folds_into_the_active_escalation(team: Workspace) -> None:
    talk = Talk.begin(team, triggers={"topics": [LEGAL]}, sla={"targetsByPriority": TARGETS})
    first = talk.key.escalate(talk.id, "first")
    before = talk.escalation
    pressed = talk.presses()
    assert (pressed["created"], pressed["escalation"]["id"]) == (False, first["escalation"]["id"])
    assert pressed["confirmationMessage"] == first["confirmationMessage"] == CONFIRMATION

    said = talk.says("you will hear from my lawyer")
    assert said["escalation"]["id"] == first["escalation"]["id"]
    after = talk.escalation
    assert fired(after) == [("API", None), ("BUTTON", None), ("TOPIC", "legal")]
    assert (after["trigger"], after["reason"]) == ("API", "first")
    assert (before["priority"], after["priority"]) == ("MEDIUM", "URGENT")
    assert after["sla"]["startedAt"] == before["sla"]["startedAt"]
    assert after["sla"]["targetMinutes"] == minutes_of(after["sla"]) == 15
    assert after["version"] == before["version"] + 2

    assert kinds(after) == [*kinds(before), "triggered", "triggered", "priority_changed"]
    assert talk.published == [
        *LOGGED,
        "escalation.triggered",
        "escalation.triggered",
        "escalation.priority_changed",
    ]
    assert talk.notices == [CONFIRMATION]
    assert talk.state["ai"]["epoch"] == 2


def test_folding_never_lowers_the_priority(talk: Talk) -> None:
    talk.key.escalate(talk.id, priority="HIGH")
    before = talk.escalation
    for priority in ("HIGH", "LOW", None):
        talk.key.escalate(talk.id, **({"priority": priority} if priority else {}))
    after = talk.escalation
    assert (after["priority"], [trigger["count"] for trigger in after["triggers"]]) == ("HIGH", [4])
    assert after["sla"]["dueAt"] == before["sla"]["dueAt"]
    assert "priority_changed" not in kinds(after)


def test_folding_assigns_an_unassigned_escalation_only(team: Workspace, talk: Talk, member: Caller) -> None:
    talk.key.escalate(talk.id)
    member.escalate(talk.id, "mine")
    assert talk.escalation["assignee"]["email"] == "bo@example.com"
    assert talk.published[-1] == "escalation.assigned"
    talk.key.escalate(talk.id, assignTo=team.email)
    assert talk.escalation["assignee"]["email"] == "bo@example.com"
    assert talk.published.count("escalation.assigned") == 1


def test_folding_pauses_an_ai_that_had_been_resumed(talk: Talk) -> None:
    talk.key.escalate(talk.id)
    resume(talk)
    assert talk.state["ai"]["state"] == "ACTIVE"
    talk.says(ASKS)
    ai = talk.state["ai"]
    assert (ai["state"], ai["epoch"], ai["pausedBy"]) == ("PAUSED", 4, "ESCALATION")
    assert talk.notices.count(CONFIRMATION) == 1
    assert talk.notices[-1] == TAKING_OVER
    assert kinds(talk.escalation) == ["created", "ai_paused", "ai_resumed", "triggered", "ai_paused"]
    assert talk.published.count("escalation.created") == 1


def test_trigger_after_a_resolution_raises_a_new_escalation(talk: Talk) -> None:
    talk.key.resolve(talk.presses()["escalation"]["id"])
    assert talk.presses()["created"]
    assert [node["status"] for node in talk.state["escalations"]["nodes"]] == ["OPEN", "RESOLVED"]


def test_tool_escalates_at_the_limit(team: Workspace) -> None:
    talk = Talk.begin(team, triggers={"toolFailureLimit": 2})
    assert talk.fails() == {"consecutiveFailures": 1, "escalation": None}
    assert talk.fails("other") == {"consecutiveFailures": 1, "escalation": None}
    raised = talk.fails()
    assert raised["consecutiveFailures"] == 2
    assert raised["escalation"]["id"] == talk.escalation["id"]


def test_success_resets_the_count_of_that_tool_and_conversation_only(talk: Talk) -> None:
    beside = Talk(talk.workspace, talk.agent_id, talk.key.start(talk.agent_id))
    for _ in range(2):
        beside.fails("billing")
        talk.fails("billing")
        talk.fails("search")
    assert talk.fails("billing", succeeded=True)["consecutiveFailures"] == 0
    assert talk.fails("billing") == {"consecutiveFailures": 1, "escalation": None}
    assert talk.silent
    assert talk.fails("search")["consecutiveFailures"] == 3
    assert fired(talk.escalation) == [("TOOL_FAILURE", "search")]
    assert beside.fails("billing")["consecutiveFailures"] == 3


def test_uncritical_failure_is_not_counted(talk: Talk) -> None:
    for _ in range(5):
        assert talk.fails(critical=False) == {"consecutiveFailures": 0, "escalation": None}
    talk.fails()
    # Nor does a success of a call that was not critical make a critical failure good.
    talk.fails(critical=False, succeeded=True)
    assert talk.fails()["consecutiveFailures"] == 2
    assert talk.silent


def test_phrases_can_be_switched_off(team: Workspace) -> None:
    talk = Talk.begin(team, triggers={"phrasesEnabled": False})
    said = talk.says(ASKS)
    assert (said["escalation"], said["ai"]["state"]) == (None, "ACTIVE")
    assert talk.silent


@pytest.mark.parametrize(
    ("phrase", "content"),
    [
        ("einen Menschen", "Ich möchte EINEN MENSCHEN sprechen!"),
        ("parler à un humain", "Je veux parler à un humain."),
        ("人工客服", "请帮我转人工客服谢谢"),
    ],
)
def test_teams_add_phrases_in_any_language(team: Workspace, phrase: str, content: str) -> None:
    talk = Talk.begin(team, triggers={"extraPhrases": ["not this", phrase]})
    talk.says("Hallo, 你好, bonjour")
    assert talk.silent
    talk.says(content)
    assert fired(talk.escalation) == [("PHRASE", phrase)]


@pytest.mark.parametrize("content", ["REFUND", "(refund)", "was I charged twice?", "refund/credit"])
def test_topic_matches_its_keywords(team: Workspace, content: str) -> None:
    talk = Talk.begin(team, triggers={"topics": [BILLING | {"priority": "HIGH"}]})
    talk.says("refunded, prerefund, charged. Twice. A dispute")
    # Only a customer's words count.
    talk.key.record(talk.id, "ASSISTANT", "A refund? Or say: let me talk to a human")
    assert talk.silent
    talk.says(content)
    assert fired(talk.escalation) == [("TOPIC", "billing")]
    assert talk.escalation["priority"] == "HIGH"


@pytest.mark.parametrize("role", ["USER", "ASSISTANT"])
def test_topic_matches_a_recorded_intent(team: Workspace, role: str) -> None:
    talk = Talk.begin(team, triggers={"topics": [BILLING]})
    talk.key.record(talk.id, role, "Hm.", intents=["Dispute", "billing", "dispute.other"])
    assert talk.silent
    talk.key.record(talk.id, role, "Hm.", intents=["greeting", "dispute"])
    assert fired(talk.escalation) == [("TOPIC", "billing")]


def test_reply_below_the_threshold_escalates_and_at_it_does_not(team: Workspace) -> None:
    talk = Talk.begin(team, autoEscalation={"confidenceThreshold": 60.5})
    for confidence in (60.5, 100.0):
        talk.answers(confidence)
    assert talk.silent
    uncertain = talk.answers(60.49)
    assert uncertain["message"]["status"] == "DELIVERED"
    assert talk.escalation["confidence"] == 60.49


@pytest.mark.parametrize(("enabled", "confidence"), [(False, 0), (True, None)])
def test_confidence_that_does_not_count_raises_nothing(
    team: Workspace, enabled: bool, confidence: float | None
) -> None:
    talk = Talk.begin(team, autoEscalation={"enabled": enabled})
    talk.answers(confidence)
    assert talk.silent


def test_held_reply_raises_nothing(talk: Talk) -> None:
    escalation = talk.presses()["escalation"]["id"]
    held = talk.answers(1, intents=["dispute"])
    assert held["message"]["status"] == "HELD"
    assert fired(talk.escalation) == [("BUTTON", None)]

    talk.key.resolve(escalation)
    late = talk.answers(1, epoch=1)
    assert late["message"]["status"] == "HELD"
    assert (talk.state["activeEscalation"], talk.state["ai"]["state"]) == (None, "ACTIVE")
    assert talk.published.count("escalation.created") == 1


def test_form_becomes_a_message_of_the_customer(talk: Talk) -> None:
    submitted = talk.submits(fields={"order": "1234", "express": True})
    assert submitted is not None
    assert submitted["created"]
    first, second = talk.widget.messages(talk.id)
    assert (first["role"], second["role"]) == ("USER", "SYSTEM")
    for word in ("refund", "order", "1234", "express"):
        assert word in first["content"]


@pytest.mark.anyio
async def test_form_that_does_not_escalate_is_for_the_ai(talk: Talk) -> None:
    cursor = talk.key.ask("{ escalations { cursor } }")["escalations"]["cursor"]
    assert talk.submits(escalate=False) is None
    assert talk.silent
    async with talk.key.socket() as socket:
        turns = await socket.subscribe(TURNS, agent=talk.agent_id, after=cursor)
        turn = (await socket.next(turns))["turnRequested"]
    assert (turn["epoch"], turn["conversation"]["id"]) == (1, talk.id)
    assert turn["message"]["role"] == "USER"
    assert "1234" in turn["message"]["content"]


def test_back_end_is_not_asked_for_its_own_message(talk: Talk) -> None:
    talk.key.record(talk.id, "USER", "hello")
    query = "mutation($input: SubmitFormInput!) { submitForm(input: $input) { created } }"
    given = {"conversationId": talk.id, "form": "refund", "fields": {}, "escalate": False}
    talk.key.ask(query, input=given)
    assert talk.published == []
    talk.says("hello")
    assert talk.published == ["turn.requested"]


@pytest.mark.parametrize("visibility", ["ALWAYS", "AFTER_THRESHOLD", "NEVER"])
def test_button_shows_by_the_settings(team: Workspace, visibility: str) -> None:
    begun, later = visibility == "ALWAYS", visibility != "NEVER"
    widget = {"buttonVisibility": visibility, "buttonAfterMessages": 2, "buttonText": "Get me a person"}
    talk = Talk.begin(team, widget=widget)
    talk.says("one")
    talk.answers(90)
    talk.answers(90)
    assert talk.widget.conversation(talk.id)["button"] == {"visible": begun, "text": "Get me a person"}
    talk.says("two")
    assert talk.widget.conversation(talk.id)["button"]["visible"] is later
    # Visibility is only a hint to the widget: pressing a hidden button still escalates.
    assert talk.presses()["created"]


def test_button_shows_after_one_uncertain_reply(team: Workspace) -> None:
    talk = Talk.begin(team, widget={"buttonVisibility": "AFTER_THRESHOLD"})
    talk.answers(50)
    assert not talk.widget.conversation(talk.id)["button"]["visible"]
    talk.answers(49)
    assert talk.widget.conversation(talk.id)["button"]["visible"]


@pytest.mark.parametrize(
    ("minutes", "words"), [(1, "1 minute"), (90, "1 hour and 30 minutes"), (1_440, "1 day")]
)
def test_confirmation_states_the_time_in_words(team: Workspace, minutes: int, words: str) -> None:
    talk = Talk.begin(team, sla={"targetResponseMinutes": minutes})
    pressed = talk.presses()
    assert talk.notices == [pressed["confirmationMessage"]] == [CONFIRMATION.replace("2 hours", words)]


def test_team_has_its_own_confirmation(team: Workspace) -> None:
    own = "Wait {response_time} ({business_hours}), please! {response_time}"
    talk = Talk.begin(team, widget={"confirmationMessage": own}, sla={"targetsByPriority": TARGETS})
    talk.key.escalate(talk.id, priority="HIGH")
    assert talk.notices == ["Wait 1 hour (around the clock), please! 1 hour"]
