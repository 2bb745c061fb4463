"""Encoded results for the members of a group, and a buffer of the recent ones."""

import math
from collections.abc import Callable, Hashable, Sequence
from time import monotonic
from typing import Any, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

RECENT = 500  # results that a group remembers
RECENT_BYTES = 1024 * 1024
RECENT_SECONDS = 5.0  # the rows of older results may have changed


class EncodedBatch:
    """Results that go out together, in order, each encoded as JSON.

    Many sinks share them: what is derived from them is derived once.
    """

    __slots__ = ("_made", "payloads")

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self.payloads = payloads
        self._made: dict[Hashable, Any] = {}

    def shared(self, key: K, make: Callable[[Sequence[bytes], K], T]) -> T:
        """Return what `make` makes of the payloads and a key, made once for each key."""
        made: T | None = self._made.get(key)
        if made is None:
            made = self._made[key] = make(self.payloads, key)
        return made


class EncodedEvent(NamedTuple):
    """The result for the event at a position of the log, and the time of its making (monotonic seconds)."""

    position: int
    payload: bytes
    made_at: float


class Missed(NamedTuple):
    """The events that a member has missed, and all of them together, as they are sent."""

    events: list[EncodedEvent]
    batch: EncodedBatch


_NOTHING = Missed([], EncodedBatch([]))


class EventBuffer:
    """The recent results: at most 500 of them or 1 MiB, none older than 5 s.

    A member that has everything up to position `start` or later finds all that followed here. Members that
    come back together mostly have the same position: what was missed since the last one is kept.
    """

    __slots__ = ("_bytes", "_events", "_last_missed", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        # A deque of none would take 600 bytes in every group.
        self._events: list[EncodedEvent] = []
        self._bytes = 0
        self._last_missed: tuple[int, Missed] | None = None

    def add(self, events: Sequence[EncodedEvent]) -> None:
        """Add events after all others."""
        self._last_missed = None
        self._events.extend(events)
        self._bytes += sum(len(event.payload) for event in events)
        while len(self._events) > RECENT or self._bytes > RECENT_BYTES:
            self._forget_oldest()

    def add_before(self, after: int, events: Sequence[EncodedEvent]) -> None:
        """Add the newest events between position `after` and the start, as many as fit."""
        self._last_missed = None
        age = self._events[0].made_at if self._events else math.inf
        for event in reversed(events):
            if len(self._events) >= RECENT or self._bytes + len(event.payload) > RECENT_BYTES:
                self.start = event.position
                return
            # Later events must be dropped first.
            self._events.insert(0, event._replace(made_at=min(event.made_at, age)))
            self._bytes += len(event.payload)
        self.start = after

    def forget_old(self) -> bool:
        """Drop old events, and return whether any are left."""
        too_old = monotonic() - RECENT_SECONDS
        while self._events and self._events[0].made_at < too_old:
            self._forget_oldest()
        return bool(self._events)

    def since(self, after: int) -> Missed | None:
        """Return the events after position `after`; None when some are no longer here."""
        self.forget_old()
        if after < self.start:
            return None
        if self._last_missed is not None and self._last_missed[0] == after:
            return self._last_missed[1]
        events = [event for event in self._events if event.position > after]
        if not events:
            return _NOTHING
        missed = Missed(events, EncodedBatch([event.payload for event in events]))
        self._last_missed = after, missed
        return missed

    def _forget_oldest(self) -> None:
        self._last_missed = None
        oldest = self._events.pop(0)
        self.start = oldest.position
        self._bytes -= len(oldest.payload)
