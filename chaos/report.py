"""The report at the end of a run."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from chaos.client import Client
from chaos.schedule import Kind
from chaos.widgets import Widget

FIRST = 20  # differences that are printed; the others are counted


@dataclass
class Result:
    """The result of a run. `wrong` is empty when it passed."""

    done: Counter[Kind] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    committed: int = 0
    held: int = 0
    answered: int = 0
    replies: int = 0
    delays: Sequence[float] = ()
    starts: int = 0
    clocks: int = 0
    announcements: int = 0
    latest: float = 0.0
    escalations: int = 0
    webhooks: int = 0
    caught_up_seconds: float = 0.0


def report(result: Result, widgets: Sequence[Widget], client: Client) -> str:
    """Everything, in lines."""
    rendered = sum(len(item.rendered) for item in widgets)
    left = sum((item.left for item in widgets), Counter[str]())
    lines = [
        f"faults done: {sum(result.done.values())}",
        *(
            f"  {count:>3}  {kind}"
            for kind, count in sorted(result.done.items(), key=lambda item: str(item[0]))
        ),
        f"messages checked: {result.committed} committed (and {result.held} held back), rendered {rendered} "
        f"times by {len(widgets)} widgets; {result.answered} of them answered for",
        _delays(result.delays),
        f"all had caught up {result.caught_up_seconds:.1f} s after the last fault",
        f"widgets connected {sum(item.connections for item in widgets)} times; they left, or were left: "
        f"{_counts(left)}",
        f"RESYNC_REQUIRED: {sum(item.resyncs for item in widgets)}; tokens renewed: "
        f"{sum(item.refreshes for item in widgets)}",
        f"requests answered: {client.answers}; repeated: {_counts(client.failures)}",
        f"processes started: {result.starts}",
        f"clocks: {result.clocks}, announced {result.announcements} times, at the latest "
        f"{result.latest:.1f} s after its time",
        f"webhooks: {result.escalations} escalations, told {result.webhooks} times",
        *_wrong(result.wrong),
    ]
    return "\n".join(lines)


def _delays(delays: Sequence[float]) -> str:
    if len(delays) < 2:
        return "no message was rendered live"
    ninety_ninth = quantiles(delays, n=100)[98]
    return (
        f"from commit to rendering: median {median(delays) * 1e3:.0f} ms, 99 % within {ninety_ninth:.1f} s, "
        f"longest {max(delays):.1f} s"
    )


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counted.most_common()) or "never"


def _wrong(wrong: Iterable[str]) -> list[str]:
    rows = list(dict.fromkeys(wrong))
    if not rows:
        return ["PASSED: the same sequence everywhere, nothing lost, nothing twice"]
    more = [f"  … and {len(rows) - FIRST} more"] if len(rows) > FIRST else []
    return [f"FAILED: {len(rows)} findings", *(f"  {item}" for item in rows[:FIRST]), *more]
