"""The output of a replay: its progress, and in the end what would have been escalated, when and why."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TextIO

import orjson
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from resolvers.replay import FoundEscalation, Totals
from rules.encoding import format_datetime
from rules.escalation import EscalationTrigger, Priority
from server.console import console_on
from server.replay.file import Contents

_WIDTH_OF_A_FILE = 160


def say_waiting() -> None:
    """Report that another process runs the same replay."""
    Console(stderr=True).print("another process runs this replay: waiting for its end")


class Progress(AbstractContextManager["Progress"]):
    """A progress bar on a terminal's standard error, and in the end the number and rate of messages."""

    def __init__(self, contents: Contents) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Bar(
            TextColumn("replaying"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("conversations"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=contents.conversations)
        self._recorded = 0
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def recorded(self, messages: int) -> None:
        """Count recorded messages."""
        self._recorded += messages

    def done(self) -> None:
        """Count a finished conversation."""
        self._bar.advance(self._task)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        seconds = time.monotonic() - self._begun
        rate = self._recorded / seconds if seconds else 0
        self._console.print(f"recorded {self._recorded:,} messages in {seconds:.1f} s ({rate:,.0f} a second)")


@dataclass(frozen=True, slots=True)
class Report:
    """The contents of a file, and the escalations that result."""

    contents: Contents
    escalations: list[FoundEscalation]
    totals: Totals

    def print(self, file: TextIO) -> None:
        """Write tables for people."""
        console = console_on(file, _WIDTH_OF_A_FILE)
        if self.escalations:
            console.print(_table(_HEADS, (_cells(escalation) for escalation in self.escalations)))
        summary = self._summary()
        console.print(_table(("summary", ""), _lines_of(summary)))

    def as_json(self) -> str:
        """Return one JSON document for programs."""
        document = {
            "summary": self._summary(),
            "escalations": [_as_json(escalation) for escalation in self.escalations],
        }
        return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"

    def _summary(self) -> dict[str, Any]:
        messages = self.contents.messages
        escalated = len({item.place["line"] for item in self.escalations})
        raised = [item.escalation for item in self.escalations]
        return {
            "conversations": self.contents.conversations,
            "escalated": escalated,
            "escalatedPercent": round(100 * escalated / max(self.contents.conversations, 1), 2),
            "byTrigger": _counted(EscalationTrigger, (escalation.trigger for escalation in raised)),
            "byPriority": _counted(Priority, (escalation.priority for escalation in raised)),
            "messages": messages.total(),
            "messagesByRole": {role: messages[role] for role in ("user", "assistant", "human", "system")},
            "uncertainReplies": self.totals.uncertain,
            "heldReplies": self.totals.held,
            "humanMessagesWithoutEscalation": messages["human"] - self.totals.human,
        }


def _counted(words: Iterable[Any], values: Iterable[Any]) -> dict[str, int]:
    counts = Counter(values)
    return {word.value: counts[word] for word in words if counts[word]}


def _at(item: FoundEscalation) -> datetime | None:
    # Without recorded times it would be the time of the replay.
    return item.escalation.created_at.astimezone(UTC) if item.place["timed"] else None


def _as_json(item: FoundEscalation) -> dict[str, Any]:
    escalation, at = item.escalation, _at(item)
    return {
        "conversationId": item.place["id"],
        "line": item.place["line"],
        "message": item.number,
        "content": item.content,
        "at": format_datetime(at) if at else None,
        "trigger": escalation.trigger.value,
        "reason": escalation.reason,
        "detail": escalation.detail,
        "confidence": escalation.confidence,
        "priority": escalation.priority.value,
        "foldedTriggers": item.folded,
        "heldReplies": item.held,
    }


_TIME = "time (UTC)"
_HEADS = (
    "conversation",
    "message",
    _TIME,
    "trigger",
    "reason",
    "detail",
    "confidence",
    "priority",
    "more triggers",
    "held replies",
)


def _cells(item: FoundEscalation) -> tuple[str, ...]:
    escalation, at = item.escalation, _at(item)
    return (
        item.place["id"],
        str(item.number),
        f"{at:%Y-%m-%d %H:%M:%S}" if at else "–",
        escalation.trigger.value,
        escalation.reason,
        escalation.detail or "–",
        "–" if escalation.confidence is None else f"{escalation.confidence:g} %",
        escalation.priority.value,
        str(item.folded),
        str(item.held),
    )


_WORDS: dict[str, Callable[[Any], str]] = {
    "escalatedPercent": lambda percent: f"{percent:g} %",
    "byTrigger": lambda counts: _in_words(counts),
    "byPriority": lambda counts: _in_words(counts),
    "messagesByRole": lambda counts: _in_words(counts),
}
_TITLES = {
    "conversations": "conversations",
    "escalated": "escalated",
    "escalatedPercent": "share escalated",
    "byTrigger": "by trigger",
    "byPriority": "by priority",
    "messages": "messages",
    "messagesByRole": "by role",
    "uncertainReplies": "uncertain replies",
    "heldReplies": "held replies",
    "humanMessagesWithoutEscalation": "human messages that met no escalation",
}


def _lines_of(summary: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for name, title in _TITLES.items():
        yield title, _WORDS.get(name, "{:,}".format)(summary[name])


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{word} {count:,}" for word, count in counts.items()) or "–"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold", no_wrap=head == _TIME)
    for row in rows:
        table.add_row(*(Text(_printable(cell)) for cell in row))
    return table


def _printable(text: str) -> str:
    # A customer's message must not control the terminal.
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
