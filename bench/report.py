"""The result in Markdown."""

from collections.abc import Callable, Sequence
from statistics import median, quantiles

from bench.clocks import DUE, DUE_SECONDS, OPEN, PENDING, Clocks
from bench.idle import Idle
from bench.processes import Memory
from bench.rounds import Plan
from bench.samples import Case, Reading, Result
from bench.tables import number, spread, table

Fact = tuple[str, str]


def report(facts: Sequence[Fact], plan: Plan, idle: Idle, result: Result, clocks: Clocks) -> str:
    """Everything that was measured, to be pasted into RESULTS.md."""
    others = ("Others", f"other processes took {result.others_percent:.0f} % of a core during the rounds")
    lines = [*table(("", ""), [*facts, others]), "", _rounds(plan), ""]
    lines += table(
        (
            "asked",
            "clients",
            "a second",
            "p50 ms",
            "p99 ms",
            "server CPU µs",
            "PostgreSQL CPU µs",
            "client CPU µs",
            "requests",
        ),
        [_line(case, readings) for case, readings in sorted(result.readings.items(), key=_place)],
    )
    lines += ["", *_pushes(result), "", *_idle(idle), "", *_clocks(plan, clocks)]
    return "\n".join(lines)


def _rounds(plan: Plan) -> str:
    if plan.rounds == 1:
        return f"One round of {plan.seconds} s for each line, to see that it works: these are no figures."
    return (
        f"{plan.rounds} rounds of {plan.seconds} s for each line: the median of the rounds, and from the "
        "lowest to the highest. CPU is user and system time for one request."
    )


_ORDER = ("recordMessage", "escalateConversation", "startConversation", "escalations", "GET")


def _place(item: tuple[Case, list[Reading]]) -> tuple[int, str, int]:
    case = item[0]
    rank = next(place for place, name in enumerate(_ORDER) if case.workload.startswith(name))
    return rank, case.workload, case.clients


def _line(case: Case, readings: Sequence[Reading]) -> tuple[str, ...]:
    def each(cpu: Callable[[Reading], float]) -> str:
        return spread([cpu(element) / len(element.sample.latencies) * 1e6 for element in readings])

    latencies = [element.sample.latencies for element in readings]
    return (
        case.workload,
        str(case.clients),
        spread([element.sample.rate for element in readings]),
        spread([median(element) * 1e3 for element in latencies]),
        spread([percentile(element, 99) * 1e3 for element in latencies]),
        each(lambda element: element.server_cpu),
        each(lambda element: element.postgres_cpu),
        each(lambda element: element.client_cpu),
        f"{sum(len(element) for element in latencies):,}",
    )


def _pushes(result: Result) -> list[str]:
    def line(name: str, rounds: list[list[float]]) -> tuple[str, ...]:
        return (
            name,
            spread([median(element) * 1e3 for element in rounds]),
            spread([percentile(element, 99) * 1e3 for element in rounds]),
        )

    rounds = result.pushes
    return table(
        ("one message, one subscriber of messageAdded", "p50 ms", "p99 ms"),
        [
            line("mutation sent to its answer", [[push.answered for push in element] for element in rounds]),
            line("mutation sent to the event", [[push.heard for push in element] for element in rounds]),
            line("answer to event", [[push.heard - push.answered for push in element] for element in rounds]),
        ],
    )


def _idle(idle: Idle) -> list[str]:
    def line(name: str, memory: Memory, percent: float) -> tuple[str, ...]:
        pss = "unreadable" if memory.pss is None else f"{memory.pss / 1024:,.1f}"
        return name, f"{memory.rss / 1024:,.1f}", pss, f"{percent:.2f} %"

    return table(
        ("idle", "RSS MiB", "PSS MiB", "CPU of a core"),
        [
            line("server", idle.server, idle.server_percent),
            line(f"PostgreSQL, {idle.postgres_processes} processes", idle.postgres, idle.postgres_percent),
        ],
    )


def _clocks(plan: Plan, clocks: Clocks) -> list[str]:
    pending, due = int(PENDING * plan.share), int(DUE * plan.share)
    late = clocks.lateness
    lines = [
        (
            f"lateness of timers: {len(late):,} of {due:,} due within {DUE_SECONDS * plan.share:.0f} s, "
            f"{pending:,} pending",
            number(median(late) * 1e3),
            number(percentile(late, 99) * 1e3),
        )
    ]
    lines += [
        (f"escalations, 50 of {int(OPEN * plan.share):,} open: {asked}", *_two(latencies))
        for asked, latencies in clocks.lists
    ]
    worker = f"An idle `baton worker` takes {clocks.worker_percent:.2f} % of a core and"
    return [*table(("", "p50 ms", "p99 ms"), lines), "", f"{worker} {clocks.worker_rss / 1024:,.0f} MiB."]


def _two(latencies: Sequence[float]) -> tuple[str, str]:
    return number(median(latencies) * 1e3), number(percentile(latencies, 99) * 1e3)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the percentile of the values (nearest rank)."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]
