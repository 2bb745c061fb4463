"""Totals of a period that add up: counts, buckets of durations, assignees, reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from resolvers.analytics.blocks import KIND_SHAPE, KINDS, OUTCOMES, Block, Count, Duration, Ints, Items
from rules.analytics import BUCKETS

REASONS = np.dtype([("hash", "<u8"), ("count", "<i8"), ("sample", "<i8")])
SPARSE = np.dtype([("place", "<u4"), ("count", "<u4")])
_NOBODY = UUID(int=0)
_PLAIN = len(Count) + len(Duration)
_SUMMED = ("counts", "sums", "kinds", "histograms")
_ASSIGNEE_WIDTH = BUCKETS + len(OUTCOMES)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over cells.

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


def add_totals(first: Totals, second: Totals) -> Totals:
    """Return the sum of both."""
    parts = first, second
    assignees = tuple(dict.fromkeys(member for part in parts for member in part.assignees))
    places = {member: place for place, member in enumerate(assignees)}
    responses = np.zeros((len(assignees), _ASSIGNEE_WIDTH), np.int64)
    for part in parts:
        responses[[places[member] for member in part.assignees]] += part.responses
    summed = {name: getattr(first, name) + getattr(second, name) for name in _SUMMED}
    reasons = _add_reasons(np.concatenate([first.reasons, second.reasons]))
    return Totals(**summed, assignees=assignees, responses=responses, reasons=reasons)


def _add_reasons(reasons: Items) -> Items:
    hashes, first, numbers = np.unique(reasons["hash"], return_index=True, return_inverse=True)
    result = np.zeros(len(hashes), REASONS)
    result["hash"], result["sample"] = hashes, reasons["sample"][first]
    np.add.at(result["count"], numbers, reasons["count"])
    return result


def pack_totals(totals: Totals) -> dict[str, Any]:
    """Return the columns of a month's row; of histograms it holds the buckets that are not empty."""
    plain = np.concatenate([totals.counts, totals.sums]).astype("<i8")
    return {
        "totals": plain.tobytes() + _pack_sparse(np.concatenate([totals.kinds, totals.histograms.ravel()])),
        "assignees": [member or _NOBODY for member in totals.assignees],
        "assignee_counts": _pack_sparse(totals.responses.ravel()),
        "reasons": totals.reasons.tobytes(),
    }


def _pack_sparse(counts: Ints) -> bytes:
    places = np.flatnonzero(counts)
    packed = np.zeros(len(places), SPARSE)
    packed["place"], packed["count"] = places, counts[places]
    return packed.tobytes()


def totals_of_months(rows: Sequence[Any]) -> Totals:
    """Return the sum of the totals of months, given by their rows."""
    size = _PLAIN * 8
    plain = np.frombuffer(b"".join(row["totals"][:size] for row in rows), "<i8").reshape(-1, _PLAIN)
    sparse = np.frombuffer(b"".join(row["totals"][size:] for row in rows), SPARSE)
    counted = _sum_sparse(sparse["place"], sparse["count"], KINDS + len(Duration) * BUCKETS)
    assignees, responses = _responses_of_months(rows)
    return Totals(
        counts=plain[:, : len(Count)].sum(axis=0),
        sums=plain[:, len(Count) :].sum(axis=0),
        kinds=counted[:KINDS],
        histograms=counted[KINDS:].reshape(len(Duration), BUCKETS),
        assignees=assignees,
        responses=responses,
        reasons=_add_reasons(np.frombuffer(b"".join(row["reasons"] for row in rows), REASONS)),
    )


def _responses_of_months(rows: Sequence[Any]) -> tuple[tuple[UUID | None, ...], Ints]:
    members = tuple(dict.fromkeys(member for row in rows for member in row["assignees"]))
    places = {member: place for place, member in enumerate(members)}
    summed = np.zeros((len(members), _ASSIGNEE_WIDTH), np.int64)
    for row in rows:
        # A month counts its own assignees from 0.
        sparse = np.frombuffer(row["assignee_counts"], SPARSE)
        own = [places[member] for member in row["assignees"]]
        counted = _sum_sparse(sparse["place"], sparse["count"], len(own) * _ASSIGNEE_WIDTH)
        summed[own] += counted.reshape(len(own), _ASSIGNEE_WIDTH)
    return tuple(member if member.int else None for member in members), summed


def _sum_sparse(places: Items, counts: Items, size: int) -> Ints:
    # Weights are floats, which are exact for whole numbers up to 2 ** 53.
    return np.bincount(places, weights=counts, minlength=size).astype(np.int64)
