"""
Say how well requests for a person are recognised, and fail when that falls.

    python -m scripts.check_handoff utterances.jsonl [more.jsonl …]

Precision, recall and F1 by source, each judged by a model that never saw it; on the made-up messages of
`handoff_unseen.txt`, of which no weight was learned; and whether `rules/handoff_model.json` is what these
files make, byte by byte. The time of a message is printed, and not checked: it depends on the machine.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rules.handoff import find_handoff_request
from rules.handoff_model import Model, the_model
from scripts.handoff_training import (
    Example,
    leave_one_source_out,
    read_examples,
    score,
    trained,
    unseen_examples,
)
from scripts.train_handoff import MODEL_FILE

# Precision and recall, of all left-out sources together and of the unseen made-up messages: a point or two
# below docs/handoff-phrases.md
FLOORS = {"left out": (0.95, 0.97), "unseen": (0.98, 0.86)}
_RUNS = 5


def main() -> None:
    """Print the figures; exit with 1 if one is below its floor or the model is another."""
    parser = argparse.ArgumentParser(description="Check how well requests for a person are recognised.")
    parser.add_argument("data", nargs="+", type=Path, help="labelled utterances as JSON Lines")
    examples = read_examples(parser.parse_args().data)
    left_out = list(leave_one_source_out(examples))
    model = trained(examples, left_out)
    fine = [
        _check_left_out(model, left_out),
        _check_unseen(model),
        _check_model(model),
    ]
    _print_times([example.text for example in examples])
    sys.exit(not all(fine))


def _check_left_out(model: Model, left_out: Sequence[tuple[Example, int]]) -> bool:
    judged = [(message.source, message.asks, points > model.threshold) for message, points in left_out]
    for source in sorted({source for source, _, _ in judged}):
        _figures(source, [(asks, found) for name, asks, found in judged if name == source])
    for message, points in left_out:
        if message.asks != (points > model.threshold):
            print(f"    {'missed' if message.asks else 'false alarm'}: {message.text}")
    return is_above("left out", [(asks, found) for _, asks, found in judged])


def _check_unseen(model: Model) -> bool:
    judged = [(message.asks, score(model, message) > model.threshold) for message in unseen_examples()]
    return is_above("unseen", judged)


def _check_model(model: Model) -> bool:
    same = MODEL_FILE.read_text(encoding="utf-8") == model.written()
    print(f"{MODEL_FILE.name} is {'what' if same else 'NOT what'} these files make")
    return same


def is_above(name: str, judged: Iterable[tuple[bool, bool]]) -> bool:
    """Whether precision and recall reach the floor; each message is given as (asks, is found to ask)."""
    precision, recall = _figures(name, judged)
    least_precision, least_recall = FLOORS[name]
    fine = precision >= least_precision and recall >= least_recall
    if not fine:
        print(f"    BELOW precision {least_precision}, recall {least_recall}")
    return fine


def _figures(name: str, judged: Iterable[tuple[bool, bool]]) -> tuple[float, float]:
    """Print and give precision and recall, 1 where there is nothing to count."""
    pairs = list(judged)
    right = sum(asks and found for asks, found in pairs)
    asking, found = sum(asks for asks, _ in pairs), sum(found for _, found in pairs)
    precision, recall = right / found if found else 1.0, right / asking if asking else 1.0
    f1 = 2 * right / (asking + found) if asking + found else 1.0
    print(
        f"{name:50} {len(pairs):6,} of which {asking:5,} ask,"
        f" {found - right:3} false alarms, {asking - right:3} missed:"
        f" precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}"
    )
    return precision, recall


def _print_times(texts: Sequence[str]) -> None:
    the_model()
    chance = random.Random(0)
    for length in (200, 10_000):
        messages = [" ".join(chance.choices(texts, k=length // 10))[:length] for _ in range(20_000 // length)]
        took = min(_seconds(messages) for _ in range(_RUNS)) / len(messages)
        print(f"{length:6,} characters: {took * 1e6:,.0f} µs a message")


def _seconds(messages: Sequence[str]) -> float:
    begun = time.perf_counter()
    for message in messages:
        find_handoff_request(message)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
