"""Calibration: recorded confidences by range, and what became of their conversations."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

import numpy as np

from resolvers.analytics.blocks import (
    FATE_ESCALATED,
    FATE_NEEDED,
    FATE_NOT_NEEDED,
    NO_CELL,
    Block,
    Ints,
)
from resolvers.analytics.periods import check_period
from resolvers.analytics.reading import open_reading
from resolvers.context import Context
from resolvers.permissions import permitted
from resolvers.validation import check_range
from resolvers.visibility import AGENT
from rules.analytics import CELLS, MOST_BINS, bin_edges, bins_of_cells

# What is counted of a bin: replies, conversations, and three fates of conversations.
WIDTH = 5
_BEGIN = [bins * (bins - 1) // 2 for bins in range(MOST_BINS + 2)]
CALIBRATION = np.dtype("<i4")
_FATES = (FATE_ESCALATED, FATE_NEEDED, FATE_NOT_NEEDED)
_CELL_NUMBERS = np.arange(len(CELLS) - 1)


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
    check_range("bins", bins, 1, MOST_BINS)
    async with open_reading(context, agent_id, period) as reading:
        begin, size = span_of_bins(bins)
        column = f"substr(calibration, {begin + 1}, {size}) AS calibration"
        months = await reading.months(column)
        block = await reading.block(("replies",), without=months)
    (counts,) = await asyncio.to_thread(calibrate, block, [bins])
    for row in months.values():
        counts = counts + np.frombuffer(row["calibration"], CALIBRATION).reshape(bins, WIDTH)
    edges = bin_edges(bins)
    return [
        CalibrationBin(low, high, *map(int, row))
        for low, high, row in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def calibrate(block: Block, bins: Sequence[int]) -> list[Ints]:
    """Return what is counted of each bin, for each number of bins, from a block that has replies.

    A conversation counts once in each bin: with its lowest confidence there. So a reply counts for its
    conversation if the next lower one is below the bin. The replies are sorted by their own and the next
    lower cell; then those of a cell that count are a range, for every number of bins.
    """
    assert block.replies is not None
    cells, before, fates = (block.replies[name].astype(np.int64) for name in ("cell", "before", "fate"))
    keys = np.sort(cells << 24 | before << 8 | fates)
    marks = np.stack([np.ones(len(keys), bool), *(keys & fate != 0 for fate in _FATES)])
    totals = np.zeros((len(marks), len(keys) + 1), np.int64)
    np.cumsum(marks, axis=1, out=totals[:, 1:])
    begins, alone = _find(keys, _CELL_NUMBERS, 0), _find(keys, _CELL_NUMBERS, NO_CELL)
    ends = np.append(begins[1:], len(keys))
    without_lower = totals[:, ends] - totals[:, alone]
    counts = []
    for number in bins:
        first = _first_cells(number)
        lowest = _find(keys, _CELL_NUMBERS, np.repeat(first, np.diff(first, append=len(_CELL_NUMBERS))))
        conversations = totals[:, lowest] - totals[:, begins] + without_lower
        columns = np.vstack([ends - begins, conversations])
        counts.append(np.add.reduceat(columns, first, axis=1).T)
    return counts


def calibrate_all(block: Block) -> bytes:
    """Return the packed counts for every number of bins from 1 to 100."""
    counts = calibrate(block, range(1, MOST_BINS + 1))
    return b"".join(part.astype(CALIBRATION).tobytes() for part in counts)


def span_of_bins(bins: int) -> tuple[int, int]:
    """Return where the counts for a number of bins are in `calibrate_all`, and their length, in bytes."""
    size = WIDTH * CALIBRATION.itemsize
    return _BEGIN[bins] * size, bins * size


def _find(keys: Ints, cells: Ints, before: Ints | int) -> Ints:
    """Return where the replies of each cell begin whose next lower cell is not below `before`."""
    return np.searchsorted(keys, cells << 24 | before << 8)


@cache
def _first_cells(bins: int) -> Ints:
    """Return the first cell of each bin."""
    return np.searchsorted(np.array(bins_of_cells(bins)), np.arange(bins))
