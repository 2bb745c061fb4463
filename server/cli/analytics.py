"""`baton analytics`: metrics as a table or as JSON, and the roll-ups computed again."""

import asyncio
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, TextIO
from zoneinfo import ZoneInfo

import orjson
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from resolvers.analytics.blocks import Count, Duration
from resolvers.analytics.metrics import (
    DurationStats,
    Metrics,
    ReasonCount,
    escalation_analytics,
    operator_context,
    top_reasons,
)
from resolvers.analytics.periods import check_timezone
from resolvers.analytics.rollups import days_to_rebuild, rebuild_day, stale_months, sum_month
from resolvers.context import Services
from resolvers.errors import BadInputError
from rules.sla_clock import SlaOutcome
from rules.typeid import AGENT, MEMBER, MalformedIdError, format_id, parse_id
from server.services import database_urls, open_services, prepare
from server.settings import Settings

_DURATIONS = {
    "resolutionTime": (Duration.RESOLUTION, Duration.RESOLUTION_BUSINESS),
    "firstResponseTime": (Duration.RESPONSE, Duration.RESPONSE_BUSINESS),
}
_TITLES = {"resolutionTime": "Resolution time", "firstResponseTime": "First response time"}
_STATS = {
    "averageSeconds": "average",
    "medianSeconds": "median",
    "p90Seconds": "p90",
    "p95Seconds": "p95",
    "averageBusinessSeconds": "average_business",
    "medianBusinessSeconds": "median_business",
    "p90BusinessSeconds": "p90_business",
}


def read_instant(text: str, timezone: str, field: str) -> datetime:
    """Return the instant of a date or a time; one without an offset is local. Raises BadInputError."""
    zone: ZoneInfo = check_timezone(timezone)
    try:
        result = datetime.fromisoformat(text)
    except ValueError:
        example = f"{date.min.replace(year=2026)} or 2026-01-01T09:30"
        raise BadInputError(field, f"is not a date or a time, such as {example}") from None
    return result if result.tzinfo else result.replace(tzinfo=zone)


def print_analytics(
    settings: Settings, agent: str, start: datetime, end: datetime, output: TextIO, *, as_json: bool
) -> None:
    """Print the metrics of an AI agent over a period."""
    try:
        agent_id = parse_id(AGENT, agent)
    except MalformedIdError as error:
        raise BadInputError("agent", str(error)) from None

    async def read(services: Services) -> tuple[Metrics, list[ReasonCount]]:
        context = await operator_context(services, agent_id)
        metrics = await escalation_analytics(context, agent_id, start, end)
        return metrics, await top_reasons(context, agent_id, metrics, 10)

    with database_urls(settings) as urls:

        async def run() -> tuple[Metrics, list[ReasonCount]]:
            await prepare(urls)
            async with open_services(settings, urls.service, live=False) as opened:
                return await read(opened.services)

        document = _document(*asyncio.run(run()))
    if as_json:
        output.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print_table(document, output)


def _document(metrics: Metrics, reasons: list[ReasonCount]) -> dict[str, Any]:
    """Return the metrics by the names of the API."""
    escalated, active = metrics.count(Count.ESCALATED), metrics.count(Count.ACTIVE)
    return {
        "agentId": format_id(AGENT, metrics.agent_id),
        "conversations": metrics.count(Count.CONVERSATIONS),
        "escalatedConversations": escalated,
        "escalations": metrics.count(Count.ESCALATIONS),
        "escalationRate": metrics.escalation_rate,
        **{name: _stats(metrics.durations(*columns)) for name, columns in _DURATIONS.items()},
        "slaCompliance": metrics.sla_compliance,
        "sla": {outcome.lower(): metrics.sla[outcome] for outcome in SlaOutcome},
        "outcomes": {
            "resolvedByAi": metrics.count(Count.CONVERSATIONS) - escalated,
            "escalatedResolved": escalated - active,
            "escalatedOpen": active,
        },
        "topReasons": [asdict(reason) for reason in reasons],
        "byTrigger": [
            {
                "trigger": row.trigger,
                "count": row.count,
                "share": row.share,
                "dispositions": row.dispositions,
                "falsePositiveRate": row.false_positive_rate,
            }
            for row in metrics.by_trigger
        ],
        "byPriority": [{"priority": priority, "count": count} for priority, count in metrics.by_priority],
        "byAssignee": [
            {
                "assigneeId": row.assignee_id and format_id(MEMBER, row.assignee_id),
                "count": row.count,
                "medianFirstResponseSeconds": row.median_first_response,
                "slaCompliance": row.sla_compliance,
            }
            for row in metrics.by_assignee
        ],
        "falsePositiveRate": metrics.false_positive_rate,
        "dispositionCoverage": metrics.disposition_coverage,
        "avertedRate": metrics.averted_rate,
    }


def _stats(stats: DurationStats) -> dict[str, Any]:
    return {"count": stats.count, **{name: getattr(stats, source) for name, source in _STATS.items()}}


def _print_table(document: dict[str, Any], output: TextIO) -> None:
    console = Console(file=output, highlight=False, width=None if output.isatty() else 100)
    counts = Table("Metric", "Value", box=box.SIMPLE, title="Escalations", title_justify="left")
    counts.add_row("Conversations", f"{document['conversations']:,}")
    counts.add_row("… escalated", f"{document['escalatedConversations']:,}")
    counts.add_row("Escalation rate", _percent(document["escalationRate"]))
    counts.add_row("Escalations", f"{document['escalations']:,}")
    counts.add_row("SLA compliance", _percent(document["slaCompliance"]))
    for name, count in document["sla"].items():
        counts.add_row(f"… {name}", f"{count:,}")
    counts.add_row("False-positive rate", _percent(document["falsePositiveRate"]))
    counts.add_row("Disposition coverage", _percent(document["dispositionCoverage"]))
    counts.add_row("Averted rate", _percent(document["avertedRate"]))
    console.print(counts)
    times = Table("Time", "Count", "Average", "Median", "p90", "p95", "Median, business", box=box.SIMPLE)
    for name, title in _TITLES.items():
        stats = document[name]
        names = ("averageSeconds", "medianSeconds", "p90Seconds", "p95Seconds", "medianBusinessSeconds")
        times.add_row(title, f"{stats['count']:,}", *(_duration(stats[column]) for column in names))
    console.print(times)
    reasons = Table("Reason", "Trigger", "Count", "Share", box=box.SIMPLE)
    for row in document["topReasons"]:
        # Not markup: reasons are callers' words.
        reasons.add_row(
            Text(_plain(row["reason"])), row["trigger"], f"{row['count']:,}", _percent(row["share"])
        )
    console.print(reasons)


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def rebuild(settings: Settings) -> int:
    """Compute all roll-ups again, with a progress bar; return how many days there were."""
    console = Console(stderr=True, highlight=False)
    with database_urls(settings) as urls:

        async def run() -> int:
            await prepare(urls)
            async with open_services(settings, urls.service, live=False) as opened:
                return await _rebuild(opened.services, console)

        return asyncio.run(run())


async def _rebuild(services: Services, console: Console) -> int:
    transactions = services.transactions
    days = await days_to_rebuild(transactions)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        for workspace_id, agent_id, day in progress.track(days, description="days"):
            await rebuild_day(transactions, workspace_id, agent_id, day)
        months = await stale_months(transactions)
        for agent_id, month in progress.track(months, description="months"):
            await sum_month(transactions, agent_id, month)
    return len(days)
