"""Totals of a period that add up: counts, buckets of durations, assignees, reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from resolvers.analytics.blocks import KIND_SHAPE, KINDS, OUTCOMES, Block, Count, Duration, Ints, Items
from rules.analytics import BUCKETS

REASONS = np.dtype([("hash", "<u8"), ("count", "<i8"), ("sample", "<i8")])
_NOBODY = UUID(int=0)
_PARTS = {
    "counts": (len(Count),),
    "sums": (len(Duration),),
    "kinds": (KINDS,),
    "histograms": (len(Duration), BUCKETS),
}
_ASSIGNEE_WIDTH = BUCKETS + len(OUTCOMES)


@dataclass(frozen=True, slots=True)
class Totals:
    """
    Sums over cells.

    `responses` has a row of buckets for each of `assignees`, and then counts of outcomes of the clock.
    `reasons` holds callers' own reasons by hash, each with the start of a cell in which it occurs.
    """

    counts: Ints
    sums: Ints
    kinds: Ints
    histograms: Ints
    assignees: tuple[UUID | None, ...]
    responses: Ints
    reasons: Items

    def by_kind(self) -> Ints:
        """Return the escalations by trigger, priority, outcome, review and end."""
        return self.kinds.reshape(KIND_SHAPE)


def totals_of(block: Block) -> Totals:
    """Return the totals of a block that has sums, resolutions and details."""
    assert block.sums is not None
    assert block.resolutions is not None
    assert block.details is not None
    kinds, details = block.details["kind"], block.details
    buckets = (
        block.resolutions,
        details["resolution_business"],
        details["response"],
        details["response_business"],
    )
    return Totals(
        counts=block.counts.sum(axis=0, dtype=np.int64),
        sums=block.sums.sum(axis=0),
        kinds=np.bincount(kinds, minlength=KINDS),
        histograms=np.stack([np.bincount(column, minlength=BUCKETS) for column in buckets]),
        assignees=block.assignees,
        responses=_responses(len(block.assignees), kinds, details),
        reasons=_reasons(block),
    )


def _responses(assignees: int, kinds: Items, details: Items) -> Ints:
    who = details["assignee"].astype(np.int64)
    outcomes = kinds.astype(np.int64) // (KIND_SHAPE[3] * 2) % len(OUTCOMES)
    buckets = np.bincount(who * BUCKETS + details["response"], minlength=assignees * BUCKETS)
    ends = np.bincount(who * len(OUTCOMES) + outcomes, minlength=assignees * len(OUTCOMES))
    return np.hstack([buckets.reshape(assignees, BUCKETS), ends.reshape(assignees, len(OUTCOMES))])


def _reasons(block: Block) -> Items:
    assert block.details is not None
    own = np.flatnonzero(block.details["reason"])
    hashes, first, counts = np.unique(block.details["reason"][own], return_index=True, return_counts=True)
    result = np.zeros(len(hashes), REASONS)
    result["hash"], result["count"] = hashes, counts
    result["sample"] = block.starts[block.cells_of(Count.ESCALATIONS)[own[first]]]
    return result


def add_totals(parts: Sequence[Totals]) -> Totals:
    """Return the sum of at least one part."""
    if len(parts) == 1:
        return parts[0]
    assignees = tuple(dict.fromkeys(member for part in parts for member in part.assignees))
    places = {member: place for place, member in enumerate(assignees)}
    responses = np.zeros((len(assignees), _ASSIGNEE_WIDTH), np.int64)
    for part in parts:
        if part.assignees:
            responses[[places[member] for member in part.assignees]] += part.responses
    summed = {name: sum(getattr(part, name) for part in parts) for name in _PARTS}
    reasons = _add_reasons(np.concatenate([part.reasons for part in parts]))
    return Totals(**summed, assignees=assignees, responses=responses, reasons=reasons)


def _add_reasons(reasons: Items) -> Items:
    hashes, first, numbers = np.unique(reasons["hash"], return_index=True, return_inverse=True)
    result = np.zeros(len(hashes), REASONS)
    result["hash"], result["sample"] = hashes, reasons["sample"][first]
    np.add.at(result["count"], numbers, reasons["count"])
    return result


def pack_totals(totals: Totals) -> dict[str, Any]:
    """Return the columns of a month's row."""
    return {
        "totals": b"".join(getattr(totals, name).astype("<i8").tobytes() for name in _PARTS),
        "assignees": [member or _NOBODY for member in totals.assignees],
        "assignee_counts": totals.responses.astype("<i4").tobytes(),
        "reasons": totals.reasons.tobytes(),
    }


def unpack_totals(row: Any) -> Totals:
    """Return the totals of a month's row."""
    numbers = np.frombuffer(row["totals"], "<i8")
    parts, begin = {}, 0
    for name, shape in _PARTS.items():
        size = int(np.prod(shape))
        parts[name] = numbers[begin : begin + size].reshape(shape)
        begin += size
    assignees = tuple(UUID(int=member.int) if member.int else None for member in row["assignees"])
    responses = np.frombuffer(row["assignee_counts"], "<i4").reshape(len(assignees), _ASSIGNEE_WIDTH)
    reasons = np.frombuffer(row["reasons"], REASONS)
    return Totals(**parts, assignees=assignees, responses=responses, reasons=reasons)
