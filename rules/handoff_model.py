"""What is learned about requests for a person: how much each sequence of chunks speaks for one."""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from rules.handoff_chunks import PARTIES
from rules.handoff_clauses import Clause

_SIZES = (1, 2, 3, 4)
_SHORT = 3
_MOST_COUNTED = 9


class Model(NamedTuple):
    """Weights in hundredths: a clause asks when the bias and its features' weights exceed the threshold."""

    bias: int
    threshold: int
    weights: dict[str, int]

    def score(self, clause: Clause) -> int:
        """How much the clause looks like a request, in hundredths of log odds."""
        weight = self.weights.get
        return self.bias + sum([weight(feature, 0) for feature in features_of(clause)])

    def written(self) -> str:
        """The model as JSON, a weight a line; the same model gives the same bytes."""
        return json.dumps(self._asdict(), ensure_ascii=False, indent=0, sort_keys=True) + "\n"


def read_model(text: str) -> Model:
    """The model that `Model.written` wrote."""
    return Model(**json.loads(text))


@cache
def the_model() -> Model:
    """The model that comes with Baton, read when it is first needed."""
    return read_model(files("rules").joinpath("handoff_model.json").read_text(encoding="utf-8"))


def features_of(clause: Clause) -> set[str]:
    """
    What a clause is judged by.

    * Sequences of up to four chunks, in which `^` and `$` are its ends: `can-i talk-to agent`.
    * Pairs with one chunk between: `i-want _ agent`.
    * Each of these with any party as `PARTY` too.
    * A short clause as a whole, with its manner: `= agent please`.
    * Its manner: `with please`; how many chunks it has: `3 chunks`.
    """
    names = ["^", *clause.names, "$"]
    found = _sequences(names)
    if not PARTIES.isdisjoint(names):
        found |= _sequences(["PARTY" if name in PARTIES else name for name in names])
    if len(clause.names) <= _SHORT:
        found.add(" ".join(["=", *clause.names, *clause.manner]))
    found |= {f"with {manner}" for manner in clause.manner}
    found.add(f"{min(len(clause.names), _MOST_COUNTED)} chunks")
    return found


def _sequences(names: Sequence[str]) -> set[str]:
    length = len(names)
    found = {" ".join(names[at : at + size]) for size in _SIZES for at in range(length - size + 1)}
    found |= {f"{names[at]} _ {names[at + 2]}" for at in range(length - 2)}
    return found
