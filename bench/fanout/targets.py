"""The targets of Baton's live path, and the measured figures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.fanout.driver import Run
from bench.fanout.phases import (
    BATON,
    GRAPHQL_WS,
    LIMIT,
    MERCURIUS,
    PACED_EVENTS,
    PLAIN,
    Plan,
    Results,
)
from bench.tables import number

# Where the target of 1,300,000 messages a second was set, the limit reached 2,700,000.
RATE_OF_LIMIT = 1_300_000 / 2_700_000
IDLE_KIB, CAUGHT_UP_SECONDS, P99_SECONDS = 8, 2.5, 0.025
ONE_AT_A_TIME = {PLAIN: 1 / 30, GRAPHQL_WS: 1 / 5, MERCURIUS: 1 / 5, LIMIT: 1.6}
TEN_A_TICK = {PLAIN: 1 / 200, MERCURIUS: 1 / 35}


@dataclass(frozen=True, slots=True)
class Target:
    """A target: the measurement, the target and the figure, and their distance."""

    measured: str
    target: str
    figure: str
    met: bool
    missed_by: str = ""

    @property
    def verdict(self) -> str:
        """Yes, or no and by how much."""
        return "yes" if self.met else f"no: {self.missed_by}"


def targets(plan: Plan, results: Results) -> Iterator[Target]:
    """Those for which there are figures."""
    yield from _costs("one event at a time", results.single, ONE_AT_A_TIME)
    yield from _costs("ten events a tick", results.ten, TEN_A_TICK)
    if LIMIT in results.ten:
        yield _rate(results.ten)
    if runs := results.paced.get(BATON):
        rate = f"{PACED_EVENTS * plan.subscribers:,} messages a second"
        p99 = median(run.latency.p99 for run in runs)
        yield _most(f"p99 from publishing to reading at {rate}", P99_SECONDS * 1e3, p99 * 1e3, "ms")
    if BATON in results.idle:
        yield _most(f"{plan.idle:,} idle subscribers, each", IDLE_KIB, results.idle[BATON], "KiB")
    if cuts := results.cuts.get(BATON):
        back = median(item.caught_up.p99 for item in cuts)
        complete = not any(item.missing or item.doubled for item in cuts)
        what = f"{plan.idle:,} sockets cut together are back and caught up, p99"
        result = _most(what, CAUGHT_UP_SECONDS, back, "s")
        yield result if complete else Target(what, result.target, result.figure, False, "not complete")


def paired(runs: Mapping[str, Sequence[Run]], peer: str, of: Callable[[Run], float]) -> float:
    """Return the median of Baton's ratios to a peer, each within one round."""
    return median(of(ours) / of(theirs) for ours, theirs in zip(runs[BATON], runs[peer], strict=True))


def _costs(how: str, runs: Mapping[str, Sequence[Run]], most: Mapping[str, float]) -> Iterator[Target]:
    for peer, ratio in most.items():
        if peer in runs:
            result = paired(runs, peer, lambda run: run.cost)
            yield Target(
                f"{how}: CPU per message, of that of {peer}",
                f"at most {_share(ratio)}",
                _share(result),
                result <= ratio,
                f"{number(result / ratio)} times the target",
            )


def _rate(runs: Mapping[str, Sequence[Run]]) -> Target:
    result = paired(runs, LIMIT, lambda run: run.rate)
    rates = (median(run.rate for run in runs[name]) for name in (BATON, LIMIT))
    ours, limit = (number(rate) for rate in rates)
    return Target(
        "ten events a tick: messages a second from one process, of those of the C limit",
        f"at least {RATE_OF_LIMIT:.2f} (1,300,000 of 2,700,000)",
        f"{result:.2f} ({ours} of {limit})",
        result >= RATE_OF_LIMIT,
        f"{result / RATE_OF_LIMIT:.0%} of the target",
    )


def _most(what: str, most: float, result: float, unit: str) -> Target:
    figure, target = f"{number(result)} {unit}", f"at most {most:g} {unit}"
    return Target(what, target, figure, result <= most, f"{number(result / most)} times the target")


def _share(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 1 else f"1/{number(1 / ratio)}"
