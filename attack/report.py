"""The table of outcomes."""

from collections.abc import Sequence

from attack.run import Outcome

_NAME_WIDTH = 52


def title(slowness: float) -> str:
    """Return the head of the table."""
    columns = f"{'case':<{_NAME_WIDTH}} {'s':>6} {'loop ms':>8} {'p99 ms':>7} {'MiB':>6} {'reply KiB':>9}"
    return f"times are scaled by {slowness:.2f} on this machine\n{columns}"


def line(outcome: Outcome) -> str:
    """Return the line of a case."""
    name = outcome.case.name
    short = name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"
    result = (
        f"{short:<{_NAME_WIDTH}} {outcome.seconds:6.1f} {outcome.loop_seconds * 1e3:8.0f} "
        f"{outcome.health_seconds * 1e3:7.0f} {outcome.memory_bytes / 2**20:6.1f} "
        f"{outcome.reply_bytes / 1024:9.1f}"
    )
    if outcome.case.limits.mails or outcome.case.limits.deliveries:
        result += f"  {outcome.mails} mails, {outcome.deliveries} deliveries"
    return result + ("  FAILED" if outcome.wrong else "")


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a line for each thing that was wrong."""
    return [f"FAILED {outcome.case.name}: {text}" for outcome in outcomes for text in outcome.wrong]
