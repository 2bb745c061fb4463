"""Buckets of durations, bins of confidences, and the confidences that are critical for an escalation."""

import math
from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.analytics import (
    BUCKETS,
    CELLS,
    LONGEST_DELAY,
    MOST_BINS,
    bin_edges,
    bins_of_cells,
    bucket_of,
    bucket_seconds,
    cell_of,
    counts_conversation,
    critical_confidences,
    percentile_seconds,
    ratio,
)
from rules.escalation import EscalationTrigger
from rules.triggers import ConversationEvent, ReplyEffect, escalates_by_low_confidence, judge_confidence

GAPS = st.sampled_from([0, 1, 999_999, 1_000_000, 29_999_999, 30_000_000, 30_000_001, 90_000_000_000])
CONFIDENCES = st.none() | st.sampled_from([0.0, 10.0, 50.0, 100.0]) | st.floats(0, 100)
EVENTS = st.lists(st.tuples(GAPS, CONFIDENCES, st.booleans()), max_size=7)
DELAYS = (0, 1, 2, 29, 30, 31, 59, 60, 61, 3_600, LONGEST_DELAY)


@settings(deadline=None)
@given(EVENTS, st.floats(0, 100) | st.sampled_from([0.0, 10.0, 50.0, 100.0]))
def test_critical_confidences_any_events_agree_with_the_rule(
    steps: list[tuple[int, float | None, bool]], threshold: float
) -> None:
    at, events = 0, []
    for gap, confidence, other in steps:
        at += gap
        events.append(ConversationEvent(at, confidence, other or confidence is None))
    critical = critical_confidences(events)
    assert [delay for delay, _ in critical] == sorted({delay for delay, _ in critical})
    for delay in DELAYS:
        result = next((confidence for until, confidence in critical if until >= delay), math.inf)
        assert (threshold > result) == escalates_by_low_confidence(events, threshold, delay), delay


@pytest.mark.parametrize(
    ("confidence", "delay", "waiting", "other", "effect"),
    [
        (None, 0, True, False, ReplyEffect.NOTHING),
        (49.9, 0, False, False, ReplyEffect.ESCALATE),
        (49.9, 0, True, True, ReplyEffect.ESCALATE),
        (49.9, 30, False, False, ReplyEffect.WAIT),
        (49.9, 30, True, False, ReplyEffect.NOTHING),
        (49.9, 30, False, True, ReplyEffect.NOTHING),
        (50.0, 30, True, False, ReplyEffect.AVERT),
        (50.0, 30, True, True, ReplyEffect.NOTHING),
        (50.0, 30, False, False, ReplyEffect.NOTHING),
    ],
)
def test_judge_confidence_one_reply_has_its_effect(
    confidence: float | None, delay: int, waiting: bool, other: bool, effect: ReplyEffect
) -> None:
    assert judge_confidence(confidence, 50, delay, waiting=waiting, other_trigger=other) is effect


@settings(deadline=None)
@given(st.integers(1, 10**15))
def test_bucket_any_duration_is_within_one_percent(duration: int) -> None:
    bucket = bucket_of(duration)
    assert 1 < bucket < BUCKETS
    assert bucket_seconds(bucket) == pytest.approx(duration / 1_000_000, rel=0.01)


def test_bucket_zero_and_nothing_are_apart() -> None:
    assert (bucket_of(None), bucket_of(0)) == (0, 1)
    assert bucket_seconds(1) == 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=40), st.sampled_from([50, 90, 95]))
def test_percentile_any_durations_is_within_one_percent(durations: list[int], percent: int) -> None:
    counts = [0] * BUCKETS
    for duration in durations:
        counts[bucket_of(duration)] += 1
    ordered = sorted(durations)
    rank = Fraction(len(ordered) - 1) * percent / 100
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    exact = ordered[low] + (ordered[high] - ordered[low]) * (rank - low)
    assert percentile_seconds(list(accumulate(counts[1:])), percent) == pytest.approx(
        float(exact) / 1_000_000, rel=0.01
    )


def test_percentile_of_nothing_is_none() -> None:
    assert percentile_seconds([0] * (BUCKETS - 1), 50) is None
    assert ratio(0, 0) is None


@settings(deadline=None)
@given(st.integers(1, MOST_BINS), st.floats(0, 100))
def test_confidence_falls_into_the_bin_of_its_cell(bins: int, confidence: float) -> None:
    place = bins_of_cells(bins)[cell_of(confidence)]
    edges = bin_edges(bins)
    assert edges[place] <= confidence
    assert confidence < edges[place + 1] or (place == bins - 1 and confidence == 100)


def test_bins_borders_belong_to_the_bin_above() -> None:
    for bins in (3, 7, 10, 100):
        borders = bin_edges(bins)[:-1]
        assert [bins_of_cells(bins)[cell_of(border)] for border in borders] == list(range(bins))
    assert cell_of(100) == len(CELLS) - 2


@pytest.mark.parametrize(
    ("replied", "triggers", "counts"),
    [
        (True, [], True),
        (False, [EscalationTrigger.BUTTON, EscalationTrigger.API], False),
        (False, [EscalationTrigger.BUTTON, EscalationTrigger.TOPIC], True),
        (False, [EscalationTrigger.TOOL_FAILURE], True),
        (False, [], False),
    ],
)
def test_conversation_counts_when_the_ai_took_part(
    replied: bool, triggers: list[EscalationTrigger], counts: bool
) -> None:
    assert counts_conversation(replied, triggers) is counts
