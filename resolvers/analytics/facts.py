"""Blocks computed from the rows themselves: what has changed, and the pieces at the ends of a period."""

import hashlib
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import numpy as np

from resolvers.analytics.blocks import (
    COUNTS,
    DETAILS,
    FATE_ESCALATED,
    FATE_NEEDED,
    FATE_NOT_NEEDED,
    FIRST_STEP,
    NEEDED_STEP,
    NO_CELL,
    OWN_REASON,
    REASON_TRIGGER,
    REPLIES,
    RESOLUTIONS,
    STEPS,
    TRIGGERS,
    Block,
    Count,
    Duration,
    pack_kind,
)
from rules.analytics import (
    Review,
    bucket_of,
    cell_of,
    counts_conversation,
    critical_confidences,
    review_of,
)
from rules.escalation import Disposition, EscalationStatus, EscalationTrigger, Priority
from rules.sla_clock import Clock, SlaOutcome
from rules.triggers import REASONS, ConversationEvent

Fetch: TypeAlias = Callable[..., Awaitable[list[asyncpg.Record]]]
Piece: TypeAlias = tuple[int, int]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The length of an enum takes 20 µs, and every cell needs them.
_NO_COUNTS, _NO_SUMS = (0,) * len(Count), (0,) * len(Duration)

# A range at a time: OFFSET 0 keeps the planner from joining the whole table with all ranges.
_STARTED = """
FROM unnest($3::timestamptz[], $4::timestamptz[]) AS range (start, stop)
CROSS JOIN LATERAL (
    SELECT id, created_at FROM conversations
    WHERE workspace_id = $1 AND agent_id = $2 AND created_at >= range.start AND created_at < range.stop
    OFFSET 0
) c
CROSS JOIN LATERAL (
    SELECT array_agg(e.created_at ORDER BY e.created_at, e.id) AS raised_at,
        array_agg(e.trigger ORDER BY e.created_at, e.id) AS triggers,
        array_agg(e.status ORDER BY e.created_at, e.id) AS statuses,
        array_agg(e.disposition ORDER BY e.created_at, e.id) AS dispositions,
        array_agg(e.id) AS ids
    FROM escalations e WHERE e.conversation_id = c.id
) raised
"""
_OWN_REPLIES = "m.conversation_id = c.id AND m.role = 'ASSISTANT' AND m.status = 'DELIVERED'"
_CONVERSATIONS = f"""
SELECT c.created_at, raised.*, EXISTS (SELECT FROM messages m WHERE {_OWN_REPLIES}) AS replied
{_STARTED}
"""  # noqa: S608 - constants of this module
_CONVERSATIONS_WITH_REPLIES = f"""
SELECT c.created_at, raised.*, replies.*, others.*
{_STARTED}
CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS replied, array_agg(m.created_at ORDER BY m.position) AS replied_at,
        array_agg(m.confidence ORDER BY m.position) AS confidences
    FROM messages m WHERE {_OWN_REPLIES}
) replies
CROSS JOIN LATERAL (
    SELECT array_agg(t.occurred_at) AS triggered_at FROM trigger_events t
    WHERE t.escalation_id = ANY(raised.ids) AND t.trigger <> 'LOW_CONFIDENCE'
) others
"""  # noqa: S608 - constants of this module

_ESCALATIONS = """
SELECT e.*
FROM unnest($3::timestamptz[], $4::timestamptz[]) AS range (start, stop)
CROSS JOIN LATERAL (
    SELECT created_at, trigger, reason, priority, status, disposition, assignee_id, first_responded_at,
        resolved_at, first_response_business_us, resolution_business_us, sla_due_at, sla_stopped_at
    FROM escalations
    WHERE workspace_id = $1 AND agent_id = $2 AND created_at >= range.start AND created_at < range.stop
    OFFSET 0
) e
"""

_PENDING = """
SELECT p.requested_at, p.outcome
FROM unnest($3::timestamptz[], $4::timestamptz[]) AS range (start, stop)
CROSS JOIN LATERAL (
    SELECT requested_at, outcome FROM pending_escalations
    WHERE workspace_id = $1 AND agent_id = $2 AND outcome <> 'WAITING'
        AND requested_at >= range.start AND requested_at < range.stop
    OFFSET 0
) p
"""


def micros(instant: datetime) -> int:
    """Return an instant as microseconds since 1970."""
    return (instant - EPOCH) // _MICROSECOND


def instant(at: int) -> datetime:
    """Return the instant of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=at)


def reason_hash(trigger: str, reason: str) -> int:
    """Return 0 for a trigger's usual reason, otherwise a hash of the reason and the trigger."""
    if REASONS.get(EscalationTrigger(trigger)) == reason:
        return 0
    digest = hashlib.sha256(reason.encode()).digest()
    place = TRIGGERS.index(EscalationTrigger(trigger))
    return int.from_bytes(digest[:8], "little") & ~REASON_TRIGGER | (OWN_REASON + place)


@dataclass(slots=True)
class _Cell:
    """Counts, sums and items of one piece."""

    counts: list[int] = field(default_factory=lambda: [*_NO_COUNTS])
    sums: list[int] = field(default_factory=lambda: [*_NO_SUMS])
    last_reply: int = 0
    resolutions: list[int] = field(default_factory=list)
    details: list[tuple[int, ...]] = field(default_factory=list)
    replies: list[tuple[int, ...]] = field(default_factory=list)
    risks: list[tuple[int, float]] = field(default_factory=list)
    reviews: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Raised:
    """An escalation of a conversation, as far as the conversation's facts need it."""

    at: int
    trigger: EscalationTrigger
    active: bool
    review: Review


class Facts:
    """Counts of pieces of time, filled row by row."""

    def __init__(self, pieces: Sequence[Piece], now: int, judge_by_now: bool) -> None:
        self._starts = [start for start, _ in pieces]
        self._now = now
        self._judge_by_now = judge_by_now
        self._cells = [_Cell() for _ in pieces]
        self._assignees: dict[UUID | None, int] = {}

    def _cell(self, at: datetime) -> _Cell:
        return self._cells[bisect_right(self._starts, micros(at)) - 1]

    def add_conversation(self, created_at: datetime, replied: bool, escalations: Sequence[_Raised]) -> None:
        """Count a conversation; `replied` says whether the AI has answered in it."""
        cell = self._cell(created_at)
        cell.counts[Count.NEEDED] += sum(item.review is Review.NEEDED for item in escalations)
        cell.counts[Count.NOT_NEEDED] += sum(item.review is Review.NOT_NEEDED for item in escalations)
        if counts_conversation(replied, [item.trigger for item in escalations]):
            cell.counts[Count.CONVERSATIONS] += 1
            cell.counts[Count.ESCALATED] += bool(escalations)
            cell.counts[Count.ACTIVE] += any(item.active for item in escalations)

    def add_replies(
        self,
        created_at: datetime,
        replies: Sequence[tuple[int, float | None]],
        escalations: Sequence[_Raised],
        other_triggers: Sequence[int],
    ) -> None:
        """Count the delivered replies of a conversation, and what a threshold would do to it."""
        cell = self._cell(created_at)
        cell.last_reply = max(cell.last_reply, replies[-1][0])
        fate, before = _fate(escalations), NO_CELL
        cells = sorted(cell_of(confidence) for _, confidence in replies if confidence is not None)
        for place in cells:
            cell.replies.append((place, before, fate))
            before = place
        events = _events(replies, other_triggers)
        until_now = [ConversationEvent(self._now, None, True)] if self._judge_by_now else []
        _add_steps(cell.risks, critical_confidences(events + until_now), 0)
        begin = 0
        for item in escalations:
            if item.review is not Review.NONE:
                ahead = [event for event in events if begin < event.at <= item.at]
                flags = NEEDED_STEP if item.review is Review.NEEDED else 0
                _add_steps(cell.reviews, critical_confidences(ahead), flags)
            begin = item.at

    def add_escalation(self, row: asyncpg.Record) -> None:
        """Count an escalation by its creation."""
        cell, created = self._cell(row["created_at"]), row["created_at"]
        durations = {
            Duration.RESOLUTION: _elapsed(created, row["resolved_at"]),
            Duration.RESOLUTION_BUSINESS: row["resolution_business_us"],
            Duration.RESPONSE: _elapsed(created, row["first_responded_at"]),
            Duration.RESPONSE_BUSINESS: row["first_response_business_us"],
        }
        for kind, duration in durations.items():
            cell.sums[kind] += duration or 0
        buckets = {kind: bucket_of(duration) for kind, duration in durations.items()}
        cell.resolutions.append(buckets[Duration.RESOLUTION])
        outcome = self._outcome(row)
        cell.counts[Count.MET] += outcome is SlaOutcome.MET
        cell.counts[Count.MISSED] += outcome is SlaOutcome.MISSED
        assignee = self._assignees.setdefault(row["assignee_id"], len(self._assignees))
        cell.details.append(
            (
                self._kind(row, outcome),
                assignee,
                buckets[Duration.RESOLUTION_BUSINESS],
                buckets[Duration.RESPONSE],
                buckets[Duration.RESPONSE_BUSINESS],
                reason_hash(row["trigger"], row["reason"]),
            )
        )

    def _outcome(self, row: asyncpg.Record) -> SlaOutcome:
        clock = Clock(
            target_minutes=0,
            started_at=row["created_at"],
            at_risk_at=row["sla_due_at"],
            due_at=row["sla_due_at"],
            business_hours={},
            stopped_at=row["sla_stopped_at"],
            answered=row["first_responded_at"] is not None,
        )
        return clock.outcome(instant(self._now))

    def _kind(self, row: asyncpg.Record, outcome: SlaOutcome) -> int:
        disposition = row["disposition"] and Disposition(row["disposition"])
        return pack_kind(
            EscalationTrigger(row["trigger"]),
            Priority(row["priority"]),
            outcome,
            review_of(disposition),
            row["status"] == EscalationStatus.RESOLVED,
        )

    def add_pending(self, requested_at: datetime, outcome: str) -> None:
        """Count an uncertain reply that has waited."""
        cell = self._cell(requested_at)
        cell.counts[Count.WAITED] += 1
        cell.counts[Count.AVERTED] += outcome == "AVERTED"

    def block(self) -> Block:
        """Return all pieces as a block."""
        cells = self._cells
        items: dict[str, Any] = {}
        for name, dtype, count in (
            ("resolutions", RESOLUTIONS, Count.ESCALATIONS),
            ("details", DETAILS, Count.ESCALATIONS),
            ("replies", REPLIES, Count.REPLIES),
            ("risks", STEPS, Count.RISKS),
            ("reviews", STEPS, Count.REVIEWS),
        ):
            for cell in cells:
                cell.counts[count] = len(getattr(cell, name))
            items[name] = np.array([item for cell in cells for item in getattr(cell, name)], dtype)
        return Block(
            starts=np.array(self._starts, np.int64),
            counts=np.array([cell.counts for cell in cells], COUNTS).reshape(-1, len(Count)),
            sums=np.array([cell.sums for cell in cells], np.int64).reshape(-1, len(Duration)),
            last_replies=np.array([cell.last_reply for cell in cells], np.int64),
            assignees=tuple(self._assignees),
            **items,
        )


def _elapsed(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else max((end - start) // _MICROSECOND, 0)


def _fate(escalations: Sequence[_Raised]) -> int:
    """Return what became of a conversation: needed if any of its escalations was."""
    reviews = {item.review for item in escalations}
    fate = FATE_ESCALATED if escalations else 0
    if Review.NEEDED in reviews:
        return fate | FATE_NEEDED
    return fate | FATE_NOT_NEEDED if Review.NOT_NEEDED in reviews else fate


def _events(
    replies: Sequence[tuple[int, float | None]], other_triggers: Sequence[int]
) -> list[ConversationEvent]:
    """Return replies with a confidence and other triggers in order; what comes together is one event."""
    existing = set(other_triggers)
    times = {at for at, confidence in replies if confidence is not None}
    events = [ConversationEvent(at, None, True) for at in existing - times]
    events += [
        ConversationEvent(at, confidence, at in existing)
        for at, confidence in replies
        if confidence is not None
    ]
    return sorted(events, key=lambda event: event.at)


def _add_steps(target: list[tuple[int, float]], steps: Iterable[tuple[int, float]], flags: int) -> None:
    first = FIRST_STEP
    for until, critical in steps:
        target.append((until | flags | first, critical))
        first = 0


async def load_facts(
    fetch: Fetch,
    workspace_id: UUID,
    agent_id: UUID,
    pieces: Sequence[Piece],
    now: int,
    *,
    with_replies: bool = True,
    judge_by_now: bool = False,
) -> Block:
    """Return the block of disjoint pieces of time in rising order, read from the rows.

    Without `with_replies` no cell has replies, risks, reviews and a last reply; messages are hardly read.
    With `judge_by_now` an uncertain reply whose delay has not ended yet escalates nothing; without, its
    delay counts as if it ended.
    """
    facts = Facts(pieces, now, judge_by_now)
    if pieces:
        ranges = list(zip(*_ranges(pieces), strict=True))
        given = (workspace_id, agent_id, *ranges)
        for row in await fetch(_CONVERSATIONS_WITH_REPLIES if with_replies else _CONVERSATIONS, *given):
            raised = _raised(row)
            facts.add_conversation(row["created_at"], row["replied"], raised)
            if with_replies and row["replied"]:
                facts.add_replies(row["created_at"], _replies(row), raised, _other_triggers(row))
        for row in await fetch(_ESCALATIONS, *given):
            facts.add_escalation(row)
        for row in await fetch(_PENDING, *given):
            facts.add_pending(row["requested_at"], row["outcome"])
    return facts.block()


def _replies(row: asyncpg.Record) -> list[tuple[int, float | None]]:
    return list(zip(map(micros, row["replied_at"]), row["confidences"], strict=True))


def _other_triggers(row: asyncpg.Record) -> list[int]:
    return sorted(map(micros, row["triggered_at"] or ()))


def _raised(row: asyncpg.Record) -> list[_Raised]:
    if row["raised_at"] is None:
        return []
    columns = (row["raised_at"], row["triggers"], row["statuses"], row["dispositions"])
    return [
        _Raised(
            micros(at),
            EscalationTrigger(trigger),
            status != EscalationStatus.RESOLVED,
            review_of(disposition and Disposition(disposition)),
        )
        for at, trigger, status, disposition in zip(*columns, strict=True)
    ]


def _ranges(pieces: Sequence[Piece]) -> Iterator[tuple[datetime, datetime]]:
    """Yield the pieces; those that touch are one range."""
    begin, end = pieces[0]
    for start, stop in pieces[1:]:
        if start != end:
            yield instant(begin), instant(end)
            begin = start
        end = stop
    yield instant(begin), instant(end)
