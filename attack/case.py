"""A hostile case: its promise, its limits, and the list of all cases."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from attack.world import World

MIB = 1024 * 1024
Attack = Callable[[World], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a case may cost. Times hold on the reference machine, and are scaled on slower ones."""

    loop_seconds: float = 0.3
    memory_bytes: int = 32 * MIB
    reply_bytes: int = 8 * MIB
    # Longest of the best 99 % of the calls of /healthz meanwhile.
    health_seconds: float = 0.1
    mails: int = 0
    deliveries: int = 0
    # Descriptors that stay open five seconds later. The pools of the database open 40 when they are needed.
    files: int = 48


@dataclass(frozen=True, slots=True)
class Case:
    """A hostile case."""

    name: str
    promise: str
    attack: Attack
    limits: Limits = field(default_factory=Limits)
    # Waits for deadlines of the server: these cases run concurrently, under one measurement.
    slow: bool = False
    # Measures how long callers wait: nothing else runs meanwhile.
    alone: bool = False
    # Omitted in the short form.
    long: bool = False
    # Also runs on a server with the default manifest of widget documents.
    customers: bool = False


CASES: list[Case] = []
CUSTOMER = Limits(reply_bytes=2 * MIB)


def case(
    name: str, promise: str, limits: Limits | None = None, *, slow: bool = False, alone: bool = False
) -> Callable[[Attack], Attack]:
    """Add the decorated function to the list of cases."""

    def add(attack: Attack) -> Attack:
        add_case(Case(name, promise, attack, limits or Limits(), slow, alone, long=slow or alone))
        return attack

    return add


def add_case(item: Case) -> None:
    """Add a case to the list; raises ValueError for a second case of the same name."""
    if any(item.name == other.name for other in CASES):
        raise ValueError(f"There are two cases “{item.name}”.")
    CASES.append(item)
