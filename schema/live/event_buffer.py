"""What a group tells its members, and what it told them last."""

import math
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from time import monotonic
from typing import Any, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

RECENT = 500  # results that a group remembers
RECENT_BYTES = 1024 * 1024
RECENT_SECONDS = 5.0  # what is older may look otherwise by now


class EncodedBatch:
    """
    Results that go out together, in order, each encoded as JSON.

    They are the same for many listeners: what those make of them is made once.
    """

    __slots__ = ("_made", "payloads")

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self.payloads = payloads
        self._made: dict[Hashable, Any] = {}

    def shared(self, key: K, make: Callable[[Sequence[bytes], K], T]) -> T:
        """What `make` makes of the payloads and a key, the same for all who ask by that key."""
        made: T | None = self._made.get(key)
        if made is None:
            made = self._made[key] = make(self.payloads, key)
        return made


class EncodedEvent(NamedTuple):
    """The result for what happened at a position of the log, and when it was made (monotonic seconds)."""

    position: int
    payload: bytes
    made_at: float


class EventBuffer:
    """
    The results of late, at most 500 of them or 1 MiB, none older than 5 s.

    Whoever has been told of all up to position `start` or later finds everything here that followed.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self._told: deque[EncodedEvent] = deque()
        self._bytes = 0

    def add(self, told: Sequence[EncodedEvent]) -> None:
        """Adds what comes behind all the others."""
        self._told.extend(told)
        self._bytes += sum(len(one.payload) for one in told)
        while len(self._told) > RECENT or self._bytes > RECENT_BYTES:
            self._forget_oldest()

    def add_before(self, after: int, told: Sequence[EncodedEvent]) -> None:
        """Adds what lies between position `after` and the start: of that the newest, as far as it fits."""
        age = self._told[0].made_at if self._told else math.inf
        for one in reversed(told):
            if len(self._told) >= RECENT or self._bytes + len(one.payload) > RECENT_BYTES:
                self.start = one.position
                return
            # What stands behind it is to be forgotten first.
            self._told.appendleft(one._replace(made_at=min(one.made_at, age)))
            self._bytes += len(one.payload)
        self.start = after

    def forget_old(self) -> bool:
        """Forgets what is too old, and says whether anything is left."""
        too_old = monotonic() - RECENT_SECONDS
        while self._told and self._told[0].made_at < too_old:
            self._forget_oldest()
        return bool(self._told)

    def since(self, after: int) -> list[EncodedEvent] | None:
        """What followed position `after`; None when it is not all here."""
        self.forget_old()
        return None if after < self.start else [one for one in self._told if one.position > after]

    def _forget_oldest(self) -> None:
        oldest = self._told.popleft()
        self.start = oldest.position
        self._bytes -= len(oldest.payload)
