"""Definitions of the analytics: what counts, buckets of durations, bins of confidences, critical confidences.

Durations go into buckets of a logarithmic scale, as in DDSketch (Masson, Rim and Lee, 2019): a bucket is
represented by a value that is at most 0.9 % away from everything in it. Counts of buckets add up, so periods
merge without any further loss. Instants are microseconds since 1970 in UTC, durations are microseconds.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from enum import StrEnum

from rules.escalation import Disposition, EscalationTrigger
from rules.triggers import ConversationEvent, escalates_by_low_confidence

SECOND = 1_000_000
LONGEST_DELAY = 86_400

# What the AI itself raises; the others are raised by customers, callers and the team.
AI_TRIGGERS = frozenset(
    {EscalationTrigger.LOW_CONFIDENCE, EscalationTrigger.TOOL_FAILURE, EscalationTrigger.TOPIC}
)

# Bucket 0 means "no duration" and bucket 1 zero; the last bucket begins after 31 years.
_ACCURACY = 0.009
_GAMMA = (1 + _ACCURACY) / (1 - _ACCURACY)
_LOG_GAMMA = math.log(_GAMMA)
BUCKETS = 2_048

MOST_BINS = 100


class AnalyticsInterval(StrEnum):
    """Length of the steps of a series, in local time."""

    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


class Review(StrEnum):
    """The team's judgement of an escalation, as far as there is one."""

    NONE = "NONE"
    NEEDED = "NEEDED"
    NOT_NEEDED = "NOT_NEEDED"


def review_of(disposition: Disposition | None) -> Review:
    """Return the judgement that a disposition expresses: everything but NEEDED says "not needed"."""
    if disposition is None:
        return Review.NONE
    return Review.NEEDED if disposition is Disposition.NEEDED else Review.NOT_NEEDED


def counts_conversation(replied: bool, triggers: Sequence[EscalationTrigger]) -> bool:
    """Decide whether a conversation counts: the AI answered in it, or the AI raised an escalation."""
    return replied or not AI_TRIGGERS.isdisjoint(triggers)


def bucket_of(duration: int | None) -> int:
    """Return the bucket of a duration in microseconds; 0 for None."""
    if duration is None:
        return 0
    if duration <= 0:
        return 1
    return min(2 + math.ceil(math.log(duration) / _LOG_GAMMA), BUCKETS - 1)


def bucket_seconds(bucket: int) -> float:
    """Return the value that represents a bucket, in seconds."""
    if bucket <= 1:
        return 0.0
    upper = math.exp((bucket - 2) * _LOG_GAMMA)
    return 2 * upper / (_GAMMA + 1) / SECOND


def percentile_seconds(ends: Sequence[int], percent: float) -> float | None:
    """Return a percentile of durations that are counted in buckets, within 1 %; None when there are none.

    `ends` has the running total at the end of each bucket from 1 on. The result is interpolated between the
    two nearest ranks, as `percentile_cont` of PostgreSQL does.
    """
    total = ends[-1] if ends else 0
    if not total:
        return None
    rank = (total - 1) * percent / 100
    low, part = int(rank), rank - int(rank)
    first = bucket_seconds(1 + bisect_right(ends, low))
    if not part:
        return first
    return first + (bucket_seconds(1 + bisect_right(ends, low + 1)) - first) * part


def ratio(part: int, whole: int) -> float | None:
    """Return the share of `part` in `whole`; None when `whole` is 0."""
    return part / whole if whole else None


def bin_edges(bins: int) -> list[float]:
    """Return the borders of equal ranges of confidence, from 0 to 100 percent."""
    return [100 * index / bins for index in range(bins + 1)]


# The finest division: every border of every number of bins. A confidence is in one cell of it, and the cell
# determines the bin for each number of bins exactly.
CELLS = sorted({edge for bins in range(1, MOST_BINS + 1) for edge in bin_edges(bins)})


def cell_of(confidence: float) -> int:
    """Return the cell of a confidence in percent; 100 is in the last cell."""
    return min(bisect_right(CELLS, confidence), len(CELLS) - 1) - 1


def bins_of_cells(bins: int) -> list[int]:
    """Return the bin of each cell."""
    edges = bin_edges(bins)
    return [bisect_right(edges, start) - 1 for start in CELLS[:-1]]


def critical_confidences(events: Sequence[ConversationEvent]) -> list[tuple[int, float]]:
    """Return what escalates a conversation, for every threshold and every delay.

    The result holds pairs (delay, confidence) with rising delays: for delays up to the first delay that is
    not below it, exactly the thresholds above the confidence escalate. For longer delays nothing does.

    Two facts make this possible. A higher threshold never escalates less: its uncertain replies come earlier
    and fewer replies avert them. A longer delay never escalates more. So one confidence is critical for each
    delay, it rises with the delay, and it changes only where a delay begins to reach another event. Every
    number comes from `escalates_by_low_confidence`, the rule of the live service.
    """
    confidences = sorted({event.confidence for event in events if event.confidence is not None})
    if not confidences:
        return []
    if len(events) == 1 and not events[0].other_trigger:
        return [(LONGEST_DELAY, confidences[0])]
    delays = _delays_that_matter(events)
    existing = {place: _critical(events, confidences, delays[place]) for place in (0, len(delays) - 1)}
    _fill(events, confidences, delays, existing, 0, len(delays) - 1)
    ends = [delay - 1 for delay in delays[1:]] + [LONGEST_DELAY]
    steps: list[tuple[int, float]] = []
    for place in sorted(existing):
        critical = existing[place]
        if critical is None:
            break
        later = [other for other in existing if other > place]
        end = ends[min(later) - 1] if later else LONGEST_DELAY
        if steps and steps[-1][1] == critical:
            steps.pop()
        steps.append((end, critical))
    return steps


def _delays_that_matter(events: Sequence[ConversationEvent]) -> list[int]:
    """Return 0, 1 and each delay in seconds that is the first to reach a later event from a reply."""
    result = {0, 1}
    for place, event in enumerate(events):
        if event.confidence is None:
            continue
        for later in events[place + 1 :]:
            gap = (later.at - event.at) // SECOND
            if gap >= LONGEST_DELAY:
                break
            result.add(gap + 1)
    return sorted(result)


def _critical(events: Sequence[ConversationEvent], confidences: list[float], delay: int) -> float | None:
    def escalates(confidence: float) -> bool:
        return escalates_by_low_confidence(events, math.nextafter(confidence, math.inf), delay)

    place = bisect_left(confidences, True, key=escalates)
    return confidences[place] if place < len(confidences) else None


def _fill(
    events: Sequence[ConversationEvent],
    confidences: list[float],
    delays: list[int],
    existing: dict[int, float | None],
    low: int,
    high: int,
) -> None:
    """Find the critical confidences between two delays; equal ends have nothing else between them."""
    if high - low < 2 or existing[low] == existing[high]:
        return
    middle = (low + high) // 2
    existing[middle] = _critical(events, confidences, delays[middle])
    _fill(events, confidences, delays, existing, low, middle)
    _fill(events, confidences, delays, existing, middle, high)
