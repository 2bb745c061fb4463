"""Generate customer messages from a grammar, as training data next to the labelled utterances.

The real data contains few ways of asking for a person. `handoff_examples.txt` adds general knowledge of
English: any request form combines with any action and any party, and the same words after "do I have to"
do not ask. A second grammar, `handoff_unseen.txt`, is used for evaluation only.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path

TRAINING_GRAMMAR = Path(__file__).with_name("handoff_examples.txt")
UNSEEN_GRAMMAR = Path(__file__).with_name("handoff_unseen.txt")
_SLOT = re.compile(r"\{(\w+)\}")
_OPTIONAL = re.compile(r"\[(.*?)\] ?")
_MAX_DEPTH = 8


class MessageGenerator:
    """A generator of messages by a grammar; the same seed gives the same messages."""

    def __init__(self, grammar: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self._slots: dict[str, list[str]] = {}
        self._templates: dict[str, list[tuple[int, list[str]]]] = {"ask": [], "not": []}
        for line in _grammar_lines(grammar):
            name, _, choices = line.partition(":")
            kind, _, weight = name.partition(" ")
            options = [option.strip() for option in choices.split("|")]
            if weight:
                self._templates[kind].append((int(weight), options))
            else:
                self._slots[name] = options

    def messages(self, count: int, *, asking: bool) -> Iterator[str]:
        """Yield `count` messages that ask for a person, or that do not, with random variations."""
        templates = self._templates["ask" if asking else "not"]
        weights = [weight for weight, _ in templates]
        for _, options in self._random.choices(templates, weights, k=count):
            yield self._vary(self._fill(self._random.choice(options)), asking=asking)

    def _fill(self, template: str) -> str:
        """Return the template with its slots filled and its optional parts kept or dropped."""
        template = _OPTIONAL.sub(lambda part: f"{part[1]} " if self._happens(0.5) else "", template)
        for _ in range(_MAX_DEPTH):
            template = _SLOT.sub(lambda slot: self._random.choice(self._slots[slot[1]]), template)
        return template

    def _vary(self, message: str, *, asking: bool) -> str:
        """Return the message with random openings, complaints, politeness, typos and punctuation."""
        if self._happens(0.18):
            message = self._fill("{open}") + ("," if self._happens(0.4) else "") + " " + message
        if self._happens(0.14):
            message += self._fill(" {polite}")
        if self._happens(0.12):
            message += self._fill(" {close}" if asking else " {topic}")
        if self._happens(0.10):
            message = self._fill("{vex}") + self._random.choice([". ", ", ", " ", " so ", ". "]) + message
        if self._happens(0.08):
            message += self._random.choice([". ", ", "]) + self._fill("{vex}")
        if self._happens(0.10):
            message = self._misspell(message)
        return message + (self._random.choice("?.!?.") if self._happens(0.25) else "")

    def _misspell(self, message: str) -> str:
        words = message.split()
        index = self._random.randrange(len(words))
        word = words[index]
        if len(word) < 5 or not word.isalpha():
            return message
        letter = self._random.randrange(1, len(word) - 1)
        dropped = word[:letter] + word[letter + 1 :]
        doubled = word[:letter] + word[letter] + word[letter:]
        swapped = word[:letter] + word[letter + 1] + word[letter] + word[letter + 2 :]
        words[index] = self._random.choice([dropped, doubled, swapped])
        return " ".join(words)

    def _happens(self, probability: float) -> bool:
        return self._random.random() < probability


def _grammar_lines(grammar: Path) -> list[str]:
    """Return a grammar's lines without comments; lines that begin with a space continue the line before."""
    lines: list[str] = []
    for line in grammar.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            lines[-1] += line
        elif line and not line.startswith("#"):
            lines.append(line)
    return lines
