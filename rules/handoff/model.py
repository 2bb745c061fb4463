"""The learned linear model: features of a clause and their weights."""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from rules.handoff.chunks import PARTIES
from rules.handoff.clauses import Clause

_NGRAM_SIZES = (1, 2, 3, 4)
_SHORT_CLAUSE = 3
_MAX_COUNT = 9


class Model(NamedTuple):
    """A linear model with weights in hundredths of log odds.

    A clause asks for a person if the bias and the weights of its features exceed the threshold.
    """

    bias: int
    threshold: int
    weights: dict[str, int]

    def score(self, clause: Clause) -> int:
        """Return the log odds, in hundredths, that the clause asks for a person."""
        weight = self.weights.get
        return self.bias + sum([weight(feature, 0) for feature in clause_features(clause)])

    def to_json(self) -> str:
        """Return the model as JSON with one weight per line; equal models give equal bytes."""
        return json.dumps(self._asdict(), ensure_ascii=False, indent=0, sort_keys=True) + "\n"


def parse_model(text: str) -> Model:
    """Return the model that `Model.to_json` wrote."""
    return Model(**json.loads(text))


@cache
def packaged_model() -> Model:
    """Return the model that is packaged with Baton; the first call reads the file."""
    return parse_model(files("rules.handoff").joinpath("model.json").read_text(encoding="utf-8"))


def clause_features(clause: Clause) -> set[str]:
    """Return the features of a clause.

    * Sequences of up to four chunks, in which `^` and `$` mark the ends: `can-i talk-to agent`.
    * Pairs with any chunk between them: `i-want _ agent`.
    * Each of these again with every party replaced by `PARTY`.
    * A short clause as a whole, with its manner: `= agent please`.
    * The manner (`with please`) and the number of chunks (`3 chunks`).
    """
    names = ["^", *clause.names, "$"]
    features = _ngrams(names)
    if not PARTIES.isdisjoint(names):
        features |= _ngrams(["PARTY" if name in PARTIES else name for name in names])
    if len(clause.names) <= _SHORT_CLAUSE:
        features.add(" ".join(["=", *clause.names, *clause.manner]))
    features |= {f"with {manner}" for manner in clause.manner}
    features.add(f"{min(len(clause.names), _MAX_COUNT)} chunks")
    return features


def _ngrams(names: Sequence[str]) -> set[str]:
    length = len(names)
    ngrams = {
        " ".join(names[start : start + size]) for size in _NGRAM_SIZES for start in range(length - size + 1)
    }
    ngrams |= {f"{names[start]} _ {names[start + 2]}" for start in range(length - 2)}
    return ngrams
