"""
Recognising that a customer asks for a person.

A message is read as clauses (`handoff_clauses`), a clause as chunks: ways of asking, acts, parties
(`handoff_chunks`, from `handoff_words` and `handoff_lexicon`). A linear model, trained on labelled
utterances, judges their sequence (`handoff_model`); a few forms never ask, whatever it says. English only; a
team's own phrases (`handoff_phrases`) may be in any language.

See docs/handoff-phrases.md for the method, its figures and how to retrain.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rules.handoff_chunks import ACTS, ASKING, PARTIES
from rules.handoff_clauses import Clause, read_clauses
from rules.handoff_model import features_of, the_model
from rules.handoff_words import class_of, place_words, split_words

_SHOWN = 6
_OF_A_REQUEST = ASKING | ACTS | PARTIES | {"their-agent"}


def _any_of(names: frozenset[str]) -> str:
    return f"(?:{'|'.join(sorted(names))})"


_ACT, _ACT_OR_PARTY = _any_of(ACTS), _any_of(ACTS | PARTIES)
_ACT_OR_ASKING = _any_of(ACTS | ASKING)
# What never asks, in the names of its chunks, each with a space on either side
_NEVER = (
    (rf"^ (?:\S+ )?are-you (?!.*(?:{_ACT_OR_ASKING}|until) )", "it asks or says what somebody is"),
    (rf" have-i-to {_ACT_OR_PARTY} ", "it asks whether one has to"),
    (
        rf"(?: (?:i-do-not-want|without)|(?<! if)(?<! if YOU) (?:no|not)) (?:let-me )?{_ACT_OR_PARTY}"
        r" (?!(?:\S+ ){0,4}(?:bot|YOU) )",
        "it says that it is not wanted",
    ),
    (r" (?:MOVE|MOVING|TAKE|SEND|GET|get) (?:\S+ ){0,2}MONEY ", "it moves money"),
    (
        rf" ASKED (?:ME )?if (?:\S+ )?{_ACT_OR_ASKING} | OFFERED (?:ME )?TO {_ACT} ",
        "it tells what was asked or offered",
    ),
    (rf" if {_ACT} ", "it says in which case, not that it is so"),
    (rf" says (?:\S+ ){{0,3}}{_ACT} ", "it tells what is written somewhere"),
)
_NEVER_FORMS = tuple((re.compile(form), why) for form, why in _NEVER)


class Reading(NamedTuple):
    """Words that were read as one chunk, and the chunk's name."""

    words: str
    name: str


class Decision(NamedTuple):
    """
    Whether a message asks for a person, and why.

    `words` are the customer's own that ask, or None. `score` is that of the clause most like a request, or
    None where nothing tells of one; a clause asks when its score passes `threshold` and it is of no form that
    never asks (`never`). `reading` is how that clause was read, `evidence` what weighed most in it: features
    of `handoff_model` and their weights. Scores, weights and the threshold are log odds.
    """

    words: str | None
    threshold: float
    score: float | None = None
    never: str | None = None
    reading: tuple[Reading, ...] = ()
    evidence: tuple[tuple[str, float], ...] = ()


def find_handoff_request(text: str) -> str | None:
    """The words of `text` that ask for a person (as the customer wrote them), or None."""
    words = split_words(text)
    clause = _most_like_a_request(words)
    return _asking_words(text, words, clause) if clause and _asks(clause) else None


def decide_handoff(text: str) -> Decision:
    """What `find_handoff_request` decides on `text`, and why."""
    model = the_model()
    words = split_words(text)
    clause = _most_like_a_request(words)
    if not clause:
        return Decision(None, model.threshold / 100)
    weights = {feature: model.weights.get(feature, 0) for feature in features_of(clause)}
    weighty = sorted(weights, key=lambda feature: (-abs(weights[feature]), feature))
    return Decision(
        words=_asking_words(text, words, clause) if _asks(clause) else None,
        threshold=model.threshold / 100,
        score=model.score(clause) / 100,
        never=why_never(clause.names),
        reading=tuple(
            Reading(" ".join(words[chunk.first : chunk.last + 1]), name)
            for chunk, name in zip(clause.chunks, clause.names, strict=True)
        ),
        evidence=tuple((feature, weights[feature] / 100) for feature in weighty[:_SHOWN] if weights[feature]),
    )


@lru_cache(maxsize=16384)
def why_never(names: tuple[str, ...]) -> str | None:
    """Why a clause with these chunks never asks, whatever its score; None if it may ask."""
    spelled = f" {' '.join(names)} "
    return next((why for form, why in _NEVER_FORMS if form.search(spelled)), None)


def _most_like_a_request(words: Sequence[str]) -> Clause | None:
    """The clause that asks, if any does: of several, and of none, the one that scores best."""
    return max(read_clauses(words), key=lambda clause: (_asks(clause), _score(*clause[:2])), default=None)


def _asks(clause: Clause) -> bool:
    return _score(*clause[:2]) > the_model().threshold and not why_never(clause.names)


@lru_cache(maxsize=16384)
def _score(names: tuple[str, ...], manner: tuple[str, ...]) -> int:
    return the_model().score(Clause(names, manner, ()))


def _asking_words(text: str, words: Sequence[str], clause: Clause) -> str:
    """From the first way of asking, act or party to the last, and a please behind it."""
    named = zip(clause.chunks, clause.names, strict=True)
    asking = [chunk for chunk, name in named if name in _OF_A_REQUEST] or clause.chunks
    last = behind = asking[-1].last
    while behind + 1 < len(words) and class_of(words[behind + 1]) in ("FILL", "PLEASE"):
        behind += 1
        if class_of(words[behind]) == "PLEASE":
            last = behind
    start, end = place_words(text, asking[0].first, last)
    return text[start:end]
