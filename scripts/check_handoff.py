"""Measure how well requests for a person are recognised, and fail if a figure falls.

    python -m scripts.check_handoff utterances.jsonl [more.jsonl …]

It prints precision, recall and F1 by source, each measured with a model that never saw the source. It prints
the same for the generated messages of `handoff_unseen.txt`, and for the sets of `EVALUATION_SETS`, from which
no weight is learned. Of these sets only totals are printed: a set whose errors are read is no longer blind.
It checks that `rules/handoff/model.json` is what these files produce, byte by byte. The time per message is
only printed, because it depends on the machine.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rules.handoff.detector import find_handoff_request
from rules.handoff.model import Model, packaged_model
from scripts.handoff_training import (
    OWN_UTTERANCES,
    Example,
    generated_examples,
    leave_one_source_out,
    read_all_examples,
    read_labelled_text,
    score,
    set_threshold,
    train,
    unseen_examples,
)
from scripts.train_handoff import MODEL_FILE

# Precision and recall, on the left-out sources of the data, on those of `handoff_utterances.txt`, on the
# unseen generated messages and on the evaluation sets: a point or two below docs/handoff-phrases.md
FLOORS = {
    "left out": (0.94, 0.98),
    "own left out": (0.96, 0.93),
    "unseen": (0.97, 0.91),
    "handoff_blind": (0.94, 0.89),
    "handoff_second_dev": (0.97, 0.97),
    "handoff_second_blind": (0.97, 0.91),
    "handoff_plain": (0.98, 0.98),
}
EVALUATION_SETS = ("handoff_blind", "handoff_second_dev", "handoff_second_blind", "handoff_plain")
_RUNS = 5


def main() -> None:
    """Print the figures; exit with 1 if a figure is below its floor or the model differs."""
    parser = argparse.ArgumentParser(description="Check how well requests for a person are recognised.")
    parser.add_argument("data", nargs="+", type=Path, help="labelled utterances as JSON Lines")
    examples = read_all_examples(parser.parse_args().data)
    model = train([*examples, *generated_examples()])
    left_out = list(leave_one_source_out(examples, model))
    model = set_threshold(model, left_out)
    passed = [
        _check_left_out(model, left_out),
        _check_unseen(model),
        *[_check_evaluation_set(model, name) for name in EVALUATION_SETS],
        _check_model(model),
    ]
    _print_times([example.text for example in examples])
    sys.exit(not all(passed))


def _check_left_out(model: Model, left_out: Sequence[tuple[Example, int]]) -> bool:
    judged = [(example.source, example.asks, points > model.threshold) for example, points in left_out]
    for source in sorted({source for source, _, _ in judged}):
        _print_figures(source, [(asks, detected) for name, asks, detected in judged if name == source])
    for example, points in left_out:
        if example.asks != (points > model.threshold):
            print(f"    {'missed' if example.asks else 'false alarm'}: {example.text}")
    own = {example.source for example in read_labelled_text(OWN_UTTERANCES)}
    passed = [
        is_above(name, [(asks, detected) for source, asks, detected in judged if (source in own) == is_own])
        for name, is_own in (("left out", False), ("own left out", True))
    ]
    return all(passed)


def _check_unseen(model: Model) -> bool:
    judged = [(example.asks, score(model, example) > model.threshold) for example in unseen_examples()]
    return is_above("unseen", judged)


def _check_evaluation_set(model: Model, name: str) -> bool:
    examples = read_labelled_text(Path(__file__).with_name(f"{name}.txt"))
    return is_above(name, [(example.asks, score(model, example) > model.threshold) for example in examples])


def _check_model(model: Model) -> bool:
    same = MODEL_FILE.read_text(encoding="utf-8") == model.to_json()
    print(f"{MODEL_FILE.name} is {'what' if same else 'NOT what'} these files produce")
    return same


def is_above(name: str, judged: Iterable[tuple[bool, bool]]) -> bool:
    """Return whether precision and recall reach the floor; a message is given as (asks, detected)."""
    precision, recall = _print_figures(name, judged)
    min_precision, min_recall = FLOORS[name]
    passed = precision >= min_precision and recall >= min_recall
    if not passed:
        print(f"    BELOW precision {min_precision}, recall {min_recall}")
    return passed


def _print_figures(name: str, judged: Iterable[tuple[bool, bool]]) -> tuple[float, float]:
    """Print and return precision and recall; each is 1 if there is nothing to count."""
    pairs = list(judged)
    correct = sum(asks and detected for asks, detected in pairs)
    asking, alarms = sum(asks for asks, _ in pairs), sum(detected for _, detected in pairs)
    precision, recall = correct / alarms if alarms else 1.0, correct / asking if asking else 1.0
    f1 = 2 * correct / (asking + alarms) if asking + alarms else 1.0
    print(
        f"{name:50} {len(pairs):6,} of which {asking:5,} ask,"
        f" {alarms - correct:3} false alarms, {asking - correct:3} missed:"
        f" precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}"
    )
    return precision, recall


def _print_times(texts: Sequence[str]) -> None:
    packaged_model()
    chance = random.Random(0)
    for length in (200, 10_000):
        messages = [" ".join(chance.choices(texts, k=length // 10))[:length] for _ in range(20_000 // length)]
        duration = min(_seconds(messages) for _ in range(_RUNS)) / len(messages)
        print(f"{length:6,} characters: {duration * 1e6:,.0f} µs per message")


def _seconds(messages: Sequence[str]) -> float:
    start = time.perf_counter()
    for message in messages:
        find_handoff_request(message)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
