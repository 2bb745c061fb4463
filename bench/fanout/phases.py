"""The phases of the benchmark: every server in turn, repeatedly, so a disturbance affects all."""

import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from bench.fanout import baton, servers
from bench.fanout.baton import Services
from bench.fanout.build import install_peers
from bench.fanout.driver import Client, Cut, Replies, Run, callers, client
from bench.fanout.servers import Audience
from bench.rounds import say
from bench.server_under_test import Stage

# Events per tick, and ticks under way. Of ten per tick the next is committed while one is sent: otherwise the
# server would wait for the publisher.
ONE, TEN = (1, 1), (10, 2)
PACED_EVENTS = 50
# Events a second; the highest that is held is looked for.
LADDER = (20, 25, 30, 35, 40, 50, 60, 80, 100, 120, 150, 200, 250)
HELD_P99_SECONDS = 0.1
WARM_SOCKETS = 50
# Events after a cut: of one conversation that all follow, and of each of as many conversations.
CUT_EVENTS, OWN_CUT_EVENTS, CUT_SECONDS = 20, 2, 60

BATON, WIDGETS, RECORDING = "Baton", "Baton, widgets", "Baton, recording included"
LIMIT, NCHAN, GRAPHQL_WS, MERCURIUS, PLAIN = (
    "C limit",
    "Nchan",
    "graphql-ws",
    "Mercurius",
    "plain Strawberry",
)
ALL = (LIMIT, NCHAN, GRAPHQL_WS, MERCURIUS, PLAIN, BATON, RECORDING)
PACED = (LIMIT, MERCURIUS, BATON, RECORDING)


Start = Callable[[], AbstractContextManager[Audience]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run: times in seconds, and numbers of sockets, callers and cuts."""

    rounds: int
    seconds: float
    subscribers: int
    paced_seconds: float
    ladder: tuple[int, ...]
    idle: int
    settle_seconds: float
    cuts: int
    widgets: int
    members: int
    replies_seconds: float


FULL = Plan(
    rounds=5,
    seconds=1.5,
    subscribers=1000,
    paced_seconds=2,
    ladder=LADDER,
    idle=5000,
    settle_seconds=3,
    cuts=3,
    widgets=1000,
    members=16,
    replies_seconds=3,
)
QUICK = Plan(
    rounds=1,
    seconds=0.2,
    subscribers=50,
    paced_seconds=0.2,
    ladder=(),
    idle=100,
    settle_seconds=0.3,
    cuts=1,
    widgets=20,
    members=2,
    replies_seconds=0.5,
)


@dataclass(slots=True)
class Results:
    """The results by server: runs by round, idle memory in KiB per socket."""

    frame_bytes: dict[str, int] = field(default_factory=dict)
    single: dict[str, list[Run]] = field(default_factory=dict)
    ten: dict[str, list[Run]] = field(default_factory=dict)
    paced: dict[str, list[Run]] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    idle: dict[str, float] = field(default_factory=dict)
    cuts: dict[str, list[Cut]] = field(default_factory=dict)
    replies: dict[str, list[Replies]] = field(default_factory=dict)


class Phases:
    """The benchmark next to the named servers; it fills `results`."""

    def __init__(self, plan: Plan, beside: Collection[str]) -> None:
        self.results = Results()
        self._plan = plan
        self._peers: dict[str, Start] = {name: start for name, start in available().items() if name in beside}

    def fan(self, services: Services) -> None:
        """So many subscribers of one subscription, and events as fast as they go: one at a time, and ten."""
        plan, results = self._plan, self.results
        with ExitStack() as stack:
            clients = self._clients(stack, services, ALL)
            self._fan_round(clients, Results(), plan.seconds / 3)
            for number in range(plan.rounds):
                say(f"round {number + 1} of {plan.rounds}")
                self._fan_round(clients, results, plan.seconds)

    def pace(self, services: Services) -> None:
        """Measure at a rate that not every server sustains, then at the highest rate of each."""
        plan, results = self._plan, self.results
        with ExitStack() as stack:
            clients = self._clients(stack, services, PACED)
            for number in range(plan.rounds):
                say(f"round {number + 1} of {plan.rounds}")
                for name, item in clients.items():
                    run = item.pace(PACED_EVENTS, 1, plan.paced_seconds)
                    results.paced.setdefault(name, []).append(run)
            for name, item in clients.items() if plan.ladder else ():
                say(f"looks for the highest rate that {name} holds")
                results.held[name] = self._highest(item)

    def _clients(self, stack: ExitStack, services: Services, names: Collection[str]) -> dict[str, Client]:
        """Start a client per server; all run concurrently, and one is measured at a time."""
        clients: dict[str, Client] = {}
        starts: dict[str, Start] = {
            **self._peers,
            BATON: lambda: baton.delivery(services),
            RECORDING: lambda: baton.recording(services),
        }
        for name in names:
            if name in starts:
                say(f"{self._plan.subscribers:,} subscribers of {name}")
                audience = stack.enter_context(starts[name]())
                clients[name] = stack.enter_context(client(audience, self._plan.subscribers))
                self.results.frame_bytes[name] = clients[name].frame_bytes
        return clients

    def _fan_round(self, clients: dict[str, Client], results: Results, seconds: float) -> None:
        for name, item in clients.items():
            results.single.setdefault(name, []).append(item.saturate(*ONE, seconds))
        for name, item in clients.items():
            if name != RECORDING:  # one transaction per message, so there are no batches
                results.ten.setdefault(name, []).append(item.saturate(*TEN, seconds))

    def _highest(self, item: Client) -> int:
        """Return the highest rate without a growing queue; a rate may fail once by accident."""
        highest = 0
        for rate in self._plan.ladder:
            if not any(self._holds(item, rate) for _ in range(2)):
                break
            highest = rate
        return highest

    def _holds(self, item: Client, rate: int) -> bool:
        run = item.pace(rate, 1, self._plan.paced_seconds)
        in_time = run.seconds < self._plan.paced_seconds + HELD_P99_SECONDS
        return in_time and not run.lost and run.latency.p99 < HELD_P99_SECONDS

    def idle(self, services: Services) -> None:
        """Measure idle sockets, and for Baton the time until cut sockets have caught up."""
        for start in self._peers.values():
            with start() as audience:
                self._idle(audience)
        # A publisher serves one client, so those who warm up have another.
        with baton.delivery(services) as other, client(other, WARM_SOCKETS):
            pass
        with baton.delivery(services) as audience:
            self._idle(audience, CUT_EVENTS)

    def own_conversations(self, services: Services) -> None:
        """Measure idle widgets, each on a conversation of its own, and the time until all have caught up."""
        with baton.own_conversations(services, WARM_SOCKETS) as other, client(other, WARM_SOCKETS):
            pass
        with baton.own_conversations(services, self._plan.idle) as audience:
            self._idle(audience, OWN_CUT_EVENTS)

    def _idle(self, audience: Audience, cut_events: int = 0) -> None:
        say(f"{self._plan.idle:,} idle subscribers of {audience.name}")
        time.sleep(self._plan.settle_seconds / 3)
        before = audience.server.memory().rss
        with client(audience, self._plan.idle) as many:
            time.sleep(self._plan.settle_seconds)
            each = (audience.server.memory().rss - before) / self._plan.idle
            self.results.idle[audience.name] = each
            for _ in range(self._plan.cuts if cut_events else 0):
                say("cuts them all")
                cut = many.cut(cut_events, CUT_SECONDS)
                self.results.cuts.setdefault(audience.name, []).append(cut)
                if cut.missing:
                    break  # another cut would only meet the rest of this one

    def replies(self, services: Services) -> None:
        """Widget on conversations of their own, each with its own replies, from members at the same time."""
        plan = self._plan
        say(f"{plan.widgets:,} widgets on {plan.widgets:,} conversations")
        with ExitStack() as stack:
            clients: dict[str, Client] = {}
            if MERCURIUS in self._peers:
                start = servers.mercurius_replies(_socket_folder(services.stage), plan.widgets)
                audience, asked = stack.enter_context(start)
                clients[MERCURIUS] = stack.enter_context(callers(audience, asked, plan.members))
            audience, asked = baton.widgets(services, plan.widgets, plan.members)
            clients[BATON] = stack.enter_context(callers(audience, asked, plan.members))
            for number in range(plan.rounds + 1):
                say(f"round {number} of {plan.rounds}" if number else "warms up")
                for name, item in clients.items():
                    run = item.replies(plan.replies_seconds)
                    if number:
                        self.results.replies.setdefault(name, []).append(run)


def available() -> dict[str, Start]:
    """Return the servers that can be started here; the others are reported."""
    result: dict[str, Start] = {LIMIT: servers.limit}
    if servers.has_nchan():
        result[NCHAN] = servers.nchan
    else:
        say("leaves out Nchan: nginx with libnginx-mod-nchan is not installed")
    if install_peers():
        result[GRAPHQL_WS] = lambda: servers.node(GRAPHQL_WS, "graphql_ws.mjs")
        result[MERCURIUS] = lambda: servers.node(MERCURIUS, "mercurius.mjs")
    else:
        say("leaves out graphql-ws and Mercurius: there is no Node.js")
    result[PLAIN] = servers.plain_strawberry
    return result


def _socket_folder(stage: Stage) -> str:
    return parse_qs(urlsplit(stage.database_url).query)["host"][0]
