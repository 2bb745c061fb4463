"""Calibration: recorded confidences by range, and what became of their conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import numpy as np

from resolvers.analytics.blocks import (
    FATE_ESCALATED,
    FATE_NEEDED,
    FATE_NOT_NEEDED,
    NO_CELL,
    REPLIES,
    Block,
    Ints,
    Items,
)
from resolvers.analytics.periods import check_period
from resolvers.analytics.reading import open_reading
from resolvers.context import Context
from resolvers.errors import BadInputError
from resolvers.permissions import permitted
from resolvers.visibility import AGENT
from rules.analytics import MOST_BINS, bin_edges, bins_of_cells

# What is counted of a bin: replies, conversations, and three fates of conversations.
WIDTH = 5
_BEGIN = [bins * (bins - 1) // 2 for bins in range(MOST_BINS + 2)]
CALIBRATION = np.dtype("<i4")


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Replies with a confidence from `low` to `high`, and what became of their conversations."""

    low: float
    high: float
    replies: int
    conversations: int
    escalated_conversations: int
    needed: int
    not_needed: int


@permitted("confidenceCalibration", AGENT)
async def confidence_calibration(
    context: Context, agent_id: UUID, start: datetime, end: datetime, bins: int
) -> list[CalibrationBin]:
    """Return equal ranges of confidence over the conversations that started in a period.

    Raises BadInputError for a period or a number of bins that is out of range.
    """
    period = check_period(start, end)
    if not 1 <= bins <= MOST_BINS:
        raise BadInputError("bins", f"is {bins}; it must be from 1 to {MOST_BINS}")
    async with open_reading(context, agent_id, period) as reading:
        begin, size = span_of_bins(bins)
        column = f"substr(calibration, {begin + 1}, {size}) AS calibration"
        months = await reading.months(column)
        block = await reading.block(("replies",), without=months)
    counts = calibrate(block, bins)
    for row in months.values():
        counts = counts + np.frombuffer(row["calibration"], CALIBRATION).reshape(bins, WIDTH)
    edges = bin_edges(bins)
    return [
        CalibrationBin(low, high, *map(int, row))
        for low, high, row in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def calibrate(block: Block, bins: int) -> Ints:
    """Return what is counted of each bin, from a block that has replies."""
    replies = block.replies
    assert replies is not None
    return _calibrate(replies, np.ones(len(replies), np.int64), bins)


def calibrate_all(block: Block) -> bytes:
    """Return the packed counts for every number of bins from 1 to 100."""
    assert block.replies is not None
    cells, before, fates = (block.replies[name].astype(np.int64) for name in ("cell", "before", "fate"))
    keys, counts = np.unique(cells << 24 | before << 8 | fates, return_counts=True)
    distinct = np.zeros(len(keys), REPLIES)
    distinct["cell"], distinct["before"], distinct["fate"] = keys >> 24, keys >> 8 & NO_CELL, keys & 0xFF
    packed = [_calibrate(distinct, counts, bins) for bins in range(1, MOST_BINS + 1)]
    return b"".join(part.astype(CALIBRATION).tobytes() for part in packed)


def span_of_bins(bins: int) -> tuple[int, int]:
    """Return where the counts for a number of bins are in `calibrate_all`, and their length, in bytes."""
    size = WIDTH * CALIBRATION.itemsize
    return _BEGIN[bins] * size, bins * size


@cache
def _bins(bins: int) -> Items:
    """Return the bin of each cell, and after them -1 for "no cell"."""
    return np.array([*bins_of_cells(bins), -1], np.int16)


def _calibrate(replies: Items, weights: Ints, bins: int) -> Ints:
    # A conversation counts once in each bin: with its lowest confidence there.
    table = _bins(bins)
    where = table[replies["cell"]]
    first = table[np.minimum(replies["before"], len(table) - 1)] != where
    fates = replies["fate"]
    columns: Sequence[Any] = (
        np.ones(len(replies), bool),
        first,
        first & (fates & FATE_ESCALATED != 0),
        first & (fates & FATE_NEEDED != 0),
        first & (fates & FATE_NOT_NEEDED != 0),
    )
    counted = [np.bincount(where[column], weights[column], minlength=bins) for column in columns]
    return np.stack(counted, axis=1).astype(np.int64)
