"""From raised to resolved and back: replies, the clock, assignees, control, and what is written of it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from rules.typeid import ESCALATION, parse_id
from tests.support.baton_client import Caller, Refused, Workspace
from tests.support.conversation_driver import CONFIRMATION, HANDED_BACK, TAKING_OVER, Talk, resume
from tests.support.seeded_workspace import fingerprint

UPDATE = """mutation($input: UpdateEscalationInput!) { updateEscalation(input: $input) {
    escalation { id status priority version assignee { email } notes { body author { email } } } } }"""
CLAIM = """mutation($id: ID!) { claimEscalation(escalationId: $id) {
    escalation { version assignee { email } } } }"""
REOPEN = """mutation($id: ID!) { reopenEscalation(escalationId: $id) { escalation { status version
    resolvedAt resolution { note } sla { outcome startedAt } } } }"""
REPLY = "mutation($input: ReplyInput!) { replyToEscalation(input: $input) { message { id } } }"
RESOLVE = """mutation($input: ResolveEscalationInput!) { resolveEscalation(input: $input) {
    escalation { id } } }"""
PAUSE = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { ai { state } } } }"


@pytest.fixture(scope="module")
def bo(team: Workspace) -> Caller:
    """A team member who is signed in."""
    return team.member("bo@example.com")


@pytest.fixture(scope="module")
def ada(team: Workspace) -> Caller:
    """Another one."""
    return team.sign_in()


@pytest.fixture
def talk(team: Workspace) -> Talk:
    """A conversation whose customer has asked for a person."""
    talk = Talk.begin(team)
    talk.presses()
    return talk


def active(talk: Talk) -> str:
    return str(talk.state["activeEscalation"]["id"])


def last(talk: Talk) -> str:
    return str(talk.state["escalations"]["nodes"][0]["id"])


def update(caller: Caller, escalation: str, **changes: Any) -> dict[str, Any]:
    given = {"escalationId": escalation, **changes}
    result: dict[str, Any] = caller.ask(UPDATE, input=given)["updateEscalation"]["escalation"]
    return result


def reopen(caller: Caller, escalation: str) -> dict[str, Any]:
    result: dict[str, Any] = caller.ask(REOPEN, id=escalation)["reopenEscalation"]["escalation"]
    return result


def refused(talk: Talk, caller: Caller, query: str, **variables: Any) -> Refused:
    """Return the refusal, and assert that nothing changed and no event was published."""
    before = fingerprint(talk.workspace)
    refusal = caller.refusal(query, **variables)
    assert fingerprint(talk.workspace) == before
    return refusal


def kinds(escalation: dict[str, Any]) -> list[str]:
    return [node["kind"] for node in escalation["timeline"]["nodes"]]


def entry(escalation: dict[str, Any], kind: str) -> dict[str, Any]:
    (only,) = (node for node in escalation["timeline"]["nodes"] if node["kind"] == kind)
    result: dict[str, Any] = only
    return result


def age(talk: Talk, minutes: int) -> dict[str, Any]:
    """Move the escalation's start into the past and return it."""
    talk.workspace.server.execute(
        """UPDATE escalations SET sla_started_at = sla_started_at - $2::interval,
               sla_at_risk_at = sla_at_risk_at - $2::interval, sla_due_at = sla_due_at - $2::interval
           WHERE id = $1""",
        parse_id(ESCALATION, last(talk)),
        timedelta(minutes=minutes),
    )
    return talk.escalation


def test_first_reply_takes_the_escalation_up_and_stops_the_clock(talk: Talk, bo: Caller) -> None:
    before = talk.escalation
    bo.reply(before["id"], "Bo here.")
    after = talk.escalation
    assert (after["status"], after["assignee"]["email"]) == ("IN_PROGRESS", "bo@example.com")
    assert (after["sla"]["outcome"], after["sla"]["status"]) == ("MET", "ON_TRACK")
    assert after["sla"]["metAt"] == after["firstRespondedAt"] is not None
    assert (after["sla"]["remainingMinutes"], after["sla"]["breachedAt"]) == (None, None)
    assert kinds(after) == [*kinds(before), "replied", "status_changed", "assigned"]
    assert entry(after, "status_changed")["data"] == {"previous": "OPEN", "status": "IN_PROGRESS"}
    assert after["version"] == before["version"] + 1

    bo.reply(after["id"], "And again.")
    again = talk.escalation
    assert again["firstRespondedAt"] == after["firstRespondedAt"]
    assert kinds(again) == [*kinds(after), "replied"]
    assert [message["role"] for message in talk.widget.messages(talk.id)] == ["SYSTEM", "HUMAN", "HUMAN"]


def test_reply_keeps_the_assignee(talk: Talk, bo: Caller) -> None:
    update(talk.key, active(talk), assignTo=talk.workspace.email)
    bo.reply(active(talk))
    assert talk.escalation["assignee"]["email"] == talk.workspace.email


def test_confirmation_and_ai_reply_leave_the_clock_running(talk: Talk) -> None:
    talk.answers(99)
    resume(talk)
    talk.answers(99)
    escalation = talk.escalation
    assert (escalation["status"], escalation["firstRespondedAt"]) == ("OPEN", None)
    assert (escalation["sla"]["outcome"], escalation["sla"]["metAt"]) == ("RUNNING", None)
    assert 119 < escalation["sla"]["remainingMinutes"] <= 120


def test_clock_state_is_a_function_of_the_time(talk: Talk) -> None:
    listed = """query($agent: ID!, $status: [SlaStatus!]) { escalations(
        filter: {agentId: $agent, slaStatus: $status}) { totalCount nodes { id } } }"""
    seen = {}
    for minutes, status in [(0, "ON_TRACK"), (97, "AT_RISK"), (30, "BREACHED")]:
        sla = age(talk, minutes)["sla"]
        assert sla["status"] == status
        for item in ("ON_TRACK", "AT_RISK", "BREACHED"):
            escalations = talk.key.ask(listed, agent=talk.agent_id, status=[item])["escalations"]
            assert (escalations["totalCount"], len(escalations["nodes"])) == (
                (1, 1) if item == status else (0, 0)
            )
        seen[status] = sla
    assert (seen["AT_RISK"]["outcome"], seen["AT_RISK"]["breachedAt"]) == ("RUNNING", None)
    assert 22 < seen["AT_RISK"]["remainingMinutes"] <= 23
    assert seen["BREACHED"]["outcome"] == "MISSED"
    assert seen["BREACHED"]["breachedAt"] == seen["BREACHED"]["dueAt"]
    assert -8 < seen["BREACHED"]["remainingMinutes"] <= -7
    escalations = talk.key.ask(listed, agent=talk.agent_id, status=["AT_RISK", "BREACHED"])["escalations"]
    assert escalations["totalCount"] == 1


@pytest.mark.parametrize(
    ("minutes", "outcome", "status"),
    [(0, "MET", "ON_TRACK"), (100, "MET", "AT_RISK"), (121, "MISSED", "BREACHED")],
)
def test_clock_after_a_reply_stands_as_it_stood(
    talk: Talk, bo: Caller, minutes: int, outcome: str, status: str
) -> None:
    due = age(talk, minutes)["sla"]["dueAt"]
    bo.reply(active(talk))
    result = age(talk, 0)
    sla = result["sla"]
    assert (sla["outcome"], sla["status"], sla["remainingMinutes"]) == (outcome, status, None)
    assert sla["metAt"] == (result["firstRespondedAt"] if outcome == "MET" else None)
    assert sla["breachedAt"] == (due if outcome == "MISSED" else None)


@pytest.mark.parametrize(("minutes", "outcome"), [(0, "CANCELLED"), (119, "CANCELLED"), (121, "MISSED")])
def test_resolution_without_a_reply_cancels_a_running_clock(talk: Talk, minutes: int, outcome: str) -> None:
    due = age(talk, minutes)["sla"]["dueAt"]
    talk.key.resolve(active(talk))
    sla = talk.escalation["sla"]
    assert (sla["outcome"], sla["metAt"], sla["remainingMinutes"]) == (outcome, None, None)
    assert sla["breachedAt"] == (due if outcome == "MISSED" else None)


def test_resolution_is_one_entry(talk: Talk, bo: Caller) -> None:
    before = talk.escalation
    bo.resolve(before["id"], note="Sent again", disposition="NEEDED")
    after = talk.escalation
    assert after["resolution"] == {"note": "Sent again", "disposition": "NEEDED", "keptAiPaused": False}
    assert kinds(after) == [*kinds(before), "resolved", "ai_resumed"]
    assert entry(after, "resolved")["actor"] == {"email": "bo@example.com"}
    assert talk.published[-2:] == ["escalation.resolved", "conversation.ai_resumed"]
    assert after["version"] == before["version"] + 1


def test_unanswered_escalation_reopens_as_open_with_a_new_clock(talk: Talk, bo: Caller) -> None:
    begun = age(talk, 100)
    talk.key.resolve(begun["id"], note="by mistake", disposition="SPAM")
    resolved = talk.escalation
    opened = reopen(bo, begun["id"])
    assert (opened["status"], opened["resolvedAt"], opened["resolution"]) == ("OPEN", None, None)
    assert opened["version"] == resolved["version"] + 1
    after = talk.escalation
    started = datetime.fromisoformat(after["sla"]["startedAt"])
    assert started > datetime.fromisoformat(resolved["resolvedAt"])
    assert (after["sla"]["outcome"], after["sla"]["status"]) == ("RUNNING", "ON_TRACK")
    assert datetime.fromisoformat(after["sla"]["dueAt"]) - started == timedelta(minutes=120)
    assert kinds(after) == [*kinds(resolved), "reopened", "sla_on_track", "ai_paused"]
    assert entry(after, "reopened")["actor"] == {"email": "bo@example.com"}
    events = ["escalation.reopened", "escalation.sla_on_track", "conversation.ai_paused"]
    assert talk.published[-3:] == events
    ai = talk.state["ai"]
    assert (ai["state"], ai["epoch"], ai["pausedBy"]) == ("PAUSED", 4, "ESCALATION")
    assert talk.notices == [CONFIRMATION, HANDED_BACK, TAKING_OVER]


def test_answered_escalation_reopens_in_progress_with_its_clock_stopped(talk: Talk) -> None:
    talk.key.reply(active(talk))
    talk.key.resolve(active(talk))
    before = talk.escalation
    assert reopen(talk.key, before["id"])["status"] == "IN_PROGRESS"
    assert talk.escalation["sla"] == before["sla"]
    assert before["sla"]["outcome"] == "MET"


def test_missed_unanswered_escalation_reopens_with_its_clock_running(talk: Talk) -> None:
    due = age(talk, 121)["sla"]["dueAt"]
    talk.key.resolve(active(talk))
    reopen(talk.key, last(talk))
    sla = talk.escalation["sla"]
    assert (sla["dueAt"], sla["breachedAt"], sla["outcome"]) == (due, due, "MISSED")
    assert sla["remainingMinutes"] < 0


def test_only_the_last_one_reopens_and_only_when_none_is_active(talk: Talk) -> None:
    first = active(talk)
    assert refused(talk, talk.key, REOPEN, id=first).code == "CONFLICT"
    talk.key.resolve(first)
    second = talk.presses()["escalation"]["id"]
    assert refused(talk, talk.key, REOPEN, id=first).code == "CONFLICT"
    talk.key.resolve(second)
    assert refused(talk, talk.key, REOPEN, id=first).code == "CONFLICT"
    assert reopen(talk.key, second)["status"] == "OPEN"


@pytest.mark.parametrize("status", ["OPEN", "IN_PROGRESS"])
def test_status_change_reopens_too(talk: Talk, status: str) -> None:
    escalation = active(talk)
    assert update(talk.key, escalation, status="RESOLVED")["status"] == "RESOLVED"
    assert update(talk.key, escalation, status=status)["status"] == status
    assert kinds(talk.escalation)[-2:] == ["reopened", "ai_paused"]


def test_resolution_hands_back_to_the_ai(talk: Talk) -> None:
    held = talk.answers(99)["message"]["id"]
    talk.key.reply(active(talk))
    assert talk.state["ai"]["state"] == "PAUSED"
    talk.key.resolve(active(talk))
    ai = talk.state["ai"]
    assert (ai["state"], ai["epoch"], ai["pausedBy"], ai["pausedAt"]) == ("ACTIVE", 3, None, None)
    assert talk.notices == [CONFIRMATION, HANDED_BACK]
    drafts = {message["id"]: message["status"] for message in talk.key.messages(talk.id)}
    assert drafts[held] == "DISCARDED"
    assert talk.answers(99)["message"]["status"] == "DELIVERED"


def test_first_reply_hands_back_by_the_policy(team: Workspace) -> None:
    talk = Talk.begin(team, ai={"resumeOn": "HUMAN_REPLY"})
    talk.presses()
    talk.key.reply(active(talk))
    assert (talk.state["ai"]["state"], talk.escalation["status"]) == ("ACTIVE", "IN_PROGRESS")
    assert talk.notices == [CONFIRMATION, HANDED_BACK]
    assert kinds(talk.escalation)[-1] == "ai_resumed"
    talk.key.reply(active(talk))
    talk.key.resolve(active(talk))
    assert talk.notices == [CONFIRMATION, HANDED_BACK]
    assert talk.state["ai"]["epoch"] == 3


def test_reply_keeps_a_pause_of_the_member(team: Workspace, bo: Caller) -> None:
    talk = Talk.begin(team, ai={"resumeOn": "HUMAN_REPLY"})
    talk.presses()
    resume(talk)
    bo.ask(PAUSE, id=talk.id)
    bo.reply(active(talk))
    ai = talk.state["ai"]
    assert (ai["state"], ai["pausedBy"]) == ("PAUSED", "TEAM_MEMBER")


@pytest.mark.parametrize(("policy", "keep"), [("MANUAL", False), ("RESOLUTION", True)])
def test_kept_pause_lasts_until_a_member_resumes_the_ai(team: Workspace, policy: str, keep: bool) -> None:
    talk = Talk.begin(team, ai={"resumeOn": policy})
    talk.presses()
    talk.key.reply(active(talk))
    resolved = talk.key.resolve(active(talk), keepAiPaused=keep)
    assert resolved["resolution"]["keptAiPaused"]
    ai = talk.state["ai"]
    assert (ai["state"], ai["epoch"], ai["pausedBy"]) == ("PAUSED", 2, "KEPT_AFTER_RESOLUTION")
    assert talk.notices == [CONFIRMATION]
    resume(talk)
    ai = talk.state["ai"]
    assert (ai["state"], ai["epoch"], ai["pausedBy"]) == ("ACTIVE", 3, None)
    assert talk.notices == [CONFIRMATION, HANDED_BACK]


def test_resolved_escalation_accepts_notes_only(talk: Talk, bo: Caller) -> None:
    escalation = active(talk)
    bo.reply(escalation)
    talk.key.resolve(escalation)
    given = {"escalationId": escalation}
    acts: list[tuple[str, dict[str, Any]]] = [
        (REPLY, {"input": given | {"content": "one more thing"}}),
        (CLAIM, {"id": escalation}),
        (RESOLVE, {"input": given}),
        (UPDATE, {"input": given | {"priority": "URGENT"}}),
        (UPDATE, {"input": given | {"assignTo": talk.workspace.email}}),
        (UPDATE, {"input": given | {"assignTo": ""}}),
        (UPDATE, {"input": given | {"note": "kept?", "priority": "LOW"}}),
    ]
    for query, variables in acts:
        assert refused(talk, bo, query, **variables).code == "CONFLICT", query
    noted = update(bo, escalation, note="She called again.")
    assert noted["status"] == "RESOLVED"
    assert noted["notes"] == [{"body": "She called again.", "author": {"email": "bo@example.com"}}]


def test_changes_are_made_together(talk: Talk, bo: Caller) -> None:
    before = talk.escalation
    changes = {"status": "IN_PROGRESS", "priority": "HIGH", "assignTo": "BO@example.com", "note": "Mine."}
    after = update(bo, before["id"], **changes, expectedVersion=before["version"])
    assert (after["status"], after["priority"]) == ("IN_PROGRESS", "HIGH")
    assert (after["assignee"]["email"], after["notes"][0]["body"]) == ("bo@example.com", "Mine.")
    assert after["version"] == before["version"] + 1
    added = kinds(talk.escalation)[len(before["timeline"]["nodes"]) :]
    assert sorted(added) == ["assigned", "noted", "priority_changed", "status_changed"]
    assert sorted(talk.published[2:]) == [f"escalation.{kind}" for kind in sorted(added)]
    assert {node["actor"]["email"] for node in talk.escalation["timeline"]["nodes"][2:]} == {"bo@example.com"}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"assignTo": "stranger@example.com"}, "BAD_USER_INPUT"),
        ({"note": " "}, "BAD_USER_INPUT"),
        ({"expectedVersion": 7}, "CONFLICT"),
    ],
)
def test_single_invalid_part_changes_nothing(talk: Talk, bad: dict[str, Any], code: str) -> None:
    good = {"status": "IN_PROGRESS", "priority": "URGENT", "note": "a note", "assignTo": ""}
    given = {"escalationId": active(talk)} | good | bad
    assert refused(talk, talk.key, UPDATE, input=given).code == code


def test_update_to_the_present_state_changes_nothing(talk: Talk, bo: Caller) -> None:
    escalation = active(talk)
    bo.ask(CLAIM, id=escalation)
    before = fingerprint(talk.workspace)
    update(bo, escalation, status="OPEN", priority="MEDIUM", assignTo="bo@example.com")
    update(bo, escalation)
    bo.ask(CLAIM, id=escalation)
    assert fingerprint(talk.workspace) == before


def test_empty_assignee_unassigns_the_escalation(talk: Talk) -> None:
    escalation = active(talk)
    update(talk.key, escalation, assignTo=talk.workspace.email)
    assert update(talk.key, escalation, assignTo="")["assignee"] is None
    assert kinds(talk.escalation)[-2:] == ["assigned", "unassigned"]


def test_only_the_first_claim_succeeds(talk: Talk, bo: Caller, ada: Caller) -> None:
    escalation = active(talk)
    claimed = bo.ask(CLAIM, id=escalation)["claimEscalation"]["escalation"]
    assert claimed == {"version": 2, "assignee": {"email": "bo@example.com"}}
    assert refused(talk, ada, CLAIM, id=escalation).code == "CONFLICT"


def test_every_change_is_one_version_and_every_fact_one_entry(talk: Talk, bo: Caller) -> None:
    escalation = active(talk)
    versions = [talk.escalation["version"]]
    acts: list[Callable[[], object]] = [
        lambda: talk.answers(1),
        lambda: talk.fails(),
        lambda: talk.key.escalate(talk.id),
        lambda: bo.ask(CLAIM, id=escalation),
        lambda: bo.reply(escalation),
        lambda: update(bo, escalation, note="a note"),
        lambda: update(bo, escalation, priority="LOW"),
        lambda: bo.resolve(escalation),
        lambda: reopen(bo, escalation),
    ]
    for act in acts:
        act()
        versions.append(talk.escalation["version"])
    assert versions == [1, 1, 1, *range(2, 9)]
    facts = [
        *["created", "triggered", "assigned", "replied", "status_changed", "noted", "priority_changed"],
        *["resolved", "reopened"],
    ]
    assert [kind for kind in kinds(talk.escalation) if not kind.startswith("ai_")] == facts
    events = [item.removeprefix("escalation.") for item in talk.published if item.startswith("escalation.")]
    assert events == facts
