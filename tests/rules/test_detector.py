import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.handoff.clauses import split_clauses
from rules.handoff.detector import decide_handoff, find_handoff_request
from rules.handoff.lexicon import WORD_CLASSES
from rules.handoff.tokens import tokenize
from tests.support.handoff_messages import ASKING, NOT_ASKING


@pytest.mark.parametrize("text", ASKING)
def test_request_for_a_person_returns_the_words_of_the_customer(text: str) -> None:
    words = find_handoff_request(text)

    assert words
    assert words in text


@pytest.mark.parametrize("text", NOT_ASKING)
def test_message_without_a_request_returns_none(text: str) -> None:
    assert find_handoff_request(text) is None


@pytest.mark.parametrize("text", ASKING)
def test_request_in_capitals_is_detected(text: str) -> None:
    assert find_handoff_request(text.upper())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello! Where is it?? Can I talk to a HUMAN, please?", "Can I talk to a HUMAN"),
        ("my card is gone, get me the sales team now", "get me the sales team"),
        ("ＨＵＭＡＮ please", "ＨＵＭＡＮ please"),
        ("I am not happy with what your manager did, get him", "get him"),
        ("Nothing works. I'd like an agent to help me", "I'd like an agent to help me"),
    ],
)
def test_request_within_a_message_returns_only_the_asking_words(text: str, words: str) -> None:
    assert find_handoff_request(text) == words


@pytest.mark.parametrize(
    "filling", ["agent ", "i want to ", "can you connect me ", "no need ", "a", "?! ", "zzzzz "]
)
def test_request_at_the_end_of_a_long_message_is_detected(filling: str) -> None:
    long = filling * (19_000 // len(filling))

    assert find_handoff_request(long + ". let me talk to a human") is not None


def test_long_message_is_read_in_part() -> None:
    soup = "can i talk to an agent about it and get a person, " * 2_000

    read = [chunk for clause in split_clauses(tokenize(soup)) for chunk in clause.chunks]

    assert 100 < len(read) < 1_000


@settings(deadline=None)  # see test_linear_time.py
@given(st.text())
def test_any_text_returns_none_or_a_part_of_it(text: str) -> None:
    words = find_handoff_request(text)

    assert words is None or (words and words in text)


_RELEVANT_WORDS = st.sampled_from(
    [
        *" ".join(ASKING + NOT_ASKING).split(),
        *" ".join(WORD_CLASSES.values()).split(),
        ". ",
        "?",
        ",",
        "\n",
        "’",
        "a\u0301",
    ]
)


@settings(deadline=None)
@given(st.lists(_RELEVANT_WORDS, max_size=60).map(" ".join), st.integers(1, 40))
def test_any_mixture_of_known_words_returns_none_or_a_part_of_it(text: str, times: int) -> None:
    words = find_handoff_request(text * times)
    read = [chunk for clause in split_clauses(tokenize(text * times)) for chunk in clause.chunks]

    assert words is None or (words and words in text * times)
    assert len(read) < 1_000


@settings(deadline=None)
@given(st.lists(_RELEVANT_WORDS, max_size=30).map(" ".join))
def test_decision_agrees_with_the_detector(text: str) -> None:
    decision = decide_handoff(text)

    assert decision.words == find_handoff_request(text)
    if decision.words:
        assert decision.score is not None
        assert decision.score > decision.threshold
        assert decision.exclusion is None


def test_decision_contains_chunks_and_evidence() -> None:
    decision = decide_handoff("My bill is wrong. Can I talk to one of your agents?")

    assert decision.words == "Can I talk to one of your agents"
    assert [tuple(part) for part in decision.chunks] == [
        ("Can I", "can-i"),
        ("talk to", "talk-to"),
        ("one of your agents", "agent"),
    ]
    assert any("talk-to" in feature and weight > 0 for feature, weight in decision.evidence)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("are you a real person?", "it asks or states what a party is"),
        ("do I have to speak to a representative to change my pin?", "it asks whether contact is necessary"),
        ("please do not connect me to an agent", "it declines contact"),
        ("the policy says to contact an agent", "it quotes written text"),
        ("send money to a person", "it moves money"),
        ("you asked if I want to talk to an agent", "it reports a question or an offer"),
        ("when I talk to an agent is it recorded", "it states a condition"),
    ],
)
def test_excluded_form_has_a_reason_and_no_words(text: str, why: str) -> None:
    decision = decide_handoff(text)

    assert decision.exclusion == why
    assert decision.words is None
