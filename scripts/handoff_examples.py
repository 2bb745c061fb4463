"""
Messages made up from a grammar, beside the labelled ones that the model learns from.

Real data has few ways of asking for a person. What is known of English anyway stands in
`handoff_examples.txt`: any way of asking goes with any act and any party, and the same words do not ask after
"do I have to". Another grammar, `handoff_unseen.txt`, is for checking alone.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path

LEARNED = Path(__file__).with_name("handoff_examples.txt")
UNSEEN = Path(__file__).with_name("handoff_unseen.txt")
_SLOT = re.compile(r"\{(\w+)\}")
_PERHAPS = re.compile(r"\[(.*?)\] ?")
_DEPTH = 8


class Maker:
    """Makes up messages by a grammar, the same ones from the same seed."""

    def __init__(self, grammar: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._slots: dict[str, list[str]] = {}
        self._templates: dict[str, list[tuple[int, list[str]]]] = {"ask": [], "not": []}
        for line in _lines(grammar):
            name, _, choices = line.partition(":")
            kind, _, weight = name.partition(" ")
            options = [option.strip() for option in choices.split("|")]
            if weight:
                self._templates[kind].append((int(weight), options))
            else:
                self._slots[name] = options

    def messages(self, count: int, *, asking: bool) -> Iterator[str]:
        """So many messages that ask for a person, or do not; some with words around them, some misspelt."""
        templates = self._templates["ask" if asking else "not"]
        weights = [weight for weight, _ in templates]
        for _, options in self._random.choices(templates, weights, k=count):
            yield self._dressed(self._filled(self._random.choice(options)), asking=asking)

    def _filled(self, template: str) -> str:
        template = _PERHAPS.sub(lambda part: f"{part[1]} " if self._happens(0.5) else "", template)
        for _ in range(_DEPTH):
            template = _SLOT.sub(lambda slot: self._random.choice(self._slots[slot[1]]), template)
        return template

    def _dressed(self, message: str, *, asking: bool) -> str:
        if self._happens(0.18):
            message = self._filled("{open}") + ("," if self._happens(0.4) else "") + " " + message
        if self._happens(0.14):
            message += self._filled(" {polite}")
        if self._happens(0.12):
            message += self._filled(" {close}" if asking else " {topic}")
        if self._happens(0.10):
            message = self._filled("{vex}") + self._random.choice([". ", ", ", " ", " so ", ". "]) + message
        if self._happens(0.08):
            message += self._random.choice([". ", ", "]) + self._filled("{vex}")
        if self._happens(0.10):
            message = self._misspelt(message)
        return message + (self._random.choice("?.!?.") if self._happens(0.25) else "")

    def _misspelt(self, message: str) -> str:
        words = message.split()
        place = self._random.randrange(len(words))
        word = words[place]
        if len(word) < 5 or not word.isalpha():
            return message
        at = self._random.randrange(1, len(word) - 1)
        lost, doubled = word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]
        turned = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        words[place] = self._random.choice([lost, doubled, turned])
        return " ".join(words)

    def _happens(self, chance: float) -> bool:
        return self._random.random() < chance


def _lines(grammar: Path) -> list[str]:
    """A grammar's lines, continued ones joined, without comments."""
    lines: list[str] = []
    for line in grammar.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            lines[-1] += line
        elif line and not line.startswith("#"):
            lines.append(line)
    return lines
