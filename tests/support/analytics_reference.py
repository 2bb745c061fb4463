"""Every metric of the analytics, computed from raw rows in plain Python by its definition."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from rules.business_hours import hours_of
from tests.support.baton_client import Server

Row = dict[str, Any]

AI_TRIGGERS = {"LOW_CONFIDENCE", "TOOL_FAILURE", "TOPIC"}
TRIGGER_NAMES = ("BUTTON", "PHRASE", "FORM", "LOW_CONFIDENCE", "TOOL_FAILURE", "TOPIC", "API", "TEAM_MEMBER")
PRIORITY_NAMES = ("URGENT", "HIGH", "MEDIUM", "LOW")
STEP = timedelta(minutes=15)


@dataclass
class Rows:
    """All rows of one AI agent, as they are now."""

    now: datetime
    conversations: list[Row]
    replies: dict[UUID, list[Row]]
    escalations: list[Row]
    of_conversation: dict[UUID, list[Row]]
    other_triggers: dict[UUID, list[datetime]]
    low_confidence: set[UUID]
    pending: list[Row]

    @classmethod
    def read(cls, server: Server, agent_id: UUID) -> "Rows":
        """Read them."""
        conversations = server.rows("SELECT * FROM conversations WHERE agent_id = $1", agent_id)
        replies: dict[UUID, list[Row]] = {row["id"]: [] for row in conversations}
        for row in server.rows(
            "SELECT * FROM messages WHERE role = 'ASSISTANT' AND status = 'DELIVERED' "
            "AND conversation_id = ANY($1) ORDER BY position",
            list(replies),
        ):
            replies[row["conversation_id"]].append(row)
        escalations = server.rows(
            "SELECT escalations.*, sla_policy::text AS policy FROM escalations WHERE agent_id = $1 "
            "ORDER BY created_at",
            agent_id,
        )
        of_conversation: dict[UUID, list[Row]] = {row["id"]: [] for row in conversations}
        for row in escalations:
            of_conversation[row["conversation_id"]].append(row)
        events = server.rows(
            "SELECT t.*, e.conversation_id "
            "FROM trigger_events t JOIN escalations e ON e.id = t.escalation_id "
            "WHERE e.agent_id = $1",
            agent_id,
        )
        others: dict[UUID, list[datetime]] = {row["id"]: [] for row in conversations}
        for row in events:
            if row["trigger"] != "LOW_CONFIDENCE":
                others[row["conversation_id"]].append(row["occurred_at"])
        low = {row["conversation_id"] for row in events if row["trigger"] == "LOW_CONFIDENCE"}
        pending = server.rows("SELECT * FROM pending_escalations WHERE agent_id = $1", agent_id)
        (clock,) = server.rows("SELECT clock_timestamp() AS now")
        return cls(clock["now"], conversations, replies, escalations, of_conversation, others, low, pending)

    def counts(self, conversation: Row) -> bool:
        """Decide if the AI answered, or raised an escalation itself."""
        raised = {row["trigger"] for row in self.of_conversation[conversation["id"]]}
        return bool(self.replies[conversation["id"]]) or bool(raised & AI_TRIGGERS)

    def outcome(self, row: Row) -> str:
        """Return the outcome of the first-response clock."""
        stopped = row["sla_stopped_at"]
        if (stopped or self.now) >= row["sla_due_at"]:
            return "missed"
        if stopped is None:
            return "running"
        return "met" if row["first_responded_at"] else "cancelled"


def ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def within(rows: Iterable[Row], name: str, start: datetime, end: datetime) -> list[Row]:
    return [row for row in rows if start <= row[name] < end]


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the percentile, interpolated between the nearest ranks."""
    if not values:
        return None
    ordered = sorted(values)
    rank = (len(ordered) - 1) * percent / 100
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def needed(row: Row) -> bool:
    return bool(row["disposition"] == "NEEDED")


def false_positives(rows: Iterable[Row]) -> float | None:
    reviewed = [row for row in rows if row["disposition"]]
    return ratio(sum(not needed(row) for row in reviewed), len(reviewed))


def compliance(rows: Rows, chosen: Iterable[Row]) -> float | None:
    outcomes = Counter(rows.outcome(row) for row in chosen)
    return ratio(outcomes["met"], outcomes["met"] + outcomes["missed"])


def durations(rows: Iterable[Row], end: str) -> Row:
    """Return the statistics of a duration, by the keys of the API."""
    ended = [row for row in rows if row[end]]
    elapsed = [(row[end] - row["created_at"]).total_seconds() for row in ended]
    business = [business_seconds(row, row[end]) for row in ended]
    return {
        "count": len(ended),
        "averageSeconds": math.fsum(elapsed) / len(ended) if ended else None,
        "medianSeconds": percentile(elapsed, 50),
        "p90Seconds": percentile(elapsed, 90),
        "p95Seconds": percentile(elapsed, 95),
        "averageBusinessSeconds": math.fsum(business) / len(ended) if ended else None,
        "medianBusinessSeconds": percentile(business, 50),
        "p90BusinessSeconds": percentile(business, 90),
    }


def business_seconds(row: Row, end: datetime) -> float:
    return (
        hours_of(orjson.loads(row["policy"])["business_hours"])
        .between(row["created_at"], end)
        .total_seconds()
    )


def metrics(rows: Rows, start: datetime, end: datetime) -> Row:
    """`escalationAnalytics` without the series."""
    counted = [row for row in within(rows.conversations, "created_at", start, end) if rows.counts(row)]
    escalated = [row for row in counted if rows.of_conversation[row["id"]]]
    active = [
        row
        for row in escalated
        if any(other["status"] != "RESOLVED" for other in rows.of_conversation[row["id"]])
    ]
    chosen = within(rows.escalations, "created_at", start, end)
    resolved = [row for row in chosen if row["status"] == "RESOLVED"]
    outcomes = Counter(rows.outcome(row) for row in chosen)
    waited = [
        row["outcome"]
        for row in within(rows.pending, "requested_at", start, end)
        if row["outcome"] != "WAITING"
    ]
    return {
        "conversations": len(counted),
        "escalatedConversations": len(escalated),
        "escalations": len(chosen),
        "escalationRate": ratio(len(escalated), len(counted)),
        "resolutionTime": durations(chosen, "resolved_at"),
        "firstResponseTime": durations(chosen, "first_responded_at"),
        "slaCompliance": ratio(outcomes["met"], outcomes["met"] + outcomes["missed"]),
        "sla": {name: outcomes[name] for name in ("met", "missed", "cancelled", "running")},
        "outcomes": {
            "resolvedByAi": len(counted) - len(escalated),
            "escalatedResolved": len(escalated) - len(active),
            "escalatedOpen": len(active),
        },
        "topReasons": reasons(chosen),
        "byTrigger": by_trigger(chosen),
        "byPriority": [
            {"priority": name, "count": count}
            for name in PRIORITY_NAMES
            if (count := sum(row["priority"] == name for row in chosen))
        ],
        "byAssignee": by_assignee(rows, chosen),
        "falsePositiveRate": false_positives(chosen),
        "dispositionCoverage": ratio(sum(bool(row["disposition"]) for row in resolved), len(resolved)),
        "avertedRate": ratio(waited.count("AVERTED"), len(waited)),
    }


def reasons(chosen: Sequence[Row]) -> list[Row]:
    counts = Counter((row["trigger"], row["reason"]) for row in chosen)
    return [
        {"reason": reason, "trigger": trigger, "count": count, "share": count / len(chosen)}
        for (trigger, reason), count in sorted(
            counts.items(), key=lambda item: (-item[1], item[0][1], TRIGGER_NAMES.index(item[0][0]))
        )
    ]


def by_trigger(chosen: Sequence[Row]) -> list[Row]:
    result = []
    for name in TRIGGER_NAMES:
        rows = [row for row in chosen if row["trigger"] == name]
        if rows:
            reviewed = sum(bool(row["disposition"]) for row in rows)
            rate = false_positives(rows)
            result.append(
                {
                    "trigger": name,
                    "count": len(rows),
                    "share": len(rows) / len(chosen),
                    "dispositions": reviewed,
                    "falsePositiveRate": rate,
                }
            )
    return sorted(result, key=lambda row: -row["count"])


def by_assignee(rows: Rows, chosen: Sequence[Row]) -> list[Row]:
    result = []
    for member in {row["assignee_id"] for row in chosen}:
        own = [row for row in chosen if row["assignee_id"] == member]
        responses = durations(own, "first_responded_at")
        result.append(
            {
                "assignee": member,
                "count": len(own),
                "medianFirstResponseSeconds": responses["medianSeconds"],
                "slaCompliance": compliance(rows, own),
            }
        )
    return sorted(result, key=lambda row: (-row["count"], str(row["assignee"])))


_IS_START: dict[str, Callable[[datetime], bool]] = {
    "DAY": lambda _: True,
    "WEEK": lambda local: local.weekday() == 0,
    "MONTH": lambda local: local.day == 1,
}


@lru_cache(maxsize=64)
def borders(start: datetime, end: datetime, interval: str, zone: str) -> list[datetime]:
    """Return the starts of the steps: look at every quarter of an hour."""
    place = ZoneInfo(zone)
    at = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0) - timedelta(days=34)
    result: list[datetime] = []
    latest: date = at.astimezone(place).date()
    while at < end:
        local = at.astimezone(place)
        if interval == "HOUR":
            begins = local.minute == 0
        else:
            begins = local.date() > latest and _IS_START[interval](local)
            latest = max(latest, local.date())
        if begins:
            result.append(at)
        at += STEP
    first = max(place for place, border in enumerate(result) if border <= start)
    return result[first:]


def series(rows: Rows, start: datetime, end: datetime, interval: str, zone: str) -> list[Row]:
    """Return the series of `escalationAnalytics`."""
    starts = borders(start, end, interval, zone)
    points = []
    for place, begin in enumerate(starts):
        stop = min(starts[place + 1] if place + 1 < len(starts) else end, end)
        step = metrics(rows, max(begin, start), stop)
        points.append(
            {
                "start": begin,
                "conversations": step["conversations"],
                "escalations": step["escalations"],
                "escalationRate": step["escalationRate"],
                "slaCompliance": step["slaCompliance"],
                "medianResolutionSeconds": step["resolutionTime"]["medianSeconds"],
            }
        )
    return points


def fires(
    replies: Sequence[Row], others: Sequence[datetime], threshold: float, delay: int, now: datetime
) -> bool:
    """Decide if low confidence escalates, event by event."""
    events: list[tuple[datetime, int, float | None]] = [(at, 0, None) for at in others]
    events += [(row["created_at"], 1, row["confidence"]) for row in replies if row["confidence"] is not None]
    taken_over = set(others)
    deadline: datetime | None = None
    for at, is_reply, confidence in sorted(events, key=lambda event: event[:2]):
        if deadline is not None and at >= deadline:
            return True
        if not is_reply:
            deadline = None
            continue
        assert confidence is not None
        if confidence >= threshold:
            deadline = None
        elif delay == 0:
            return True
        elif at not in taken_over and deadline is None:
            deadline = at + timedelta(seconds=delay)
    return deadline is not None and deadline <= now


def what_if(rows: Rows, start: datetime, end: datetime, thresholds: Sequence[float], delay: int) -> list[Row]:
    """`thresholdWhatIf`."""
    chosen = within(rows.conversations, "created_at", start, end)
    counted = sum(rows.counts(row) for row in chosen)
    reviewed = [
        (conversation["id"], place, row)
        for conversation in chosen
        for place, row in enumerate(rows.of_conversation[conversation["id"]])
        if row["disposition"]
    ]
    result = []
    for threshold in thresholds:
        escalated = sum(
            fires(rows.replies[row["id"]], rows.other_triggers[row["id"]], threshold, delay, rows.now)
            for row in chosen
        )
        raised = [row for key, place, row in reviewed if _raises(rows, key, place, threshold, delay)]
        right = sum(map(needed, raised))
        result.append(
            {
                "threshold": threshold,
                "escalatedConversations": escalated,
                "escalationRate": ratio(escalated, counted),
                "precision": ratio(right, len(raised)),
                "recall": ratio(right, sum(needed(row) for _, _, row in reviewed)),
                "dispositions": len(reviewed),
            }
        )
    return result


def _raises(rows: Rows, conversation: UUID, place: int, threshold: float, delay: int) -> bool:
    """Decide if low confidence fires after the escalation before, and not after this one."""
    escalations = rows.of_conversation[conversation]
    begin = escalations[place - 1]["created_at"] if place else datetime.min.replace(tzinfo=UTC)
    end = escalations[place]["created_at"]
    replies = [row for row in rows.replies[conversation] if begin < row["created_at"] <= end]
    others = [at for at in rows.other_triggers[conversation] if begin < at <= end]
    return fires(replies, others, threshold, delay, datetime.max.replace(tzinfo=UTC))


def calibration(rows: Rows, start: datetime, end: datetime, bins: int) -> list[Row]:
    """`confidenceCalibration`."""
    result = []
    chosen = within(rows.conversations, "created_at", start, end)
    for place in range(bins):
        low, high = 100 * place / bins, 100 * (place + 1) / bins
        last = place == bins - 1
        inside = {
            row["id"]: [
                reply
                for reply in rows.replies[row["id"]]
                if reply["confidence"] is not None
                and low <= reply["confidence"]
                and (reply["confidence"] < high or last)
            ]
            for row in chosen
        }
        fates = [rows.of_conversation[key] for key, replies in inside.items() if replies]
        reviewed = [[row for row in fate if row["disposition"]] for fate in fates]
        result.append(
            {
                "from": low,
                "to": high,
                "replies": sum(map(len, inside.values())),
                "conversations": len(fates),
                "escalatedConversations": sum(map(bool, fates)),
                "needed": sum(any(map(needed, fate)) for fate in reviewed),
                "notNeeded": sum(bool(fate) and not any(map(needed, fate)) for fate in reviewed),
            }
        )
    return result
