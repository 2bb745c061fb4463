"""Train `rules/handoff/model.json` from labelled utterances.

    python -m scripts.train_handoff utterances.jsonl [more.jsonl …] [--out model.json]

A line is a JSON object with `text`, `label` (1: asks for a person, 0: does not) and `source_repo`, the group
that is left out together. The labelled messages of `handoff_utterances.txt` are always included. The same
files give the same bytes.
"""

import argparse
from pathlib import Path

from scripts.handoff_training import (
    generated_examples,
    leave_one_source_out,
    read_all_examples,
    set_threshold,
    train,
)

MODEL_FILE = Path(__file__).parents[1] / "rules" / "handoff" / "model.json"


def main() -> None:
    """Train the model and write it."""
    parser = argparse.ArgumentParser(description="Train the model that recognises requests for a person.")
    parser.add_argument("data", nargs="+", type=Path, help="labelled utterances as JSON Lines")
    parser.add_argument("--out", type=Path, default=MODEL_FILE, help="the file to write the model to")
    arguments = parser.parse_args()
    examples = read_all_examples(arguments.data)
    model = train([*examples, *generated_examples()])
    model = set_threshold(model, list(leave_one_source_out(examples, model)))
    arguments.out.write_text(model.to_json(), encoding="utf-8")
    asking = sum(example.asks for example in examples)
    print(f"{len(examples):,} utterances, {asking:,} of which ask")
    print(f"{len(model.weights):,} weights, threshold {model.threshold / 100}: {arguments.out}")


if __name__ == "__main__":
    main()
