"""Detect that a customer message asks for a person.

A message is split into clauses (`clauses`), and each clause into chunks: request forms, actions and parties
(`chunks`, built on `tokens` and `lexicon`). A linear model, trained on labelled utterances, scores the
sequence of chunks (`model`). A few exclusions override the score. English only; a team's own phrases
(`phrases`) may be in any language.

docs/handoff-phrases.md describes the method, its figures and how to retrain.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rules.handoff.chunks import ACTIONS, PARTIES, REQUEST_FORMS
from rules.handoff.clauses import Clause, split_clauses
from rules.handoff.model import clause_features, packaged_model
from rules.handoff.tokens import locate_tokens, token_class, tokenize

_MAX_EVIDENCE = 6
_REQUEST_CHUNKS = REQUEST_FORMS | ACTIONS | PARTIES | {"their-agent"}


def _any_of(names: frozenset[str]) -> str:
    return f"(?:{'|'.join(sorted(names))})"


_ACTION, _ACTION_OR_PARTY = _any_of(ACTIONS), _any_of(ACTIONS | PARTIES)
_PARTY = _any_of(PARTIES)
_CONTACT = _any_of(
    ACTIONS - {"get", "help-me", "handle", "take-over", "MOVE", "PUT", "TAKE", "HAND", "START", "BYPASS"}
)
_NO_PARTY_BEFORE = "".join(f"(?<! {name})" for name in sorted(PARTIES))
_ACTION_OR_REQUEST = _any_of(ACTIONS | REQUEST_FORMS)
# Patterns over chunk names, each name between spaces. Every repetition is bounded by the clause's 24 chunks.
_EXCLUSION_PATTERNS = (
    (
        rf"^ (?:\S+ )?are-you "
        rf"(?!.*(?:{_ACTION_OR_REQUEST}|until|(?:FOR|(?:THIS|THEY|topic) (?:TO|WITH)) bot) )",
        "it asks or states what a party is",
    ),
    (rf" have-i-to {_ACTION_OR_PARTY} ", "it asks whether contact is necessary"),
    (
        rf"(?: i-do-not-want|{_NO_PARTY_BEFORE} without"
        rf"|(?<! if)(?<! if YOU)(?<! if DO) (?:no|not)) (?:let-me )?{_ACTION_OR_PARTY}"
        r" (?!(?:\S+ ){0,4}(?:bot|YOU) )",
        "it declines contact",
    ),
    (r" (?:MOVE|MOVING|TAKE|SEND|GET|get) (?:\S+ ){0,2}MONEY ", "it moves money"),
    (
        rf" ASKED (?:ME )?if (?:\S+ )?{_ACTION_OR_REQUEST} | OFFERED (?:ME )?TO {_ACTION} ",
        "it reports a question or an offer",
    ),
    (rf"(?<! ID IS OTHER)(?<! CAN IS OTHER) if (?:{_CONTACT}|get {_PARTY}) ", "it states a condition"),
    (rf" says (?:\S+ ){{0,3}}{_ACTION} ", "it quotes written text"),
)
_EXCLUSIONS = tuple((re.compile(pattern), reason) for pattern, reason in _EXCLUSION_PATTERNS)


class NamedWords(NamedTuple):
    """The words of one chunk, as the customer wrote them, and the chunk's name."""

    words: str
    name: str


class Decision(NamedTuple):
    """The decision on a message, with its reasons.

    `words` are the customer's words that ask for a person, or None. `score` belongs to the clause most like a
    request, or is None if no clause is relevant. A clause asks if its score exceeds `threshold` and no
    exclusion applies. `exclusion` is the reason of the exclusion, `chunks` shows how the clause was read, and
    `evidence` holds its strongest features with their weights. Scores, weights and threshold are log odds.
    """

    words: str | None
    threshold: float
    score: float | None = None
    exclusion: str | None = None
    chunks: tuple[NamedWords, ...] = ()
    evidence: tuple[tuple[str, float], ...] = ()


def find_handoff_request(text: str) -> str | None:
    """Return the words of `text` that ask for a person, as the customer wrote them, or None."""
    tokens = tokenize(text)
    clause = _best_clause(tokens)
    return _request_words(text, tokens, clause) if clause and _asks(clause) else None


def decide_handoff(text: str) -> Decision:
    """Return the decision of `find_handoff_request` on `text`, with its reasons."""
    model = packaged_model()
    tokens = tokenize(text)
    clause = _best_clause(tokens)
    if not clause:
        return Decision(None, model.threshold / 100)
    weights = {feature: model.weights.get(feature, 0) for feature in clause_features(clause)}
    strongest = sorted(weights, key=lambda feature: (-abs(weights[feature]), feature))[:_MAX_EVIDENCE]
    return Decision(
        words=_request_words(text, tokens, clause) if _asks(clause) else None,
        threshold=model.threshold / 100,
        score=model.score(clause) / 100,
        exclusion=exclusion_reason(clause.names),
        chunks=tuple(
            NamedWords(" ".join(tokens[chunk.first : chunk.last + 1]), name)
            for chunk, name in zip(clause.chunks, clause.names, strict=True)
        ),
        evidence=tuple((feature, weights[feature] / 100) for feature in strongest if weights[feature]),
    )


@lru_cache(maxsize=16384)
def exclusion_reason(names: tuple[str, ...]) -> str | None:
    """Return why a clause with these chunks never asks for a person, or None if it may."""
    spaced = f" {' '.join(names)} "
    return next((reason for pattern, reason in _EXCLUSIONS if pattern.search(spaced)), None)


def _best_clause(tokens: Sequence[str]) -> Clause | None:
    """Return the best-scoring clause, preferring clauses that ask."""
    return max(
        split_clauses(tokens),
        key=lambda clause: (_asks(clause), _score(clause.names, clause.manner)),
        default=None,
    )


def _asks(clause: Clause) -> bool:
    score = _score(clause.names, clause.manner)
    return score > packaged_model().threshold and not exclusion_reason(clause.names)


@lru_cache(maxsize=16384)
def _score(names: tuple[str, ...], manner: tuple[str, ...]) -> int:
    return packaged_model().score(Clause(names, manner, ()))


def _request_words(text: str, tokens: Sequence[str], clause: Clause) -> str:
    """Return the words from the first request form, action or party to the last, and a "please" after it."""
    named = zip(clause.chunks, clause.names, strict=True)
    request = [chunk for chunk, name in named if name in _REQUEST_CHUNKS] or clause.chunks
    last = following = request[-1].last
    while following + 1 < len(tokens) and token_class(tokens[following + 1]) in ("FILL", "PLEASE"):
        following += 1
        if token_class(tokens[following]) == "PLEASE":
            last = following
    start, end = locate_tokens(text, request[0].first, last)
    return text[start:end]
