"""The lexicon, the patterns and the packaged model of phrase recognition."""

import pytest

from rules.handoff.chunks import PATTERNS
from rules.handoff.clauses import split_clauses
from rules.handoff.lexicon import NOT_TYPOS, TYPO_TOLERANT, WORD_CLASSES
from rules.handoff.model import clause_features, packaged_model, parse_model
from rules.handoff.tokens import token_class


def test_each_word_has_exactly_one_class() -> None:
    words = " ".join(WORD_CLASSES.values()).split()

    assert sorted(words) == sorted(set(words))
    assert set(TYPO_TOLERANT) <= set(words)
    assert all(
        token_class(word) != token_class(apart) for word, apart in (("person", "prison"), ("human", "humane"))
    )
    assert not set(TYPO_TOLERANT) & NOT_TYPOS


@pytest.mark.parametrize("word", ["radiologist", "opticians", "chairperson", "physiotherapist", "gamekeeper"])
def test_word_with_the_ending_of_a_role_is_a_role(word: str) -> None:
    assert token_class(word) == "ROLE"


@pytest.mark.parametrize("word", ["person", "woman", "people", "playlist", "keeper", "Mastercard"])
def test_word_that_is_short_or_ends_otherwise_is_no_role(word: str) -> None:
    assert token_class(word) != "ROLE"


def test_patterns_contain_only_known_classes() -> None:
    names = set(" ".join(PATTERNS.split("|")).replace("/", " ").replace("[", " ").replace("]", " ").split())

    assert {name for name in names if name.isupper()} <= {*WORD_CLASSES, "OTHER"}


def test_model_survives_a_round_trip_through_json() -> None:
    model = packaged_model()

    assert parse_model(model.to_json()) == model
    assert len(model.to_json()) < 1_000_000
    assert any(
        feature in model.weights for feature in clause_features(next(split_clauses(["human", "please"])))
    )
