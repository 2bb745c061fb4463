"""Output of `baton phrases`: the decision on a customer's words, with its reasons."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self, TextIO

import orjson
from rich import box
from rich.table import Table
from rich.text import Text

from rules.handoff.detector import Decision, decide_handoff
from rules.handoff.phrases import find_phrase
from rules.quoted_text import strip_quoted_text
from server.console import console_on

_FILE_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision on a text, and the first of the team's own phrases in it; the phrase takes precedence."""

    decision: Decision
    phrase: str | None

    @classmethod
    def of(cls, text: str, phrases: Iterable[str]) -> Self:
        """Return the decision on `text` without its quoted parts, given a team's own phrases."""
        own_words = strip_quoted_text(text)
        return cls(decide_handoff(own_words), find_phrase(own_words, phrases))

    def as_json(self) -> str:
        """Return the explanation as one JSON object."""
        return orjson.dumps(self._plain(), option=orjson.OPT_INDENT_2).decode() + "\n"

    def print(self, out: TextIO) -> None:
        """Print the decision and its reasons as text and tables."""
        console = console_on(out, _FILE_WIDTH)
        console.print(self._verdict())
        console.print(self._reason())
        if self.decision.chunks:
            console.print(_table("chunks", self.decision.chunks))
            weights = [(feature, f"{weight:+.2f}") for feature, weight in self.decision.evidence]
            console.print(_table("strongest features", weights))

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
            return Text("no clause mentions a person or contact")
        passes = decision.score > decision.threshold
        score = f"score {decision.score:.2f}, {'above' if passes else 'not above'} {decision.threshold:.2f}"
        return Text(f"{score}; excluded: {decision.exclusion}" if decision.exclusion else score)

    def _plain(self) -> dict[str, Any]:
        decision = self.decision
        return {
            "asks": self._asks(),
            "words": decision.words,
            "extraPhrase": self.phrase,
            "score": decision.score,
            "threshold": decision.threshold,
            "never": decision.exclusion,
            "reading": [{"words": words, "as": name} for words, name in decision.chunks],
            "evidence": [{"feature": feature, "weight": weight} for feature, weight in decision.evidence],
        }


def _table(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE, show_header=False)
    for left, right in rows:
        table.add_row(Text(left), Text(right))
    return table
