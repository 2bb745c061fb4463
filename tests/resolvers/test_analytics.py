"""Analytics through the API: judgements, filters, bad input, a period that changes, another workspace."""

from collections.abc import Iterator
from typing import Any

import pytest

from rules.typeid import AGENT, ESCALATION, parse_id
from tests.support.analytics_history import Recorder, open_recorder
from tests.support.baton_client import Caller, Server, Workspace, wait_for
from tests.support.pending_escalations import Doubt

PERIOD = {"from": "2025-01-01T00:00:00Z", "to": "2025-02-01T00:00:00Z"}
ANALYTICS = """query($agent: ID!, $from: DateTime!, $to: DateTime!) {
    escalationAnalytics(agentId: $agent, from: $from, to: $to) { %s } }"""
WHAT_IF = """query($agent: ID!, $from: DateTime!, $to: DateTime!, $thresholds: [Float!]!, $delay: Int) {
    thresholdWhatIf(agentId: $agent, from: $from, to: $to, thresholds: $thresholds, delaySeconds: $delay) {
        threshold escalatedConversations precision recall dispositions } }"""
CALIBRATION = """query($agent: ID!, $from: DateTime!, $to: DateTime!, $bins: Int!) {
    confidenceCalibration(agentId: $agent, from: $from, to: $to, bins: $bins) { replies } }"""
JUDGE = """mutation($id: ID!, $to: Disposition) { setDisposition(escalationId: $id, disposition: $to) {
    escalation { version resolution { disposition } timeline(first: 100) { nodes { kind data } } } } }"""
LIST = """query($filter: EscalationFilter) { escalations(filter: $filter) { nodes { id } totalCount } }"""
NOW = {"from": "2026-01-01T00:00:00Z", "to": "2035-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def team(server: Server) -> Workspace:
    return server.new_workspace()


def resolved(team: Workspace, **more: Any) -> str:
    """Create a resolved escalation."""
    conversation = team.start()["conversation"]["id"]
    team.key.record(conversation, "ASSISTANT", "Hello.", confidence=80)
    escalation = str(team.key.escalate(conversation)["escalation"]["id"])
    team.key.resolve(escalation, **more)
    return escalation


def judge(caller: Caller, escalation: str, to: str | None) -> dict[str, Any]:
    result: dict[str, Any] = caller.ask(JUDGE, id=escalation, to=to)["setDisposition"]["escalation"]
    return result


def test_disposition_is_recorded_changed_and_taken_back(team: Workspace) -> None:
    escalation = resolved(team)
    version = judge(team.key, escalation, "NEEDED")["version"]
    assert judge(team.key, escalation, "NEEDED")["version"] == version
    assert judge(team.key, escalation, "SPAM")["resolution"] == {"disposition": "SPAM"}
    after = judge(team.key, escalation, None)
    assert (after["version"], after["resolution"]) == (version + 2, {"disposition": None})
    changes = [
        entry["data"] for entry in after["timeline"]["nodes"] if entry["kind"] == "disposition_changed"
    ]
    assert [(data["previous"], data["disposition"]) for data in changes] == [
        (None, "NEEDED"),
        ("NEEDED", "SPAM"),
        ("SPAM", None),
    ]
    logged = team.server.rows(
        "SELECT type FROM log WHERE data ->> 'escalation' = $1 AND type = 'escalation.disposition_changed'",
        str(parse_id(ESCALATION, escalation)),
    )
    assert len(logged) == 3


def test_disposition_of_an_active_escalation_is_a_conflict(team: Workspace) -> None:
    conversation = team.start()["conversation"]["id"]
    escalation = team.key.escalate(conversation)["escalation"]["id"]
    assert team.key.refusal(JUDGE, id=escalation, to="NEEDED").code == "CONFLICT"


def test_filters_choose_by_disposition(server: Server) -> None:
    team = server.new_workspace()
    needed, spam, open_ = (
        resolved(team, disposition="NEEDED"),
        resolved(team, disposition="SPAM"),
        resolved(team),
    )

    def listed(**chosen: Any) -> set[str]:
        result = team.key.ask(LIST, filter=chosen)["escalations"]
        assert result["totalCount"] == len(result["nodes"])
        return {node["id"] for node in result["nodes"]}

    assert listed(disposition=["NEEDED"]) == {needed}
    assert listed(disposition=["NEEDED", "SPAM"]) == listed(reviewed=True) == {needed, spam}
    assert listed(reviewed=False) == {open_}
    assert listed(disposition=[]) == set()
    assert listed(reviewed=False, disposition=["NEEDED"]) == set()


@pytest.fixture(scope="module")
def recorder(server: Server) -> Iterator[Recorder]:
    with open_recorder(server) as opened:
        yield opened


@pytest.mark.parametrize("packed", [False, True])
def test_write_is_seen_immediately(team: Workspace, recorder: Recorder, packed: bool) -> None:
    agent = team.key.ask('mutation { createAgent(name: "Robot") { id } }')["createAgent"]["id"]
    outcomes = "outcomes { resolvedByAi escalatedOpen escalatedResolved }"
    fields = f"conversations escalations falsePositiveRate {outcomes}"

    def read() -> list[Any]:
        result = team.key.ask(ANALYTICS % fields, agent=agent, **NOW)["escalationAnalytics"]
        return [
            *[result[name] for name in ("conversations", "escalations", "falsePositiveRate")],
            *result["outcomes"].values(),
        ]

    def settle() -> None:
        if packed:
            recorder.pack()

    assert read() == [0, 0, None, 0, 0, 0]
    conversation = team.key.start(agent)["conversation"]["id"]
    team.key.record(conversation, "ASSISTANT", "Hello.", confidence=80)
    settle()
    assert read() == [1, 0, None, 1, 0, 0]
    escalation = team.key.escalate(conversation)["escalation"]["id"]
    settle()
    assert read() == [1, 1, None, 0, 1, 0]
    team.key.resolve(escalation, disposition="SPAM")
    settle()
    assert read() == [1, 1, 1.0, 0, 0, 1]
    judge(team.key, escalation, "NEEDED")
    assert read() == [1, 1, 0.0, 0, 0, 1]


def test_worker_takes_in_many_changes(server: Server) -> None:
    team = server.new_workspace()
    server.execute(
        "INSERT INTO analytics_changes (agent_id, slot) "
        "SELECT $1, timestamptz '2025-01-01 UTC' + n * interval '15 minutes' "
        "FROM generate_series(1, 300) AS n",
        parse_id(AGENT, team.agent_id),
    )
    wait_for(lambda: not server.rows("SELECT FROM analytics_changes LIMIT 1"), "the roll-ups", 60)
    days = server.rows("SELECT day FROM analytics_days WHERE agent_id = $1", parse_id(AGENT, team.agent_id))
    # 300 quarters of an hour.
    assert len(days) == 4


@pytest.mark.parametrize("packed", [False, True])
def test_withdrawn_escalation_counts_as_not_escalated(
    server: Server, recorder: Recorder, packed: bool
) -> None:
    doubt = Doubt.begin(server.new_workspace())
    doubt.replies(confidence=30)
    doubt.key.settings(doubt.agent_id, autoEscalation={"enabled": False})
    assert doubt.outcomes == ["WITHDRAWN"]
    if packed:
        recorder.pack()
    fields = "conversations escalations avertedRate outcomes { resolvedByAi escalatedResolved escalatedOpen }"
    result = doubt.key.ask(ANALYTICS % fields, agent=doubt.agent_id, **NOW)["escalationAnalytics"]
    assert result == {
        "conversations": 1,
        "escalations": 0,
        "avertedRate": 0.0,
        "outcomes": {"resolvedByAi": 1, "escalatedResolved": 0, "escalatedOpen": 0},
    }

    def escalated(delay: int | None) -> int:
        given = {"agent": doubt.agent_id, "thresholds": [50.0], "delay": delay}
        result = doubt.key.ask(WHAT_IF, **given, **NOW)["thresholdWhatIf"]
        return int(result[0]["escalatedConversations"])

    # The delay of the settings has not ended; without a delay the reply would have escalated.
    assert (escalated(None), escalated(0)) == (0, 1)


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "an empty period": (ANALYTICS % "conversations", {"to": PERIOD["from"]}, "to"),
    "a period that ends before it begins": (
        ANALYTICS % "conversations",
        {"to": "2024-12-31T00:00:00Z"},
        "to",
    ),
    "more than ten years": (ANALYTICS % "conversations", {"to": "2035-01-02T00:00:00.000001Z"}, "to"),
    "the Middle Ages": (ANALYTICS % "conversations", {"from": "1200-01-01T00:00:00Z"}, "from"),
    "an unknown zone": (ANALYTICS % 'series(timezone: "Mars/Olympus") { start }', {}, "timezone"),
    "2,001 points": (
        ANALYTICS % "series(interval: HOUR) { start }",
        {"to": "2025-03-25T08:00:00.000001Z"},
        "interval",
    ),
    "no reasons": (ANALYTICS % "topReasons(limit: 0) { count }", {}, "limit"),
    "too many reasons": (ANALYTICS % "topReasons(limit: 101) { count }", {}, "limit"),
    "too many thresholds": (WHAT_IF, {"thresholds": [50.0] * 102}, "thresholds"),
    "a threshold below 0": (WHAT_IF, {"thresholds": [50.0, -0.1]}, "thresholds.1"),
    "a threshold above 100": (WHAT_IF, {"thresholds": [100.1]}, "thresholds.0"),
    "a negative delay": (WHAT_IF, {"thresholds": [50.0], "delay": -1}, "delaySeconds"),
    "a delay over a day": (WHAT_IF, {"thresholds": [50.0], "delay": 86_401}, "delaySeconds"),
    "a what-if of no time": (WHAT_IF, {"thresholds": [50.0], "to": PERIOD["from"]}, "to"),
    "no bins": (CALIBRATION, {"bins": 0}, "bins"),
    "too many bins": (CALIBRATION, {"bins": 101}, "bins"),
    "a calibration of no time": (CALIBRATION, {"bins": 10, "to": PERIOD["from"]}, "to"),
}


@pytest.mark.parametrize(("query", "changes", "field"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_its_path(
    team: Workspace, query: str, changes: dict[str, Any], field: str
) -> None:
    refused = team.key.refusal(query, agent=team.agent_id, **{**PERIOD, **changes})
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", field)


def test_limits_themselves_are_accepted(team: Workspace) -> None:
    agent = team.agent_id
    series = "series(interval: HOUR) { start }"
    result = team.key.ask(ANALYTICS % series, agent=agent, **{**PERIOD, "to": "2025-03-25T08:00:00Z"})
    assert len(result["escalationAnalytics"]["series"]) == 2_000
    team.key.ask(ANALYTICS % "conversations", agent=agent, **{**PERIOD, "to": "2035-01-01T00:00:00Z"})
    thresholds = [float(threshold) for threshold in range(101)]
    assert len(team.key.ask(WHAT_IF, agent=agent, thresholds=thresholds, **PERIOD)["thresholdWhatIf"]) == 101
    assert len(team.key.ask(CALIBRATION, agent=agent, bins=100, **PERIOD)["confidenceCalibration"]) == 100
    assert team.key.ask(WHAT_IF, agent=agent, thresholds=[], **PERIOD)["thresholdWhatIf"] == []


def test_agent_of_another_workspace_does_not_exist(server: Server, team: Workspace) -> None:
    other = server.new_workspace()
    queries: tuple[tuple[str, dict[str, Any]], ...] = (
        (ANALYTICS % "conversations", {}),
        (WHAT_IF, {"thresholds": [50.0]}),
        (CALIBRATION, {"bins": 10}),
    )
    for query, more in queries:
        assert other.key.refusal(query, agent=team.agent_id, **PERIOD, **more).code == "NOT_FOUND"


def test_preview_ignores_a_reply_that_still_waits(team: Workspace, recorder: Recorder) -> None:
    agent = team.key.ask('mutation { createAgent(name: "Robot") { id } }')["createAgent"]["id"]
    team.key.settings(agent, autoEscalation={"delaySeconds": 3_600})
    conversation = team.key.start(agent)["conversation"]["id"]
    team.key.record(conversation, "ASSISTANT", "Hm.", confidence=10)
    recorder.pack()

    def escalated(delay: int | None) -> int:
        result = team.key.ask(WHAT_IF, agent=agent, thresholds=[50.0], delay=delay, **NOW)
        return int(result["thresholdWhatIf"][0]["escalatedConversations"])

    assert (escalated(None), escalated(0)) == (0, 1)


def test_clock_that_ran_out_unannounced_is_missed(server: Server, recorder: Recorder) -> None:
    team = server.new_workspace()
    conversation = team.start()["conversation"]["id"]
    escalation = team.key.escalate(conversation)["escalation"]["id"]
    recorder.pack()
    # Without a note: as if time had passed.
    server.execute("ALTER TABLE escalations DISABLE TRIGGER USER")
    server.execute(
        "UPDATE escalations SET sla_due_at = clock_timestamp() - interval '1 second', sla_next_at = NULL "
        "WHERE id = $1",
        parse_id(ESCALATION, escalation),
    )
    server.execute("ALTER TABLE escalations ENABLE TRIGGER USER")
    result = team.key.ask(ANALYTICS % "slaCompliance sla { missed running }", agent=team.agent_id, **NOW)
    assert result["escalationAnalytics"] == {"slaCompliance": 0.0, "sla": {"missed": 1, "running": 0}}
