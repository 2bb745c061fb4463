"""Rounds: every work on every server in turn, again and again; the first round does not count."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep

from bench.client import Asked, run
from bench.requests.answers import check_answers
from bench.requests.servers import BATON, WITH_WORKER, Contestant, only_running
from bench.requests.works import RECORDS, WORKS, Workspace, prepare
from bench.rounds import say
from bench.server_under_test import Stage

CLIENTS = (1, 16)
PACE = 20  # requests a second of one client
TICK_SECONDS = 0.01  # Linux counts CPU in these
IDLE_SHARE, IDLE_SECONDS, IDLE_TURNS = 0.1, 0.5, 240
# A Baton publishes wake-ups until it has received nothing from another one for four canaries, of 3 s each.
# One that was stopped for three of them has lost its connection, and begins to count again.
ALONE_SECONDS, SHORT_STOP_SECONDS = 13, 8


@dataclass(frozen=True, slots=True)
class Plan:
    """Durations of a run in seconds. `paced` is that of a measurement at a pace, which has few requests."""

    rounds: int
    seconds: float
    paced: float


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of work by a number of clients, or by one at a pace."""

    work: str
    clients: int
    paced: bool = False

    @property
    def load(self) -> str:
        """The clients, in words of the table."""
        return f"{self.clients}, {PACE} a second" if self.paced else str(self.clients)


@dataclass(frozen=True, slots=True)
class Reading:
    """Requests a second, and milliseconds of CPU a request."""

    rate: float
    server: float
    postgres: float


Result = dict[Case, dict[str, list[Reading]]]


async def rounds(staged: Stage, servers: Sequence[Contestant], plan: Plan) -> Result:
    """Check every server's answers, then measure every work."""
    workspace = await prepare(staged)
    say("compares the answers")
    await check_answers(servers, workspace)
    result: Result = {}
    batons = _Batons()
    for turn in range(plan.rounds + 1):
        say(f"round {turn} of {plan.rounds}" if turn else "warms up")
        for case in cases():
            for server in _of_case(servers, case):
                with only_running(server, servers), batons.alone(server):
                    reading = await _measure(staged, server, workspace, case, plan)
                if turn:
                    result.setdefault(case, {}).setdefault(server.name, []).append(reading)
    return result


class _Batons:
    """The servers of Baton: which of them ran last, and until when."""

    def __init__(self) -> None:
        self._last, self._until = "", 0.0

    @contextmanager
    def alone(self, server: Contestant) -> Iterator[None]:
        """Wait until a Baton no longer publishes for the other one."""
        if server.name not in {BATON, WITH_WORKER}:
            yield
            return
        if server.name != self._last or monotonic() - self._until > SHORT_STOP_SECONDS:
            sleep(ALONE_SECONDS)
        yield
        self._last, self._until = server.name, monotonic()


def cases() -> Iterator[Case]:
    """Yield what is measured in a round."""
    for work in WORKS:
        yield from (Case(work, clients) for clients in CLIENTS)
    yield Case(RECORDS, 1, paced=True)


def _of_case(servers: Sequence[Contestant], case: Case) -> list[Contestant]:
    return [item for item in servers if (item.paced if case.paced else case.work in item.works)]


async def _measure(
    staged: Stage, server: Contestant, workspace: Workspace, case: Case, plan: Plan
) -> Reading:
    asked = workspace.work(case.work, server.target, server.list_document)
    if case.paced:
        _wait_until_idle(server)
        return await _read(staged, server, asked, 1, plan.paced, 1 / PACE)
    return await _read(staged, server, asked, case.clients, plan.seconds)


async def _read(
    staged: Stage, server: Contestant, asked: Asked, clients: int, seconds: float, pause: float = 0.0
) -> Reading:
    before = server.processes.cpu_seconds(), staged.postgres.cpu_seconds()
    sample = await run(server.target, asked, clients, seconds, pause=pause)
    after = server.processes.cpu_seconds(), staged.postgres.cpu_seconds()
    spent = [max(now - then, TICK_SECONDS) for now, then in zip(after, before, strict=True)]
    return Reading(sample.rate, *(1000 * item / len(sample.latencies) for item in spent))


def _wait_until_idle(server: Contestant) -> None:
    """Wait until a worker has done what the messages of the other servers left to it."""
    for _ in range(IDLE_TURNS):
        before = server.processes.cpu_seconds()
        sleep(IDLE_SECONDS)
        if server.processes.cpu_seconds() - before <= IDLE_SHARE * IDLE_SECONDS:
            return
    raise RuntimeError(f"{server.name} does not become idle within {IDLE_TURNS * IDLE_SECONDS:.0f} s")
