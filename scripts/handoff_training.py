"""Train the model of `rules/handoff/model.py` from labelled utterances and generated messages."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rules.handoff.clauses import split_clauses
from rules.handoff.detector import exclusion_reason
from rules.handoff.model import Model, clause_features
from rules.handoff.tokens import tokenize
from scripts.handoff_examples import TRAINING_GRAMMAR, UNSEEN_GRAMMAR, MessageGenerator
from scripts.handoff_regression import Row, fit, total

GENERATED_MESSAGES = 28_000  # of each kind
GENERATED_WEIGHT = 0.17  # of a generated message; an utterance weighs 1
OWN_UTTERANCES = Path(__file__).with_name("handoff_utterances.txt")
SEED = 7
STRENGTH = 1.0  # the inverse of the L2 penalty
MIN_MESSAGES = 4  # a feature of fewer messages is dropped
MIN_WEIGHT = 3  # a smaller weight, in hundredths, is dropped
# The precision that the threshold keeps on the sources left out. A false alarm silences an AI that could have
# answered. A miss leaves a customer with an AI that cannot help.
PRECISION = 0.96
THRESHOLDS = range(-150, 200, 10)  # in hundredths
UNSEEN_MESSAGES = 2_000  # of each kind, from the second grammar
_NO_CLAUSE = -10_000


class Example(NamedTuple):
    """A labelled message: text, label, source, weight, and the features of each of its clauses.

    `excluded` states for each clause if an exclusion applies.
    """

    text: str
    asks: bool
    source: str
    weight: float
    clauses: tuple[frozenset[str], ...]
    excluded: tuple[bool, ...]


def read_all_examples(paths: Sequence[Path]) -> list[Example]:
    """Read JSON Lines files, and the labelled messages that come with the project."""
    return [*read_examples(paths), *read_labelled_text(OWN_UTTERANCES)]


def read_labelled_text(path: Path) -> list[Example]:
    """Read labelled messages: "[source: domain]" lines, then "+ message" (asks) and "- message" lines."""
    examples, source = [], path.stem
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            source = line.strip("[]").partition(":")[0]
        elif line.startswith(("+ ", "- ")):
            examples.append(create_example(line[2:], line.startswith("+"), source))
    return examples


def read_examples(paths: Sequence[Path]) -> list[Example]:
    """Read JSON Lines files with `text`, `label` (1 or 0) and an optional `source_repo`."""
    return [
        create_example(row["text"], bool(row["label"]), row.get("source_repo") or path.stem)
        for path in paths
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    ]


@cache
def generated_examples(
    grammar: Path = TRAINING_GRAMMAR, count: int = GENERATED_MESSAGES
) -> tuple[Example, ...]:
    """Return messages that a grammar generates, `count` of each kind, the same on every run."""
    generator = MessageGenerator(grammar, SEED)
    return tuple(
        create_example(text, asks, "generated", GENERATED_WEIGHT)
        for asks in (True, False)
        for text in generator.messages(count, asking=asks)
    )


def unseen_examples() -> tuple[Example, ...]:
    """Return the messages of the second grammar."""
    return generated_examples(UNSEEN_GRAMMAR, UNSEEN_MESSAGES)


def create_example(text: str, asks: bool, source: str, weight: float = 1.0) -> Example:
    """Return a message as an example, with the features of its clauses."""
    clauses = list(split_clauses(tokenize(text)))
    features = tuple(frozenset(clause_features(clause)) for clause in clauses)
    excluded = tuple(exclusion_reason(clause.names) is not None for clause in clauses)
    return Example(text, asks, source, weight, features, excluded)


def score(model: Model, example: Example) -> int:
    """Return the score of the message's best clause, in hundredths; without one, a very low score."""
    scores = [
        model.bias + sum([model.weights.get(feature, 0) for feature in clause])
        for clause, excluded in zip(example.clauses, example.excluded, strict=True)
        if not excluded
    ]
    return max(scores, default=_NO_CLAUSE)


def leave_one_source_out(examples: Sequence[Example], model: Model) -> Iterator[tuple[Example, int]]:
    """Yield each example with its score by a model trained without the example's source.

    `model` is the model of all examples, from which each of these trainings starts. The loss is convex, so
    the start saves time and does not change the result, apart from the tolerance.
    """
    generated = generated_examples()
    for source in sorted({example.source for example in examples}):
        others = [example for example in examples if example.source != source]
        partial = train([*others, *generated], model)
        yield from ((example, score(partial, example)) for example in examples if example.source == source)


def set_threshold(model: Model, left_out: Sequence[tuple[Example, int]]) -> Model:
    """Return the model with the lowest threshold from which on `PRECISION` is reached.

    `left_out` are the examples of `leave_one_source_out`. No other message affects the threshold.
    """
    too_low = THRESHOLDS.start - THRESHOLDS.step
    for threshold in THRESHOLDS:
        detected = [example.asks for example, points in left_out if points > threshold]
        if sum(detected) < PRECISION * len(detected):
            too_low = threshold
    return model._replace(threshold=too_low + THRESHOLDS.step)


def train(examples: Sequence[Example], start: Model | None = None) -> Model:
    """Return a model of the examples, with threshold 0; `start` is a similar model to begin with.

    The data does not say which clause of a message asks. Training starts with the last clause and continues
    with the one that scores best. In a message that does not ask, no clause does.
    """
    counts = Counter(feature for example in examples for feature in frozenset().union(*example.clauses))
    frequent = sorted(feature for feature, count in counts.items() if count >= MIN_MESSAGES)
    indexes = {feature: index for index, feature in enumerate(frequent)}
    indexed = [
        [tuple(sorted(indexes[f] for f in clause if f in indexes)) for clause in example.clauses]
        for example in examples
    ]
    weights = [0.0] * (len(indexes) + 1)
    asking = [len(clauses) - 1 for clauses in indexed]
    if start:
        weights = [start.weights.get(feature, 0) / 100 for feature in frequent] + [start.bias / 100]
        asking = _best_clauses(weights, indexed)
    for _ in range(1 if start else 2):
        weights = fit(_rows(examples, indexed, asking), weights, STRENGTH)
        asking = _best_clauses(weights, indexed)
    rounded = {feature: round(100 * weights[index]) for feature, index in indexes.items()}
    kept = {feature: weight for feature, weight in rounded.items() if abs(weight) >= MIN_WEIGHT}
    return Model(round(100 * weights[-1]), 0, kept)


def _best_clauses(weights: list[float], indexed: Sequence[Sequence[tuple[int, ...]]]) -> list[int]:
    """Return the index of the best-scoring clause of each message, or -1 for a message without clauses."""
    return [
        max(range(len(clauses)), key=lambda index: total(weights, clauses[index]), default=-1)
        for clauses in indexed
    ]


def _rows(
    examples: Sequence[Example], indexed: Sequence[Sequence[tuple[int, ...]]], asking: Sequence[int]
) -> list[Row]:
    """Return the training rows: the asking clause of each message that asks, every clause of the others."""
    rows: defaultdict[tuple[tuple[int, ...], float], float] = defaultdict(float)
    for example, clauses, index in zip(examples, indexed, asking, strict=True):
        if not example.asks:
            for clause in clauses:
                rows[clause, -1.0] += example.weight
        elif clauses:
            rows[clauses[index], 1.0] += example.weight
    return [(features, label, weight) for (features, label), weight in rows.items()]
