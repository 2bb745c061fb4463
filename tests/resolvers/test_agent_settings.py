"""Escalation settings: the defaults, partial changes, what is refused, and what they hold for."""

from datetime import datetime
from typing import Any

import pytest

from tests.support.baton_client import Workspace
from tests.support.conversation_driver import Talk
from tests.support.seeded_workspace import fingerprint

FIELDS = """agentId version updatedAt
    autoEscalation { enabled confidenceThreshold delaySeconds }
    triggers { phrasesEnabled extraPhrases toolFailureLimit topics { name keywords intents priority } }
    ai { resumeOn }
    sla { targetResponseMinutes targetsByPriority { priority targetResponseMinutes } defaultPriority
          atRiskPercent
          businessHours { timezone week { day opens closes } holidays { date name } holidayCalendar } }
    widget { buttonVisibility buttonAfterMessages buttonText confirmationMessage allowedOrigins }"""
READ = f"query($id: ID!) {{ escalationSettings(agentId: $id) {{ {FIELDS} }} }}"
CHANGE = f"""mutation($input: UpdateEscalationSettingsInput!) {{
    updateEscalationSettings(input: $input) {{ settings {{ {FIELDS} }} }} }}"""
UPDATE = """mutation($input: UpdateEscalationInput!) { updateEscalation(input: $input) {
    escalation { version } } }"""

DEFAULTS: dict[str, Any] = {
    "autoEscalation": {"enabled": True, "confidenceThreshold": 50, "delaySeconds": 0},
    "triggers": {"phrasesEnabled": True, "extraPhrases": [], "toolFailureLimit": 3, "topics": []},
    "ai": {"resumeOn": "RESOLUTION"},
    "sla": {
        "targetResponseMinutes": 120,
        "targetsByPriority": [],
        "defaultPriority": "MEDIUM",
        "atRiskPercent": 80,
        "businessHours": {"timezone": "UTC", "week": [], "holidays": [], "holidayCalendar": None},
    },
    "widget": {
        "buttonVisibility": "ALWAYS",
        "buttonAfterMessages": 3,
        "buttonText": "Talk to a human",
        "confirmationMessage": "Your request has been escalated to our support team. "
        "We typically respond within {response_time} during business hours.",
        "allowedOrigins": [],
    },
}
EVERYTHING: dict[str, Any] = {
    "autoEscalation": {"enabled": False, "confidenceThreshold": 62.5, "delaySeconds": 86_400},
    "triggers": {
        "phrasesEnabled": False,
        "extraPhrases": ["Mensch", "人工"],
        "toolFailureLimit": 1,
        "topics": [
            {"name": "legal", "keywords": ["lawyer"], "intents": ["sue"], "priority": "URGENT"},
            {"name": "refund", "keywords": [], "intents": [], "priority": None},
        ],
    },
    "ai": {"resumeOn": "MANUAL"},
    "sla": {
        "targetResponseMinutes": 525_600,
        "targetsByPriority": [{"priority": "URGENT", "targetResponseMinutes": 1}],
        "defaultPriority": "HIGH",
        "atRiskPercent": 100,
        "businessHours": {
            "timezone": "Europe/Berlin",
            "week": [{"day": day, "opens": "06:00", "closes": "02:00"} for day in ("SUNDAY", "FRIDAY")],
            "holidays": [{"date": "2026-12-24", "name": "Heiligabend"}],
            "holidayCalendar": "DE-BY",
        },
    },
    "widget": {
        "buttonVisibility": "AFTER_THRESHOLD",
        "buttonAfterMessages": 0,
        "buttonText": "Mensch!",
        "confirmationMessage": "{response_time}",
        "allowedOrigins": ["https://www.example.com", "http://localhost:3000"],
    },
}


def read(team: Workspace, agent_id: str) -> dict[str, Any]:
    escalation_settings: dict[str, Any] = team.key.ask(READ, id=agent_id)["escalationSettings"]
    return escalation_settings


def change(team: Workspace, agent_id: str, **changes: Any) -> dict[str, Any]:
    given = {"agentId": agent_id, **changes}
    settings: dict[str, Any] = team.key.ask(CHANGE, input=given)["updateEscalationSettings"]["settings"]
    assert settings == read(team, agent_id)
    return settings


def only(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in DEFAULTS}


def test_new_agent_has_the_defaults(team: Workspace, agent_id: str) -> None:
    for agent in (agent_id, team.agent_id):
        settings = read(team, agent)
        assert only(settings) == DEFAULTS
        assert (settings["agentId"], settings["version"]) == (agent, 1)


def test_given_settings_are_stored_unchanged(team: Workspace, agent_id: str) -> None:
    before = read(team, agent_id)
    settings = change(team, agent_id, **EVERYTHING)
    assert only(settings) == EVERYTHING
    assert settings["version"] == 2
    assert settings["updatedAt"] > before["updatedAt"]
    assert only(change(team, agent_id, **DEFAULTS)) == DEFAULTS


@pytest.mark.parametrize("given_null", [False, True], ids=["left out", "null"])
def test_omitted_setting_is_unchanged(team: Workspace, agent_id: str, given_null: bool) -> None:
    change(team, agent_id, **EVERYTHING)
    empty: dict[str, Any] = dict.fromkeys(["enabled", "delaySeconds"]) if given_null else {}
    nothing: dict[str, Any] = dict.fromkeys(["triggers", "ai", "widget"]) if given_null else {}
    settings = change(
        team,
        agent_id,
        autoEscalation={"confidenceThreshold": 0, **empty},
        sla={"atRiskPercent": 1},
        **nothing,
    )
    assert only(settings) == EVERYTHING | {
        "autoEscalation": EVERYTHING["autoEscalation"] | {"confidenceThreshold": 0},
        "sla": EVERYTHING["sla"] | {"atRiskPercent": 1},
    }


def test_list_replaces_the_whole_list(team: Workspace, agent_id: str) -> None:
    change(team, agent_id, **EVERYTHING)
    settings = change(
        team,
        agent_id,
        triggers={"topics": [{"name": "other"}], "extraPhrases": []},
        sla={"targetsByPriority": []},
        widget={"allowedOrigins": ["https://two.example.com"]},
    )
    other: dict[str, Any] = {"name": "other", "keywords": [], "intents": [], "priority": None}
    expected = EVERYTHING["triggers"] | {"topics": [other], "extraPhrases": []}
    assert settings["triggers"] == expected
    assert settings["sla"]["targetsByPriority"] == []
    assert settings["widget"]["allowedOrigins"] == ["https://two.example.com"]


def test_update_without_a_change_makes_no_version(team: Workspace, agent_id: str) -> None:
    before = read(team, agent_id)
    several: list[dict[str, Any]] = [{}, {"sla": {}}, {"sla": {"businessHours": {}}}, DEFAULTS]
    for changes in several:
        assert change(team, agent_id, **changes) == before


def test_expected_version_refuses_a_lost_update(team: Workspace, agent_id: str) -> None:
    assert change(team, agent_id, expectedVersion=1, sla={"atRiskPercent": 70})["version"] == 2
    before = fingerprint(team)
    given = {"agentId": agent_id, "expectedVersion": 1, "sla": {"atRiskPercent": 60}}
    refused = team.key.refusal(CHANGE, input=given)
    assert refused.code == "CONFLICT"
    assert "2" in refused.errors[0]["message"]
    assert fingerprint(team) == before


def test_agents_have_settings_of_their_own(team: Workspace, other: Workspace, agent_id: str) -> None:
    change(team, agent_id, sla={"atRiskPercent": 10})
    assert only(read(team, team.agent_id)) == DEFAULTS
    before = fingerprint(team)
    given = {"agentId": agent_id, "sla": {"atRiskPercent": 20}}
    assert other.key.refusal(CHANGE, input=given).code == "NOT_FOUND"
    assert other.key.refusal(READ, id=agent_id).code == "NOT_FOUND"
    assert fingerprint(team) == before


TWICE = [{"priority": "LOW", "targetResponseMinutes": 5}, {"priority": "LOW", "targetResponseMinutes": 6}]


@pytest.mark.parametrize(
    ("path", "value", "at"),
    [
        *[("autoEscalation.confidenceThreshold", value, "") for value in (-1, 100.1, 101)],
        *[("autoEscalation.delaySeconds", value, "") for value in (-1, 86_401)],
        *[("triggers.toolFailureLimit", value, "") for value in (0, -1, 1_001)],
        ("triggers.extraPhrases", ["Mensch", "Mensch"], ""),
        ("triggers.extraPhrases", ["Mensch", " "], ".1"),
        ("triggers.extraPhrases", ["x" * 201], ".0"),
        ("triggers.extraPhrases", [f"{n}" for n in range(501)], ""),
        ("triggers.topics", [{"name": "a"}, {"name": ""}], ".1.name"),
        ("triggers.topics", [{"name": "x" * 201}], ".0.name"),
        ("triggers.topics", [{"name": "a", "keywords": ["b", "c", "\t"]}], ".0.keywords.2"),
        ("triggers.topics", [{"name": "a", "keywords": ["b", "b"]}], ".0.keywords"),
        ("triggers.topics", [{"name": "a", "intents": ["x" * 201]}], ".0.intents.0"),
        ("triggers.topics", [{"name": f"{n}"} for n in range(101)], ""),
        ("triggers.topics", [{"name": "a"}, {"name": "b"}, {"name": "a"}], ""),
        *[("sla.targetResponseMinutes", value, "") for value in (0, -1, 525_601)],
        (
            "sla.targetsByPriority",
            [{"priority": "LOW", "targetResponseMinutes": 0}],
            ".0.targetResponseMinutes",
        ),
        ("sla.targetsByPriority", TWICE, ""),
        *[("sla.atRiskPercent", value, "") for value in (0, 101, -1)],
        ("widget.buttonAfterMessages", -1, ""),
        *[("widget.buttonText", value, "") for value in ("", " ", "x" * 101)],
        *[("widget.confirmationMessage", value, "") for value in ("", " ", "x" * 2_001)],
        *[
            ("widget.allowedOrigins", ["https://example.com", value], ".1")
            for value in ("", "*", "example.com", "ftp://a.b", "https://a.b/", "https://a.b/c", "https://a b")
        ],
    ],
)
def test_refused_setting_is_named_and_changes_nothing(
    team: Workspace, agent_id: str, path: str, value: Any, at: str
) -> None:
    given: dict[str, Any] = {"ai": {"resumeOn": "MANUAL"}}
    inner = given
    *outer, last = path.split(".")
    for name in outer:
        inner = inner.setdefault(name, {})
    inner[last] = value
    before = fingerprint(team)
    refused = team.key.refusal(CHANGE, input={"agentId": agent_id} | given)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", f"input.{path}{at}")
    assert refused.errors[0]["message"].startswith(f"input.{path}{at} ")
    assert fingerprint(team) == before


def test_empty_opening_hours_are_taken(team: Workspace, agent_id: str) -> None:
    hours: dict[str, Any] = {
        "timezone": "America/New_York",
        "week": [],
        "holidays": [],
        "holidayCalendar": None,
    }
    settings = change(team, agent_id, sla={"businessHours": hours})
    assert settings["sla"]["businessHours"] == hours


def minutes_of(sla: dict[str, Any], end: str) -> float:
    started, ended = (datetime.fromisoformat(sla[name]) for name in ("startedAt", end))
    return (ended - started).total_seconds() / 60


def test_new_settings_hold_for_new_escalations(team: Workspace) -> None:
    urgent = [{"priority": "URGENT", "targetResponseMinutes": 10}]
    talk = Talk.begin(
        team, sla={"targetResponseMinutes": 60, "targetsByPriority": urgent, "atRiskPercent": 50}
    )
    talk.presses()
    begun = talk.escalation
    new = [{"priority": "URGENT", "targetResponseMinutes": 30}]
    change(
        team,
        talk.agent_id,
        sla={
            "targetResponseMinutes": 90,
            "targetsByPriority": new,
            "atRiskPercent": 90,
            "defaultPriority": "LOW",
        },
        widget={"confirmationMessage": "new"},
    )
    kept = talk.escalation
    for result in (begun, kept):
        del result["sla"]["remainingMinutes"]
    assert kept == begun
    assert talk.presses()["confirmationMessage"] != "new"

    for priority, target in (("URGENT", 10), ("HIGH", 60)):
        talk.key.ask(UPDATE, input={"escalationId": begun["id"], "priority": priority})
        sla = talk.escalation["sla"]
        assert sla["startedAt"] == begun["sla"]["startedAt"]
        assert sla["targetMinutes"] == minutes_of(sla, "dueAt") == target
        assert minutes_of(sla, "atRiskAt") == target / 2

    later = Talk(team, talk.agent_id, talk.key.start(talk.agent_id))
    assert later.presses()["confirmationMessage"] == "new"
    result = later.escalation
    assert (result["priority"], result["sla"]["targetMinutes"]) == ("LOW", 90)
    assert minutes_of(result["sla"], "atRiskAt") == 81


def test_stopped_clock_is_not_recalculated(team: Workspace) -> None:
    talk = Talk.begin(team, sla={"targetsByPriority": [{"priority": "URGENT", "targetResponseMinutes": 1}]})
    talk.presses()
    escalation = talk.escalation["id"]
    talk.key.reply(escalation)
    before = talk.escalation["sla"]
    talk.key.ask(UPDATE, input={"escalationId": escalation, "priority": "URGENT"})
    assert talk.escalation["sla"] == before
    assert before["outcome"] == "MET"
