"""The analytics of random histories, next to a reference that computes them from raw rows."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rules.escalation import Disposition, Priority
from rules.typeid import AGENT, MEMBER, format_id, parse_id
from tests.support import analytics_reference as reference
from tests.support.analytics_history import Recorder, Step, open_recorder
from tests.support.baton_client import Server

QUERY = """query($agent: ID!, $from: DateTime!, $to: DateTime!, $interval: AnalyticsInterval!, $zone: String!,
    $thresholds: [Float!]!, $delay: Int, $bins: Int!) {
  escalationAnalytics(agentId: $agent, from: $from, to: $to) {
    conversations escalatedConversations escalations escalationRate slaCompliance
    resolutionTime { ...Times } firstResponseTime { ...Times }
    sla { met missed cancelled running }
    outcomes { resolvedByAi escalatedResolved escalatedOpen }
    topReasons(limit: 100) { reason trigger count share }
    byTrigger { trigger count share dispositions falsePositiveRate }
    byPriority { priority count }
    byAssignee { assignee { id } count medianFirstResponseSeconds slaCompliance }
    falsePositiveRate dispositionCoverage avertedRate
    series(interval: $interval, timezone: $zone) {
      start conversations escalations escalationRate slaCompliance medianResolutionSeconds
    }
  }
  thresholdWhatIf(agentId: $agent, from: $from, to: $to, thresholds: $thresholds, delaySeconds: $delay) {
    threshold escalatedConversations escalationRate precision recall dispositions
  }
  confidenceCalibration(agentId: $agent, from: $from, to: $to, bins: $bins) {
    from to replies conversations escalatedConversations needed notNeeded
  }
}
fragment Times on DurationStats {
  count averageSeconds medianSeconds p90Seconds p95Seconds
  averageBusinessSeconds medianBusinessSeconds p90BusinessSeconds
}"""

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Kiritimati",
    "Pacific/Niue",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
)
OFFICE = [
    {"day": day, "opens": "09:00", "closes": "17:30"}
    for day in ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")
]
# Around both changes of clocks, in the north and in the south, and the end of a month and of a year.
MOMENTS = [
    datetime(2025, 3, 30, 1, tzinfo=UTC),
    datetime(2025, 10, 26, 1, tzinfo=UTC),
    datetime(2025, 4, 5, 15, tzinfo=UTC),
    datetime(2025, 8, 31, 23, 45, tzinfo=UTC),
    datetime(2024, 12, 31, 10, tzinfo=UTC),
]
DELAYS = [0, 30, 90]
CONFIDENCES = st.sampled_from([None, 0.0, 12.5, 33.25, 49.999, 50.0, 66.0, 75.0, 100.0])
GAPS = st.sampled_from([0, 1, 29_999_999, 30_000_000, 30_000_001, 90_000_000, 600_000_000, 86_400_000_000])
MINUTE = 60_000_000

ACTS = st.one_of(
    st.tuples(st.just("replies"), CONFIDENCES),
    st.tuples(st.just("replies"), CONFIDENCES),
    st.tuples(st.just("replies with topic"), CONFIDENCES),
    st.tuples(st.just("says"), st.sampled_from(["hm", "let me talk to a human"])),
    st.tuples(st.just("calls"), st.sampled_from(["a VIP", 'Übergröße, "quoted"', "low_confidence"])),
    st.tuples(st.sampled_from(["presses", "fails", "pauses", "resumes", "fires"]), st.none()),
    st.tuples(st.sampled_from(["answers", "reopens"]), st.none()),
    st.tuples(st.just("resolves"), st.sampled_from([None, *Disposition])),
    st.tuples(st.just("judges"), st.sampled_from([None, *Disposition])),
    st.tuples(st.just("prioritises"), st.sampled_from(list(Priority))),
    st.tuples(st.just("assign"), st.sampled_from([None, 0, 1, 2])),
)
STEPS = st.builds(lambda act, after: Step(act[0], act[1], after), ACTS, GAPS | st.integers(1, 40 * MINUTE))
TALKS = st.tuples(
    st.integers(-20, 20).map(lambda quarters: quarters * 15 * MINUTE) | st.integers(-(10**12), 10**12),
    st.lists(STEPS, max_size=9),
)


@pytest.fixture(scope="module")
def recorder(server: Server) -> Iterator[Recorder]:
    with open_recorder(server) as opened:
        yield opened


def near(result: Any, expected: Any, path: str = "", *, loose: bool = False) -> None:
    """Assert equality; percentiles may be 1 % off, floats by rounding."""
    if isinstance(expected, dict):
        assert set(result) == set(expected), path
        for name, value in expected.items():
            percentile = name.endswith("Seconds") and not name.startswith("average")
            near(result[name], value, f"{path}.{name}", loose=percentile)
    elif isinstance(expected, list):
        assert len(result) == len(expected), (path, result, expected)
        for place, (item, other) in enumerate(zip(result, expected, strict=True)):
            near(item, other, f"{path}[{place}]")
    elif isinstance(expected, float) and result is not None:
        assert result == pytest.approx(expected, rel=0.01 if loose else 1e-9, abs=1e-6), path
    elif isinstance(expected, datetime):
        assert datetime.fromisoformat(result) == expected, path
    else:
        assert result == expected, path


def compare(recorder: Recorder, agent_id: UUID, given: dict[str, Any], delay: int) -> dict[str, Any]:
    """Ask for all analytics of a period, and assert that they are those of the reference."""
    rows = reference.Rows.read(recorder.workspace.server, agent_id)
    result = recorder.workspace.key.ask(QUERY, agent=format_id(AGENT, agent_id), **given)
    start, end = (datetime.fromisoformat(given[name]) for name in ("from", "to"))
    analytics = result["escalationAnalytics"]
    for row in analytics["byAssignee"]:
        row["assignee"] = row["assignee"] and parse_id(MEMBER, row["assignee"]["id"])
    points = analytics.pop("series")
    analytics["byAssignee"].sort(key=lambda row: (-row["count"], str(row["assignee"])))
    near(analytics, reference.metrics(rows, start, end))
    near(points, reference.series(rows, start, end, given["interval"], given["zone"]))
    chosen = given["delay"] if given["delay"] is not None else delay
    near(result["thresholdWhatIf"], reference.what_if(rows, start, end, given["thresholds"], chosen))
    near(result["confidenceCalibration"], reference.calibration(rows, start, end, given["bins"]))
    assert analytics["escalationRate"] is None or 0 <= analytics["escalationRate"] <= 1
    assert sum(analytics["outcomes"].values()) == analytics["conversations"]
    if given["delay"] is None:
        in_period = {row["id"] for row in reference.within(rows.conversations, "created_at", start, end)}
        in_force = next(item for item in result["thresholdWhatIf"] if item["threshold"] == 50)
        assert in_force["escalatedConversations"] == len(rows.low_confidence & in_period)
    return result


# A test for each moment, so that none takes longer than a test may.
@pytest.mark.parametrize("moment", MOMENTS, ids=str)
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_analytics_of_any_history_equal_the_reference(
    recorder: Recorder, moment: datetime, data: Any
) -> None:
    zone = data.draw(st.sampled_from(ZONES))
    delay = data.draw(st.sampled_from(DELAYS))
    agent_id = recorder.new_agent(
        auto_escalation={"delay_seconds": delay},
        triggers={"topics": [{"name": "billing", "intents": ["dispute"]}]},
        ai={"resume_on": data.draw(st.sampled_from(["RESOLUTION", "HUMAN_REPLY", "MANUAL"]))},
        sla={
            "target_response_minutes": data.draw(st.sampled_from([1, 30, 525_600])),
            "business_hours": {"timezone": zone, "week": data.draw(st.sampled_from([[], OFFICE]))},
        },
    )
    instants = [moment]
    for place, (offset, steps) in enumerate(data.draw(st.lists(TALKS, min_size=1, max_size=7))):
        instants += tell(recorder, agent_id, moment + timedelta(microseconds=offset), steps)
        if place == 1:
            recorder.pack(months=data.draw(st.booleans()))
    for packed in ("not at all", "days", "months", "rebuilt"):
        if packed in ("days", "months"):
            recorder.pack(months=packed == "months")
        if packed == "rebuilt":
            recorder.rebuild(agent_id)
        for _ in range(2):
            compare(recorder, agent_id, ask(data, instants, zone), delay)


def tell(recorder: Recorder, agent_id: UUID, start: datetime, steps: list[Step]) -> list[datetime]:
    """Record a conversation, in the end with what still waits; return its instants."""
    steps = [*steps, Step("fires", after=90_000_000)]
    instants, at = [], start
    for step in steps:
        at += timedelta(microseconds=step.after)
        instants.append(at)
    recorder.record(agent_id, start, steps, instants)
    return [start, *instants]


def ask(data: Any, instants: list[datetime], zone: str) -> dict[str, Any]:
    """Draw a period whose borders hit events exactly, lie next to them, or on full local hours."""
    edges = st.sampled_from(instants) | st.sampled_from(
        [instants[0] + timedelta(hours=hours) for hours in range(-60, 60, 7)]
    )
    start, end = sorted((data.draw(edges), data.draw(edges)))
    if data.draw(st.booleans()):
        start, end = datetime(start.year, 1, 1, tzinfo=UTC), end + timedelta(days=70)
    end = max(end + timedelta(microseconds=data.draw(st.sampled_from([0, 1]))), start + timedelta(seconds=1))
    intervals = ["DAY", "WEEK", "MONTH"] + (["HOUR"] if end - start < timedelta(days=10) else [])
    return {
        "from": start.isoformat(),
        "to": end.isoformat(),
        "interval": data.draw(st.sampled_from(intervals)),
        "zone": data.draw(st.sampled_from([zone, *ZONES])),
        "thresholds": [50.0, *data.draw(st.lists(st.floats(0, 100) | st.just(49.999), max_size=4))],
        "delay": data.draw(st.sampled_from([None, None, 0, 29, 30, 31, 86_400])),
        "bins": data.draw(st.integers(1, 100)),
    }
