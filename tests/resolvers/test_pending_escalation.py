"""Low confidence with a delay: it waits, and is averted, fires, or another trigger takes its place."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.baton_client import Caller, Workspace
from tests.support.conversation_driver import CONFIRMATION, TAKING_OVER, resume
from tests.support.pending_escalations import Doubt, await_timers, instant, ring
from tests.support.seeded_workspace import fingerprint

DISPUTE = {"name": "billing", "keywords": ["refund"], "intents": ["dispute"]}
CHANGES = """subscription($id: ID!, $after: String) {
    conversationUpdated(conversationId: $id, after: $after) { kind conversation {
        ai { state } activeEscalation { trigger } pendingEscalation { confidence } } } }"""
CREATED = """subscription($agent: ID!, $after: String) { escalationCreated(agentId: $agent, after: $after) {
    escalation { trigger confidence status } } }"""
SETTINGS = """mutation($input: UpdateEscalationSettingsInput!) { updateEscalationSettings(input: $input) {
    settings { autoEscalation { enabled confidenceThreshold delaySeconds } } } }"""


@pytest.fixture
def doubt(team: Workspace) -> Doubt:
    """A conversation in which an uncertain reply waits."""
    begun = Doubt.begin(team)
    begun.replies(31.5)
    return begun


def control(caller: Caller, act: str, conversation: str) -> None:
    """pauseAi or resumeAi."""
    caller.ask(
        f"mutation($id: ID!) {{ {act}(conversationId: $id) {{ conversation {{ id }} }} }}", id=conversation
    )


# ---- waiting


def test_uncertain_reply_is_delivered_and_waits(team: Workspace) -> None:
    doubt = Doubt.begin(team, delay=90)
    said = doubt.replies(49.99)
    assert (said["message"]["status"], said["escalation"]) == ("DELIVERED", None)
    assert said["ai"] == {"state": "ACTIVE", "epoch": 1, "pausedBy": None}
    waits = said["pendingEscalation"]
    assert waits["confidence"] == 49.99
    assert waits["requestedAt"] == said["message"]["createdAt"]
    assert instant(waits["firesAt"]) - instant(waits["requestedAt"]) == timedelta(seconds=90)
    assert doubt.waits == waits
    assert doubt.silent
    assert (doubt.published, doubt.logged) == ([], ["escalation_pending"])


def test_further_uncertain_reply_does_not_move_the_escalation(doubt: Doubt) -> None:
    first = doubt.waits
    for confidence in (0, 49, 31.5):
        said = doubt.replies(confidence)
        assert (said["message"]["status"], said["pendingEscalation"]) == ("DELIVERED", first)
    assert doubt.waits == first
    assert doubt.logged == ["escalation_pending"]
    doubt.time_comes()
    assert doubt.escalation["confidence"] == 31.5
    assert doubt.outcomes == ["FIRED"]


@pytest.mark.parametrize("confidence", [50, 50.01, 100])
def test_confident_reply_averts_the_escalation(doubt: Doubt, confidence: float) -> None:
    said = doubt.replies(confidence)
    assert (said["message"]["status"], said["pendingEscalation"]) == ("DELIVERED", None)
    assert doubt.waits is None
    assert doubt.logged == ["escalation_pending", "escalation_averted"]
    doubt.time_comes()
    assert doubt.silent
    assert doubt.published == []
    (kept,) = doubt.kept
    assert (kept["outcome"], kept["confidence"]) == ("AVERTED", 31.5)
    assert kept["ended_at"] == instant(said["message"]["createdAt"])


def test_uncertain_reply_after_an_averted_escalation_waits_again(doubt: Doubt) -> None:
    first = doubt.waits
    doubt.replies(90)
    again = doubt.replies(12)["pendingEscalation"]
    assert first is not None
    assert (again["confidence"], again["firesAt"] > first["firesAt"]) == (12, True)
    doubt.time_comes()
    assert doubt.escalation["confidence"] == 12
    assert doubt.outcomes == ["AVERTED", "FIRED"]


def held(doubt: Doubt, confidence: float) -> None:
    """Assert that a reply to a finished turn is held."""
    control(doubt.key, "pauseAi", doubt.id)
    assert doubt.replies(confidence)["message"]["status"] == "HELD"
    resume(doubt)
    assert doubt.replies(confidence, epoch=1)["message"]["status"] == "HELD"


NEITHER: dict[str, Callable[[Doubt], object]] = {
    "a reply without confidence": lambda doubt: doubt.replies(None),
    "a held confident reply": lambda doubt: held(doubt, 99),
    "a held uncertain reply": lambda doubt: held(doubt, 1),
    "a customer's message": lambda doubt: doubt.says("I meant the blue one"),
    "a form that does not escalate": lambda doubt: doubt.submits(escalate=False),
    "a tool that works": lambda doubt: doubt.fails(succeeded=True),
    "a tool that failed once": lambda doubt: doubt.fails(),
}


@pytest.mark.parametrize("act", NEITHER.values(), ids=NEITHER)
def test_other_event_neither_averts_nor_replaces_the_escalation(
    doubt: Doubt, act: Callable[[Doubt], object]
) -> None:
    before = doubt.waits
    act(doubt)
    assert doubt.waits == before
    assert (doubt.silent, doubt.outcomes) == (True, ["WAITING"])


@pytest.mark.parametrize("confidence", [None, 1])
def test_uncounted_confidence_does_not_wait(team: Workspace, confidence: float | None) -> None:
    doubt = Doubt.begin(team)
    control(doubt.key, "pauseAi", doubt.id)
    held = doubt.replies(confidence)
    control(doubt.key, "resumeAi", doubt.id)
    late, unsaid = doubt.replies(confidence, epoch=1), doubt.replies(None)
    assert [item["message"]["status"] for item in (held, late, unsaid)] == ["HELD", "HELD", "DELIVERED"]
    assert [item["pendingEscalation"] for item in (held, late, unsaid)] == [None] * 3
    assert (doubt.waits, doubt.kept) == (None, [])


# ---- another trigger


Route = tuple[Callable[[Doubt, Caller], Any], str]
ROUTES: dict[str, Route] = {
    "the button": (lambda doubt, _: doubt.presses(), "BUTTON"),
    "a phrase": (lambda doubt, _: doubt.says("can I talk to a human please"), "PHRASE"),
    "a form": (lambda doubt, _: doubt.submits(), "FORM"),
    "a tool": (lambda doubt, _: [doubt.fails() for _ in range(3)][-1], "TOOL_FAILURE"),
    "a keyword": (lambda doubt, _: doubt.says("I want a refund"), "TOPIC"),
    "an intent, uncertain": (lambda doubt, _: doubt.replies(2, intents=["dispute"]), "TOPIC"),
    "an intent, confident": (lambda doubt, _: doubt.replies(98, intents=["dispute"]), "TOPIC"),
    "a call": (lambda doubt, _: doubt.key.escalate(doubt.id), "API"),
    "a member": (lambda doubt, member: member.escalate(doubt.id), "TEAM_MEMBER"),
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_other_trigger_replaces_the_escalation_immediately(
    team: Workspace, member: Caller, route: Route
) -> None:
    act, trigger = route
    doubt = Doubt.begin(team, triggers={"topics": [DISPUTE]})
    doubt.replies(31.5)
    answer = act(doubt, member)
    raised = doubt.raised
    assert answer["escalation"]["id"] == raised["id"]
    assert [item["trigger"] for item in raised["triggers"]] == [raised["trigger"]] == [trigger]
    assert raised["confidence"] is None
    assert doubt.waits is None
    (kept,) = doubt.kept
    assert (kept["outcome"], kept["ended_at"]) == ("TAKEN_OVER", instant(raised["createdAt"]))
    assert doubt.logged == ["escalation_pending", "escalation_taken_over", "escalated", "ai_paused"]

    doubt.time_comes()
    assert (doubt.raised, doubt.outcomes) == (raised, ["TAKEN_OVER"])
    assert doubt.published == ["escalation.created", "conversation.ai_paused"]


def test_topic_in_the_first_uncertain_reply_leaves_nothing_to_wait(team: Workspace) -> None:
    doubt = Doubt.begin(team, triggers={"topics": [DISPUTE]})
    said = doubt.replies(2, intents=["dispute"])
    assert (said["escalation"]["trigger"], said["pendingEscalation"]) == ("TOPIC", None)
    assert [trigger["trigger"] for trigger in doubt.escalation["triggers"]] == ["TOPIC"]
    assert (doubt.waits, doubt.kept) == (None, [])


# ---- its time comes


@pytest.mark.anyio
async def test_pending_escalation_fires_after_its_delay(team: Workspace) -> None:
    doubt = Doubt.begin(team, delay=1)
    here = {"id": doubt.id, "after": doubt.started["conversation"]["cursor"]}
    now = doubt.key.ask("{ escalations { cursor } }")["escalations"]["cursor"]
    async with doubt.key.socket() as socket:
        changes = await socket.subscribe(CHANGES, **here)
        created = await socket.subscribe(CREATED, agent=doubt.agent_id, after=now)
        fires_at = instant(doubt.replies(31.5)["pendingEscalation"]["firesAt"])
        doubt.replies(12)
        pushed = (await socket.next(created))["escalationCreated"]["escalation"]
        assert pushed == {"trigger": "LOW_CONFIDENCE", "confidence": 31.5, "status": "OPEN"}
        heard = [(await socket.next(changes))["conversationUpdated"] for _ in range(4)]
    assert [item["kind"] for item in heard] == [
        "escalation_pending",
        "escalation_fired",
        "escalated",
        "ai_paused",
    ]
    escalated = {"ai": {"state": "PAUSED"}, "activeEscalation": {"trigger": "LOW_CONFIDENCE"}}
    assert heard[2]["conversation"] == escalated | {"pendingEscalation": None}

    escalation = doubt.escalation
    assert [(trigger["trigger"], trigger["confidence"]) for trigger in escalation["triggers"]] == [
        ("LOW_CONFIDENCE", 31.5)
    ]
    assert (escalation["reason"], escalation["detail"], escalation["assignee"]) == (
        "low_confidence",
        None,
        None,
    )
    assert timedelta() <= instant(escalation["createdAt"]) - fires_at < timedelta(seconds=1)
    assert [node["kind"] for node in escalation["timeline"]["nodes"]] == ["created", "ai_paused"]
    assert doubt.published == ["escalation.created", "conversation.ai_paused"]
    assert doubt.state["ai"]["pausedBy"] == "ESCALATION"
    assert doubt.notices == [CONFIRMATION]
    assert doubt.replies(99)["message"]["status"] == "HELD"
    (kept,) = doubt.kept
    assert (kept["outcome"], kept["ended_at"]) == ("FIRED", instant(escalation["createdAt"]))
    assert doubt.waits is None


def test_pending_escalation_with_an_early_timer_does_not_fire(doubt: Doubt) -> None:
    before = doubt.waits
    server, key = doubt.server, doubt.kept[0]["id"]
    server.execute("UPDATE pgqueuer SET execute_after = now() WHERE payload = $1", key.bytes)
    ring(server)
    await_timers(server, [key])
    assert (doubt.waits, doubt.silent) == (before, True)


def test_pending_escalation_folds_into_an_active_one(doubt: Doubt) -> None:
    doubt.time_comes()
    before = doubt.escalation
    resume(doubt)
    again = doubt.replies(7)
    assert (again["escalation"]["id"], again["pendingEscalation"]["confidence"]) == (before["id"], 7)
    assert doubt.waits == again["pendingEscalation"]
    doubt.time_comes()

    escalation = doubt.escalation
    assert [(trigger["trigger"], trigger["confidence"]) for trigger in escalation["triggers"]] == [
        ("LOW_CONFIDENCE", 31.5),
        ("LOW_CONFIDENCE", 7),
    ]
    assert (escalation["id"], escalation["confidence"], escalation["version"]) == (
        before["id"],
        31.5,
        before["version"] + 1,
    )
    assert doubt.outcomes == ["FIRED", "FIRED"]
    assert doubt.published.count("escalation.created") == 1
    assert doubt.state["ai"]["state"] == "PAUSED"
    assert (doubt.notices.count(CONFIRMATION), doubt.notices[-1]) == (1, TAKING_OVER)


def test_pause_by_a_member_does_not_avert_the_escalation(doubt: Doubt, member: Caller) -> None:
    before = doubt.waits
    control(member, "pauseAi", doubt.id)
    assert doubt.replies(99)["message"]["status"] == "HELD"
    assert doubt.waits == before
    doubt.time_comes()
    assert (doubt.escalation["trigger"], doubt.outcomes) == ("LOW_CONFIDENCE", ["FIRED"])
    ai = doubt.state["ai"]
    assert (ai["state"], ai["epoch"], ai["pausedBy"]) == ("PAUSED", 2, "ESCALATION")
    assert doubt.notices == [TAKING_OVER, CONFIRMATION]


# ---- repeats, and changed settings


def test_repeated_call_returns_the_pending_escalation_of_its_time(team: Workspace) -> None:
    doubt = Doubt.begin(team)
    first = doubt.replies(31.5, idempotencyKey="uncertain")
    assert doubt.replies(31.5, idempotencyKey="uncertain") == first
    assert (len(doubt.kept), doubt.logged) == (1, ["escalation_pending"])

    doubt.replies(80, idempotencyKey="confident")
    again = doubt.replies(31.5, idempotencyKey="uncertain")
    assert (again["message"], again["pendingEscalation"]) == (first["message"], None)

    second = doubt.replies(20)["pendingEscalation"]
    repeated = doubt.replies(80, idempotencyKey="confident")
    assert repeated["pendingEscalation"] == doubt.waits == second
    assert doubt.outcomes == ["AVERTED", "WAITING"]

    doubt.time_comes()
    again = doubt.replies(31.5, idempotencyKey="uncertain")
    assert (again["message"], again["pendingEscalation"]) == (first["message"], None)
    assert again["ai"] == {"state": "PAUSED", "epoch": 2, "pausedBy": "ESCALATION"}
    assert again["escalation"] == {"id": doubt.escalation["id"], "trigger": "LOW_CONFIDENCE"}


def test_uncertain_reply_without_a_delay_escalates_immediately(doubt: Doubt) -> None:
    doubt.key.settings(doubt.agent_id, autoEscalation={"delaySeconds": 0})
    assert doubt.waits is not None
    said = doubt.replies(44)
    assert (said["escalation"]["trigger"], said["pendingEscalation"]) == ("LOW_CONFIDENCE", None)
    raised = doubt.raised
    assert [(trigger["trigger"], trigger["confidence"]) for trigger in raised["triggers"]] == [
        ("LOW_CONFIDENCE", 44)
    ]
    assert doubt.outcomes == ["TAKEN_OVER"]
    doubt.time_comes()
    assert (doubt.raised, doubt.outcomes) == (raised, ["TAKEN_OVER"])


def test_new_delay_does_not_move_a_pending_escalation(doubt: Doubt) -> None:
    before = doubt.waits
    doubt.key.settings(doubt.agent_id, autoEscalation={"delaySeconds": 1})
    assert doubt.replies(20)["pendingEscalation"] == doubt.waits == before


def test_present_threshold_decides_what_is_confident(doubt: Doubt) -> None:
    doubt.key.settings(doubt.agent_id, autoEscalation={"confidenceThreshold": 80})
    assert doubt.replies(79.9)["pendingEscalation"] == doubt.waits
    assert doubt.replies(80)["pendingEscalation"] is None
    assert doubt.outcomes == ["AVERTED"]


@pytest.mark.parametrize("seconds", [0, 1, 86_400])
def test_delay_may_be_up_to_a_day(team: Workspace, seconds: int) -> None:
    given = {"agentId": Doubt.begin(team).agent_id, "autoEscalation": {"delaySeconds": seconds}}
    settings = team.key.ask(SETTINGS, input=given)["updateEscalationSettings"]["settings"]
    expected = {"enabled": True, "confidenceThreshold": 50, "delaySeconds": seconds}
    assert settings["autoEscalation"] == expected


@pytest.mark.parametrize("seconds", [-1, 86_401])
def test_delay_out_of_bounds_is_refused(team: Workspace, seconds: int) -> None:
    given = {"agentId": Doubt.begin(team).agent_id, "autoEscalation": {"delaySeconds": seconds}}
    before = fingerprint(team)
    refusal = team.key.refusal(SETTINGS, input=given)
    assert (refusal.code, refusal.field) == ("BAD_USER_INPUT", "input.autoEscalation.delaySeconds")
    assert fingerprint(team) == before
