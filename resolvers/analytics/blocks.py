"""Packed arrays of what the analytics count, in the order of time.

A block is a row of cells: quarters of an hour as a rule, shorter pieces where a period begins or ends within
one. Each cell has counts, sums of durations, and items. Items of one kind are in one array, in the order of
their cells; the cell's count of that kind says how many are its own. Instants are microseconds since 1970.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from rules.analytics import Review
from rules.escalation import EscalationTrigger, Priority
from rules.sla_clock import SlaOutcome

SLOT = 15 * 60 * 1_000_000
SLOTS_OF_DAY = 96
DAY = SLOTS_OF_DAY * SLOT

Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Items: TypeAlias = npt.NDArray[Any]


class Count(IntEnum):
    """Column of the counts of a cell. A series needs the first five; four of them count items."""

    CONVERSATIONS = 0
    ESCALATED = 1
    ESCALATIONS = 2
    MET = 3
    MISSED = 4
    ACTIVE = 5
    WAITED = 6
    AVERTED = 7
    NEEDED = 8
    NOT_NEEDED = 9
    REPLIES = 10
    RISKS = 11
    REVIEWS = 12


class Duration(IntEnum):
    """Column of the sums of a cell, in microseconds."""

    RESOLUTION = 0
    RESOLUTION_BUSINESS = 1
    RESPONSE = 2
    RESPONSE_BUSINESS = 3


COUNTS = np.dtype("<i4")
SUMS = np.dtype("<i8")
# The bucket of the time to the resolution, of each escalation.
RESOLUTIONS = np.dtype("<u2")
# `kind` holds trigger, priority, clock, review and end of an escalation: see `pack_kind`.
# `reason` is 0 for a trigger's usual reason, otherwise the `reason_hash`.
DETAILS = np.dtype(
    [
        ("kind", "<u2"),
        ("assignee", "<u2"),
        ("resolution_business", "<u2"),
        ("response", "<u2"),
        ("response_business", "<u2"),
        ("reason", "<u8"),
    ]
)
# A recorded confidence, the next lower one of its conversation (NO_CELL if none), and what became of that.
REPLIES = np.dtype([("cell", "<u2"), ("before", "<u2"), ("fate", "u1")])
# A step of `critical_confidences`: the delay, with flags in its upper bits, and the confidence.
STEPS = np.dtype([("until", "<u4"), ("critical", "<f8")])

# The last bits of the hash of a reason: a mark, so that it is not 0, and the place of the trigger.
REASON_TRIGGER, OWN_REASON = 0x1F, 0x10
NO_CELL = 0xFFFF
FATE_ESCALATED, FATE_NEEDED, FATE_NOT_NEEDED = 1, 2, 4
FIRST_STEP, NEEDED_STEP = 1 << 31, 1 << 30
DELAY_BITS = NEEDED_STEP - 1

TRIGGERS = list(EscalationTrigger)
PRIORITIES = list(Priority)
OUTCOMES = list(SlaOutcome)
REVIEWS = list(Review)
KIND_SHAPE = (len(TRIGGERS), len(PRIORITIES), len(OUTCOMES), len(REVIEWS), 2)
KINDS = int(np.prod(KIND_SHAPE))
_PLACES = [{member: place for place, member in enumerate(members)} for members in (TRIGGERS, PRIORITIES)]
_OUTCOME_PLACES = {outcome: place for place, outcome in enumerate(OUTCOMES)}
_REVIEW_PLACES = {review: place for place, review in enumerate(REVIEWS)}

# The array of each kind of item, its type, and the count that says where a cell's items end.
ITEM_TYPES = {
    "resolutions": (RESOLUTIONS, Count.ESCALATIONS),
    "details": (DETAILS, Count.ESCALATIONS),
    "replies": (REPLIES, Count.REPLIES),
    "risks": (STEPS, Count.RISKS),
    "reviews": (STEPS, Count.REVIEWS),
}

CELL_PARTS = ("starts", "counts", "sums", "last_replies")


def pack_kind(
    trigger: EscalationTrigger, priority: Priority, outcome: SlaOutcome, review: Review, resolved: bool
) -> int:
    """Return one number for what is counted of an escalation; `KIND_SHAPE` takes it apart."""
    number = _PLACES[0][trigger]
    number = number * KIND_SHAPE[1] + _PLACES[1][priority]
    number = number * KIND_SHAPE[2] + _OUTCOME_PLACES[outcome]
    number = number * KIND_SHAPE[3] + _REVIEW_PLACES[review]
    return number * 2 + resolved


@dataclass(frozen=True, slots=True)
class Block:
    """Cells with their counts, sums and items; kinds of items that were not asked for are None."""

    starts: Ints
    counts: Items
    sums: Ints | None = None
    last_replies: Ints | None = None
    resolutions: Items | None = None
    details: Items | None = None
    replies: Items | None = None
    risks: Items | None = None
    reviews: Items | None = None
    assignees: tuple[UUID | None, ...] = ()

    def keep(self, mask: Mask) -> "Block":
        """Return the cells where `mask` is true, with their items."""
        if mask.all():
            return self
        # Slices of neighbours: as a rule there are a few, and a single one is not even copied.
        borders = np.flatnonzero(np.diff(mask, prepend=False, append=False)).tolist()
        runs = list(zip(borders[::2], borders[1::2], strict=True))
        kept: dict[str, Any] = {name: _slices(getattr(self, name), runs) for name in CELL_PARTS}
        for name, (_, count) in ITEM_TYPES.items():
            if getattr(self, name) is not None:
                begins = self.total_before(count)
                of_cells = [(int(begins[low]), int(begins[high])) for low, high in runs]
                kept[name] = _slices(getattr(self, name), of_cells)
        return replace(self, **kept)

    def merge(self, other: "Block") -> "Block":
        """Return the cells of both in the order of time; each has its own in that order."""
        if not len(other.starts):
            return self
        first, second = _with_common_assignees((self, other))
        places = np.searchsorted(first.starts, second.starts)
        # Neighbours in `second` that go to the same place are inserted together.
        groups = np.concatenate([[0], np.flatnonzero(np.diff(places)) + 1, [len(places)]])
        places = places[groups[:-1]]
        merged: dict[str, Any] = {"assignees": first.assignees}
        for name in CELL_PARTS:
            merged[name] = _insert(getattr(first, name), places, getattr(second, name), groups)
        for name, (_, count) in ITEM_TYPES.items():
            items, more = getattr(first, name), getattr(second, name)
            if items is not None:
                at, bounds = first.total_before(count)[places], second.total_before(count)[groups]
                merged[name] = _insert(items, at, more, bounds)
        return Block(**merged)

    def total_before(self, count: Count) -> Ints:
        """Return the total before each cell, and of all; items of a cell begin at that of their kind."""
        total = np.zeros(len(self.starts) + 1, np.int64)
        np.cumsum(self.counts[:, count], out=total[1:])
        return total

    def cells_of(self, count: Count) -> Ints:
        """Return the cell of each item of a kind."""
        return np.repeat(np.arange(len(self.starts)), self.counts[:, count])


def empty_block(names: Iterable[str], counted: int = len(Count)) -> Block:
    """Return a block without cells that has the parts with these names."""
    shapes: dict[str, Any] = {
        "sums": np.zeros((0, len(Duration)), np.int64),
        "last_replies": np.zeros(0, np.int64),
        **{name: np.zeros(0, dtype) for name, (dtype, _) in ITEM_TYPES.items()},
    }
    counts = np.zeros((0, counted), COUNTS)
    return Block(np.zeros(0, np.int64), counts, **{name: shapes[name] for name in names if name in shapes})


def join_blocks(blocks: Sequence[Block]) -> Block:
    """Return one block with the cells of all; their order is that of the blocks."""
    if len(blocks) == 1:
        return blocks[0]
    blocks = _with_common_assignees(blocks)
    joined: dict[str, Any] = {"assignees": blocks[0].assignees}
    for field in fields(Block):
        parts = [getattr(block, field.name) for block in blocks]
        if field.name != "assignees":
            joined[field.name] = None if parts[0] is None else _join(parts)
    return Block(**joined)


def _with_common_assignees(blocks: Sequence[Block]) -> list[Block]:
    """Give the assignees of all blocks common numbers."""
    members = tuple(dict.fromkeys(member for block in blocks for member in block.assignees))
    places = {member: place for place, member in enumerate(members)}
    renumbered = []
    for block in blocks:
        details = block.details
        if details is not None and block.assignees not in ((), members):
            details = details.copy()
            table = np.array([places[member] for member in block.assignees], np.uint16)
            details["assignee"] = table[details["assignee"]]
        renumbered.append(replace(block, details=details, assignees=members))
    return renumbered


def _insert(array: Items | None, places: Ints, more: Items, bounds: Ints) -> Items | None:
    """Insert the parts of `more` between `bounds`, each at its place."""
    if array is None:
        return None
    pieces, begin = [], 0
    for place, low, high in zip(places.tolist(), bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        pieces += [array[begin:place], more[low:high]]
        begin = place
    return _join([*pieces, array[begin:]])


def _join(arrays: Sequence[Items]) -> Items:
    """Return one array of all; structures are joined as bytes, which takes a tenth of the time."""
    dtype = arrays[0].dtype
    if dtype.names is None:
        return np.concatenate(arrays)
    return np.concatenate([array.view(f"V{dtype.itemsize}") for array in arrays]).view(dtype)


def _slices(array: Items | None, runs: Sequence[tuple[int, int]]) -> Items | None:
    if array is None:
        return None
    slices = [array[begin:end] for begin, end in runs]
    return slices[0] if len(slices) == 1 else _join([array[:0], *slices])


def blank_day(start: int) -> Block:
    """Return the block of a day in which nothing happened."""
    parts = empty_block(("sums", "last_replies", *ITEM_TYPES))
    return replace(
        parts,
        starts=start + np.arange(SLOTS_OF_DAY, dtype=np.int64) * SLOT,
        counts=np.zeros((SLOTS_OF_DAY, len(Count)), COUNTS),
        sums=np.zeros((SLOTS_OF_DAY, len(Duration)), np.int64),
        last_replies=np.zeros(SLOTS_OF_DAY, np.int64),
    )


def _without_unused(block: Block) -> Block:
    """Return the block with the assignees only that its escalations have."""
    assert block.details is not None
    used, numbers = np.unique(block.details["assignee"], return_inverse=True)
    details = block.details.copy()
    details["assignee"] = numbers
    return replace(block, details=details, assignees=tuple(block.assignees[place] for place in used))


def pack_day(block: Block) -> dict[str, Any]:
    """Return the columns of a day's row; the block's cells are its 96 quarters of an hour."""
    block = _without_unused(block)
    assert block.sums is not None
    assert block.last_replies is not None
    columns: dict[str, Any] = {
        "counts": pack_counts(block),
        "sums": block.sums.astype(SUMS).tobytes(),
        "last_replies": block.last_replies.astype(SUMS).tobytes(),
        # UUID 0 means "no assignee": arrays of the database hold no null here.
        "assignees": [member or UUID(int=0) for member in block.assignees],
    }
    return columns | {name: getattr(block, name).tobytes() for name in ITEM_TYPES}


def pack_counts(block: Block) -> bytes:
    """Return the counts column by column, so that a reader may take the first ones only."""
    return block.counts.T.astype(COUNTS).tobytes()


def unpack_rows(
    spans: Sequence[tuple[int, int]], columns: dict[str, Sequence[Any]], counted: int = len(Count)
) -> Block:
    """Return the block of several rows, given by column; columns that are left out are None.

    `spans` has the start of each row and its number of days, `counted` is how many counts there are.
    """
    starts = np.concatenate(
        [start + np.arange(days * SLOTS_OF_DAY, dtype=np.int64) * SLOT for start, days in spans]
    )
    counts = np.concatenate(
        [np.frombuffer(part, COUNTS).reshape(counted, -1).T for part in columns["counts"]]
    )
    parts: dict[str, Any] = {}
    if "sums" in columns:
        parts["sums"] = _array(columns["sums"], SUMS).reshape(-1, len(Duration))
    if "last_replies" in columns:
        parts["last_replies"] = _array(columns["last_replies"], SUMS)
    for name, (dtype, _) in ITEM_TYPES.items():
        if name in columns:
            parts[name] = _array(columns[name], dtype)
    block = Block(starts, counts, **parts)
    return _with_assignees(block, columns["assignees"]) if "details" in columns else block


def _array(parts: Sequence[bytes], dtype: np.dtype[Any]) -> Items:
    return np.frombuffer(b"".join(parts), dtype)


def _with_assignees(block: Block, lists: Sequence[Sequence[UUID]]) -> Block:
    """Give the assignees of all days common numbers."""
    assert block.details is not None
    members = tuple(dict.fromkeys(member for members in lists for member in members))
    places = {member: place for place, member in enumerate(members)}
    table = np.array([places[member] for members in lists for member in members] or [0], np.uint16)
    sizes = np.array([len(members) for members in lists], np.int64)
    of_day = block.counts[:, Count.ESCALATIONS].reshape(-1, SLOTS_OF_DAY).sum(axis=1)
    begins = np.repeat(np.cumsum(sizes) - sizes, of_day)
    details = block.details.copy()
    details["assignee"] = table[begins + details["assignee"]]
    return replace(
        block, details=details, assignees=tuple(member if member.int else None for member in members)
    )
