"""The what-if of the confidence threshold, from recorded confidences."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np

from resolvers.analytics.blocks import DELAY_BITS, FIRST_STEP, NEEDED_STEP, Block, Count, Ints, Items
from resolvers.analytics.periods import check_period
from resolvers.analytics.reading import open_reading
from resolvers.context import Context
from resolvers.errors import BadInputError
from resolvers.permissions import permitted
from resolvers.validation import check_percent, check_range
from resolvers.visibility import AGENT
from rules.agent_settings import EscalationSettings
from rules.analytics import LONGEST_DELAY, ratio

MOST_THRESHOLDS = 101
_SETTINGS = "SELECT settings FROM agents WHERE id = $1"


@dataclass(frozen=True, slots=True)
class ThresholdOutcome:
    """Conversations that a threshold would have escalated, and how right it would have been."""

    threshold: float
    escalated_conversations: int
    escalation_rate: float | None
    precision: float | None
    recall: float | None
    dispositions: int


@permitted("thresholdWhatIf", AGENT)
async def threshold_what_if(
    context: Context,
    agent_id: UUID,
    start: datetime,
    end: datetime,
    thresholds: Sequence[float],
    delay_seconds: int | None = None,
) -> list[ThresholdOutcome]:
    """Return what each threshold would have done to the conversations that started in a period.

    The delay is that of the AI agent's settings unless one is given. Raises BadInputError.
    """
    period = check_period(start, end)
    _check(thresholds, delay_seconds)
    async with open_reading(context, agent_id, period) as reading:
        if delay_seconds is None:
            (row,) = await reading.fetch(_SETTINGS, agent_id)
            settings = EscalationSettings.model_validate(row["settings"])
            delay_seconds = settings.auto_escalation.delay_seconds
        names = ("last_replies", "risks", "reviews")
        block = await reading.block(names, delay_seconds=delay_seconds)
    return _outcomes(block, thresholds, delay_seconds)


def _check(thresholds: Sequence[float], delay_seconds: int | None) -> None:
    if len(thresholds) > MOST_THRESHOLDS:
        raise BadInputError("thresholds", f"has over {MOST_THRESHOLDS} values")
    for place, threshold in enumerate(thresholds):
        check_percent(f"thresholds.{place}", threshold)
    if delay_seconds is not None:
        check_range("delay_seconds", delay_seconds, 0, LONGEST_DELAY)


def _outcomes(block: Block, thresholds: Sequence[float], delay: int) -> list[ThresholdOutcome]:
    assert block.risks is not None
    assert block.reviews is not None
    counts = block.counts.sum(axis=0, dtype=np.int64)
    conversations = int(counts[Count.CONVERSATIONS])
    needed, not_needed = int(counts[Count.NEEDED]), int(counts[Count.NOT_NEEDED])
    escalated = _below(_critical(block.risks, delay), thresholds)
    reviews = block.reviews[_in_force(block.reviews, delay)]
    of_needed = reviews["until"] & NEEDED_STEP != 0
    hits = _below(reviews["critical"][of_needed], thresholds)
    false_alarms = _below(reviews["critical"][~of_needed], thresholds)
    return [
        ThresholdOutcome(
            threshold,
            escalated_conversations=count,
            escalation_rate=ratio(count, conversations),
            precision=ratio(hit, hit + false),
            recall=ratio(hit, needed),
            dispositions=needed + not_needed,
        )
        for threshold, count, hit, false in zip(thresholds, escalated, hits, false_alarms, strict=True)
    ]


def _critical(steps: Items, delay: int) -> Items:
    critical: Items = steps["critical"][_in_force(steps, delay)]
    return critical


def _in_force(steps: Items, delay: int) -> Ints:
    """Return the places of the steps that hold for a delay: the first of each row that reaches it."""
    reached = (steps["until"] & DELAY_BITS) >= delay
    # The step before belongs to the same row unless this one is the row's first.
    earlier = np.zeros(len(steps), bool)
    earlier[1:] = reached[:-1]
    first = steps["until"] & FIRST_STEP != 0
    places: Ints = np.flatnonzero(reached & (first | ~earlier))
    return places


def _below(values: Items, thresholds: Sequence[float]) -> list[int]:
    """Return how many values are below each threshold."""
    distinct, where = np.unique(np.array(thresholds, np.float64), return_inverse=True)
    counts = np.bincount(np.searchsorted(distinct, values, "right"), minlength=len(distinct) + 1)
    # A value that is equal to a threshold is not below it, but below the next one.
    below = np.cumsum(counts)[:-1]
    return [int(below[place]) for place in where]
