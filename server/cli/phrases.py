"""The output of `baton phrases`: the decision whether a message asks for a person, and its reasons."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self, TextIO

import orjson
from rich import box
from rich.table import Table
from rich.text import Text

from rules.handoff import Decision, decide_handoff
from rules.handoff_phrases import find_phrase
from server.console import console_on

_WIDTH_OF_A_FILE = 120


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision on a text, and the team's own phrase in it, if any, which takes precedence."""

    decision: Decision
    phrase: str | None

    @classmethod
    def of(cls, text: str, phrases: Iterable[str]) -> Self:
        """Explain the decision on `text`, given a team's own phrases."""
        return cls(decide_handoff(text), find_phrase(text, phrases))

    def as_json(self) -> str:
        """Return one JSON object."""
        return orjson.dumps(self._plain(), option=orjson.OPT_INDENT_2).decode() + "\n"

    def print(self, out: TextIO) -> None:
        """Write the decision and its reasons for people."""
        console = console_on(out, _WIDTH_OF_A_FILE)
        console.print(self._verdict())
        console.print(self._reason())
        if self.decision.reading:
            console.print(_table("read as", self.decision.reading))
            weights = [(feature, f"{weight:+.2f}") for feature, weight in self.decision.evidence]
            console.print(_table("what weighed most", weights))

    def _asks(self) -> bool:
        return bool(self.phrase or self.decision.words)

    def _verdict(self) -> Text:
        if self.phrase:
            return Text.assemble(("asks for a person", "bold green"), f": your phrase “{self.phrase}”")
        if self.decision.words:
            return Text.assemble(("asks for a person", "bold green"), f": “{self.decision.words}”")
        return Text("does not ask for a person", style="bold yellow")

    def _reason(self) -> Text:
        decision = self.decision
        if decision.score is None:
            return Text("it has no words of such a request")
        passes = decision.score > decision.threshold
        score = f"score {decision.score:.2f}, {'above' if passes else 'not above'} {decision.threshold:.2f}"
        return Text(f"{score}; never, as {decision.never}" if decision.never else score)

    def _plain(self) -> dict[str, Any]:
        decision = self.decision
        return {
            "asks": self._asks(),
            "words": decision.words,
            "extraPhrase": self.phrase,
            "score": decision.score,
            "threshold": decision.threshold,
            "never": decision.never,
            "reading": [{"words": words, "as": name} for words, name in decision.reading],
            "evidence": [{"feature": feature, "weight": weight} for feature, weight in decision.evidence],
        }


def _table(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE, show_header=False)
    for left, right in rows:
        table.add_row(Text(left), Text(right))
    return table
