"""The schedule of faults: a seed gives the same one every time."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

SERVES = ("serve1", "serve2", "serve3")
WORKERS = ("worker1", "worker2")
TABLES = ("messages", "conversations", "deliveries")  # that another session locks
# A fault every 5.6 s, of six or seven on average: mostly one at a time, often two, now and then none.
EVERY_SECONDS = 5.6
FIRST_SECONDS, LAST_SECONDS = 2.0, 12.0
FULL_SECONDS, SHORT_SECONDS = 600, 120


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: its victims and its duration in seconds.

    `ways` are variants: how a black hole ends, how PostgreSQL ends, how slow is slow (bytes a second).
    """

    act: str
    what: str
    victims: tuple[str, ...]
    seconds: tuple[float, float]
    ways: tuple[str, ...] = ("",)

    def __str__(self) -> str:
        return f"{self.act} {self.what}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what, to whom, when (seconds from the beginning), for how long."""

    at: float
    kind: Kind
    victim: str
    seconds: float
    way: str

    def __str__(self) -> str:
        way = f" ({self.way})" if self.way else ""
        return f"{self.kind.act} {self.victim} for {self.seconds:.1f} s{way}"


def _links(owners: Iterable[str], to: str) -> tuple[str, ...]:
    """Return single links of each owner, and all of them together."""
    return (*(f"{owner}.{to}" for owner in owners), f"*.{to}")


_FRONTS = tuple(f"{serve}.front" for serve in SERVES)
_TO_POSTGRES, _TO_REDIS = _links((*SERVES, *WORKERS), "postgres"), _links((*SERVES, *WORKERS), "redis")
_ENDS = ("then goes on", "then reset")

KINDS = (
    Kind("kill", "serve", SERVES, (0.2, 4)),
    Kind("kill", "worker", WORKERS, (0.2, 6)),
    Kind("end", "serve", SERVES, (0.2, 3)),
    Kind("stop", "serve", SERVES, (1, 12)),
    Kind("stop", "worker", WORKERS, (1, 15)),
    Kind("stop", "redis", ("redis",), (1, 10)),
    Kind("restart", "redis", ("redis",), (0.2, 6)),
    Kind("restart", "postgres", ("postgres",), (0.2, 4), ("killed", "immediately", "fast")),
    Kind("black-hole", "front", _FRONTS, (3, 14), (*_ENDS, "then silent for ever")),
    Kind("black-hole", "postgres", _TO_POSTGRES, (2, 14), _ENDS),
    Kind("black-hole", "redis", _TO_REDIS, (3, 14), (*_ENDS, "then silent for ever")),
    Kind("slow", "front", _FRONTS, (4, 12), ("300 B/s", "1500 B/s", "6000 B/s")),
    Kind("slow", "postgres", _TO_POSTGRES, (3, 10), ("10000 B/s", "50000 B/s", "200000 B/s")),
    Kind("slow", "redis", _TO_REDIS, (3, 10), ("200 B/s", "2000 B/s")),
    Kind("cut", "front", _FRONTS, (0.1, 3)),
    Kind("cut", "postgres", _TO_POSTGRES, (0.1, 3)),
    Kind("cut", "redis", _TO_REDIS, (0.1, 3)),
    Kind("lock", "table", TABLES, (1, 8)),
    Kind("read-only", "postgres", ("postgres",), (0.5, 5)),
    Kind("fill", "disk", ("postgres",), (0.5, 6)),
    Kind("block", "log", (*SERVES, *WORKERS), (2, 12)),
    Kind("burst", "front", _FRONTS, (2, 6)),
)


def kinds(missing: Container[str] = ()) -> list[Kind]:
    """Return the kinds of faults, without those of what is missing: "redis" or "disk"."""
    return [kind for kind in KINDS if kind.what not in missing]


def least(seconds: float) -> int:
    """Return how often every kind must occur in a run of so many seconds."""
    return min(5, int(seconds // SHORT_SECONDS))


def schedule(seed: int, seconds: float, chosen: Sequence[Kind]) -> list[Fault]:
    """Return the faults of a run in order.

    Kinds are drawn from shuffled lists that hold each once, so all occur about equally often.
    """
    chance = Random(seed)
    room = max(seconds - FIRST_SECONDS - LAST_SECONDS, EVERY_SECONDS)
    count = max(round(room / EVERY_SECONDS), len(chosen) * least(seconds))
    dealt, faults = _dealt(chosen, chance), []
    for place in range(count):
        at = FIRST_SECONDS + (place + chance.random()) * room / count
        kind = next(dealt)
        faults.append(
            Fault(
                at, kind, chance.choice(kind.victims), chance.uniform(*kind.seconds), chance.choice(kind.ways)
            )
        )
    return faults


def _dealt(chosen: Sequence[Kind], chance: Random) -> Iterator[Kind]:
    while True:
        yield from chance.sample(chosen, len(chosen))


def missing(done: Mapping[Kind, int], seconds: float, chosen: Sequence[Kind]) -> list[str]:
    """Return the kinds that occurred too rarely."""
    counted, wanted = Counter(done), least(seconds)
    return [f"{kind}: done {counted[kind]} times" for kind in chosen if counted[kind] < wanted]
