"""The result in Markdown: the targets first, then the figures that they are judged by."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench.fanout.driver import Cut, Latency, Run
from bench.fanout.phases import (
    BATON,
    CUT_EVENTS,
    HELD_P99_SECONDS,
    MERCURIUS,
    OWN_CUT_EVENTS,
    PACED_EVENTS,
    WIDGETS,
    Plan,
    Results,
)
from bench.fanout.targets import targets
from bench.report import Fact
from bench.tables import number, spread, table


def report(facts: Sequence[Fact], plan: Plan, results: Results) -> str:
    """Everything that was measured, to be pasted into RESULTS.md."""
    lines = [*table(("", ""), [*facts, *_frames(results)]), "", _rounds(plan), ""]
    judged = [(item.measured, item.target, item.figure, item.verdict) for item in targets(plan, results)]
    if judged:
        lines += [*table(("Baton", "target", "measured", "met?"), judged), ""]
    if results.single:
        lines += [*_fan("one event at a time", plan, results.single), ""]
        lines += [*_fan("ten events a tick", plan, results.ten), ""]
    if results.paced:
        lines += [*_paced(plan, results), ""]
    if results.idle:
        lines += [*_idle(plan, results), "", *_cuts(plan, results), ""]
    if results.replies:
        lines += _replies(plan, results)
    return "\n".join(lines).rstrip()


def _frames(results: Results) -> list[Fact]:
    sizes = sorted(set(results.frame_bytes.values()))
    return [("Frames", f"{' to '.join(map(str, sizes))} bytes")] if sizes else []


def _rounds(plan: Plan) -> str:
    if plan.rounds == 1:
        return "One round, to see that it works: these are no figures."
    return (
        f"{plan.rounds} rounds, the servers in turn: the median of the rounds, and from the lowest to the "
        "highest. Ratios are taken within a round. CPU is user and system time of the server's process."
    )


def _fan(how: str, plan: Plan, runs: Mapping[str, Sequence[Run]]) -> list[str]:
    head = (
        f"{how}, {plan.subscribers:,} subscribers",
        "CPU µs per message",
        "messages a second",
        "p50 ms",
        "p99 ms",
        "client CPU µs per message",
        "messages",
        "lost",
    )
    return table(
        head,
        [
            (
                name,
                spread([run.cost for run in of_name]),
                spread([run.rate for run in of_name]),
                _milliseconds([run.latency.p50 for run in of_name]),
                _milliseconds([run.latency.p99 for run in of_name]),
                number(median(run.client_cpu / max(run.delivered, 1) * 1e6 for run in of_name)),
                f"{sum(run.delivered for run in of_name):,}",
                str(sum(run.lost for run in of_name)),
            )
            for name, of_name in runs.items()
        ],
    )


def _paced(plan: Plan, results: Results) -> list[str]:
    head = (
        f"{PACED_EVENTS} events a second, {plan.subscribers:,} subscribers",
        "messages a second",
        "p50 ms",
        "p99 ms",
        "max ms",
        f"highest rate that was held (p99 below {HELD_P99_SECONDS * 1e3:.0f} ms)",
    )
    return table(
        head,
        [
            (
                name,
                spread([run.rate for run in runs]),
                _milliseconds([run.latency.p50 for run in runs]),
                _milliseconds([run.latency.p99 for run in runs]),
                _milliseconds([run.latency.max for run in runs]),
                f"{results.held[name] * plan.subscribers:,}" if name in results.held else "not looked for",
            )
            for name, runs in results.paced.items()
        ],
    )


def _idle(plan: Plan, results: Results) -> list[str]:
    rows = [(name, number(each)) for name, each in results.idle.items()]
    return table((f"{plan.idle:,} idle subscribers", "KiB each"), rows)


def _cuts(plan: Plan, results: Results) -> list[str]:
    def row(name: str, what: str, latencies: Sequence[Latency], cuts: Sequence[Cut]) -> tuple[str, ...]:
        columns = ("p50", "p99", "max")
        seconds = [spread([getattr(item, column) for item in latencies]) for column in columns]
        return name, what, *seconds, spread([item.server_cpu for item in cuts])

    all_cuts = [cut for cuts in results.cuts.values() for cut in cuts]
    missing, doubled = sum(item.missing for item in all_cuts), sum(item.doubled for item in all_cuts)
    again = sum(item.again for item in all_cuts)
    rows = [
        line
        for name, cuts in results.cuts.items()
        for line in (
            row(name, "acknowledged", [item.acked for item in cuts], cuts),
            row(name, f"the last of {_events_of(name)} events", [item.caught_up for item in cuts], cuts),
        )
    ]
    return [
        *table(
            (f"{plan.idle:,} sockets cut together", "time until", "p50 s", "p99 s", "max s", "server CPU s"),
            rows,
        ),
        "",
        f"{missing} subscribers did not get all, {doubled} got one twice, {again} attempts were turned away.",
    ]


def _events_of(name: str) -> int:
    return OWN_CUT_EVENTS if name == WIDGETS else CUT_EVENTS


def _replies(plan: Plan, results: Results) -> list[str]:
    head = (
        f"{plan.widgets:,} widgets, {plan.members} members who reply",
        "replies a second",
        "server CPU µs per reply",
        "request to answer p50 / p99 ms",
        "answer to widget p50 / p99 ms",
        "request to widget p50 / p99 ms",
        "lost",
    )

    def two(latencies: Sequence[Latency]) -> str:
        p50, p99 = (median(getattr(item, of) for item in latencies) * 1e3 for of in ("p50", "p99"))
        return f"{number(p50)} / {number(p99)}"

    return table(
        head,
        [
            (
                name,
                spread([run.rate for run in runs]),
                spread([run.server_cpu / run.replies * 1e6 for run in runs]),
                two([run.answered for run in runs]),
                two([run.after_answer for run in runs]),
                two([run.after_request for run in runs]),
                str(sum(run.lost for run in runs)),
            )
            for name in (MERCURIUS, BATON)
            if (runs := results.replies.get(name))
        ],
    )


def _milliseconds(seconds: Sequence[float]) -> str:
    return spread([item * 1e3 for item in seconds])
