"""Training the model of `rules/handoff_model.py` from labelled utterances and made-up messages."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rules.handoff import why_never
from rules.handoff_clauses import read_clauses
from rules.handoff_model import Model, features_of
from rules.handoff_words import split_words
from scripts.handoff_examples import LEARNED, UNSEEN, Maker
from scripts.handoff_regression import Row, fit, total

MADE_UP = 16_000  # messages of each kind
MADE_UP_WEIGHT = 0.3  # of one, that of an utterance of the data being 1
SEED = 7
STRENGTH = 1.0  # the inverse of the L2 penalty
RARE = 3  # a feature of fewer messages is left out
SMALL = 3  # as is a weight of fewer hundredths
# What the threshold must keep, as a false alarm silences an AI that could have answered: of all that was not
# learned from, and of the left-out sources alone, in which one of 37 messages asks
PRECISION, PRECISION_LEFT_OUT = 0.95, 0.96
THRESHOLDS = range(-150, 200, 10)  # in hundredths
UNSEEN_MESSAGES = 2_000  # of each kind, of the second grammar
_NO_CLAUSE = -10_000


class Example(NamedTuple):
    """
    A message: its text, whether it asks, its source and weight, and the features of each of its clauses.

    `never` says of each clause whether it is of a form that never asks.
    """

    text: str
    asks: bool
    source: str
    weight: float
    clauses: tuple[frozenset[str], ...]
    never: tuple[bool, ...]


def read_examples(paths: Sequence[Path]) -> list[Example]:
    """The messages of JSON Lines files with `text`, `label` (1 or 0) and, where known, `source_repo`."""
    return [
        example(row["text"], bool(row["label"]), row.get("source_repo") or path.stem)
        for path in paths
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    ]


@cache
def made_up_examples(grammar: Path = LEARNED, count: int = MADE_UP) -> tuple[Example, ...]:
    """Messages that a grammar makes up, as many of each kind, the same ones every time."""
    maker = Maker(grammar, SEED)
    return tuple(
        example(text, asks, "made up", MADE_UP_WEIGHT)
        for asks in (True, False)
        for text in maker.messages(count, asking=asks)
    )


def example(text: str, asks: bool, source: str, weight: float = 1.0) -> Example:
    """A message, read."""
    clauses = list(read_clauses(split_words(text)))
    features = tuple(frozenset(features_of(clause)) for clause in clauses)
    return Example(text, asks, source, weight, features, tuple(bool(why_never(c.names)) for c in clauses))


def score(model: Model, message: Example) -> int:
    """The score of the message's best clause, in hundredths; far below any threshold without one."""
    scores = [
        model.bias + sum([model.weights.get(feature, 0) for feature in clause])
        for clause, never in zip(message.clauses, message.never, strict=True)
        if not never
    ]
    return max(scores, default=_NO_CLAUSE)


def leave_one_source_out(examples: Sequence[Example]) -> Iterator[tuple[Example, int]]:
    """Each example with its score by a model of all sources but its own, and of the made-up messages."""
    made_up = made_up_examples()
    for source in sorted({message.source for message in examples}):
        model = train([*(message for message in examples if message.source != source), *made_up])
        yield from ((message, score(model, message)) for message in examples if message.source == source)


def trained(examples: Sequence[Example], left_out: Sequence[tuple[Example, int]]) -> Model:
    """
    The model of all examples, with the threshold that suits what was not learned from.

    That is the examples of `leave_one_source_out`, which are few that ask, and the second grammar's.
    """
    model = train([*examples, *made_up_examples()])
    unseen = [(message, score(model, message)) for message in unseen_examples()]
    lowest = _lowest_threshold([*left_out, *unseen], PRECISION)
    return model._replace(threshold=max(lowest, _lowest_threshold(left_out, PRECISION_LEFT_OUT)))


def unseen_examples() -> tuple[Example, ...]:
    """The messages of the second grammar."""
    return made_up_examples(UNSEEN, UNSEEN_MESSAGES)


def _lowest_threshold(judged: Sequence[tuple[Example, int]], precision: float) -> int:
    """The lowest threshold, in steps of a tenth, from which on the precision is reached."""
    too_low = THRESHOLDS.start - THRESHOLDS.step
    for threshold in THRESHOLDS:
        found = [message.asks for message, points in judged if points > threshold]
        if sum(found) < precision * len(found):
            too_low = threshold
    return too_low + THRESHOLDS.step


def train(examples: Sequence[Example]) -> Model:
    """
    A model of the examples, with threshold 0.

    Which clause of a message asks is not in the data: at first the last is taken to, then the one that looks
    most like it. In a message that does not ask, none does.
    """
    counts = Counter(feature for message in examples for feature in frozenset().union(*message.clauses))
    known = {f: at for at, f in enumerate(sorted(f for f, count in counts.items() if count >= RARE))}
    read = [
        [tuple(sorted(known[f] for f in clause if f in known)) for clause in message.clauses]
        for message in examples
    ]
    asking = [len(clauses) - 1 for clauses in read]
    weights = [0.0] * (len(known) + 1)
    for _ in range(2):
        weights = fit(_rows(examples, read, asking), weights, STRENGTH)
        asking = [max(range(len(own)), key=lambda at: total(weights, own[at]), default=-1) for own in read]
    rounded = {feature: round(100 * weights[at]) for feature, at in known.items()}
    kept = {feature: weight for feature, weight in rounded.items() if abs(weight) >= SMALL}
    return Model(round(100 * weights[-1]), 0, kept)


def _rows(
    examples: Sequence[Example], read: Sequence[Sequence[tuple[int, ...]]], asking: Sequence[int]
) -> list[Row]:
    """What is learned from: the clause that asks of each message that does, all clauses of the others."""
    rows: defaultdict[tuple[tuple[int, ...], float], float] = defaultdict(float)
    for message, clauses, at in zip(examples, read, asking, strict=True):
        if not message.asks:
            for clause in clauses:
                rows[clause, -1.0] += message.weight
        elif clauses:
            rows[clauses[at], 1.0] += message.weight
    return [(places, sign, weight) for (places, sign), weight in rows.items()]
