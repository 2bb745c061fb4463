import json
import re
from pathlib import Path

import pytest

from scripts import check_handoff
from scripts.handoff_examples import TRAINING_GRAMMAR, UNSEEN_GRAMMAR, MessageGenerator
from scripts.handoff_training import (
    OWN_UTTERANCES,
    Example,
    read_examples,
    read_labelled_text,
    score,
    train,
)

ASKING = [
    "fetch me a colleague",
    "a colleague please",
    "fetch a manager",
    "colleague now",
    "fetch me a manager please",
]
OTHERS = [
    "your colleague was rude",
    "a manager was rude to me",
    "was your manager there",
    "thanks, colleague",
]


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    file = tmp_path / "ours.jsonl"
    rows = [{"text": text, "label": label} for label, texts in ((1, ASKING), (0, OTHERS)) for text in texts]
    file.write_text("\n".join(json.dumps(row) for row in rows * 3))
    return read_examples([file])


def test_model_is_trained_from_the_utterances_of_a_team(examples: list[Example]) -> None:
    model = train(examples)

    assert all((score(model, example) > 0) == example.asks for example in examples)


def test_training_on_the_same_utterances_gives_the_same_bytes(examples: list[Example]) -> None:
    assert train(examples).to_json() == train(examples).to_json()
    assert train(examples).to_json() != train(examples[:-4]).to_json()


def test_utterances_without_a_source_are_grouped_by_file(examples: list[Example]) -> None:
    assert {example.source for example in examples} == {"ours"}


@pytest.mark.parametrize("grammar", [TRAINING_GRAMMAR, UNSEEN_GRAMMAR])
@pytest.mark.parametrize("asking", [True, False])
def test_generator_with_the_same_seed_gives_the_same_messages(grammar: Path, asking: bool) -> None:
    messages = list(MessageGenerator(grammar, 1).messages(2_000, asking=asking))

    assert messages == list(MessageGenerator(grammar, 1).messages(2_000, asking=asking))
    assert messages != list(MessageGenerator(grammar, 2).messages(2_000, asking=asking))
    assert not [message for message in messages if re.search(r"[{}|\[\]]|  ", message)]


def test_labelled_text_is_read_by_source(tmp_path: Path) -> None:
    file = tmp_path / "labelled.txt"
    file.write_text(
        "# comment\n\n[services: bank]\n+ an agent please\n- hello\n[products: phone]\n- call me Sam\n"
    )

    assert [(example.text, example.asks, example.source) for example in read_labelled_text(file)] == [
        ("an agent please", True, "services"),
        ("hello", False, "services"),
        ("call me Sam", False, "products"),
    ]


def test_training_from_a_similar_model_gives_nearly_the_same_weights(examples: list[Example]) -> None:
    model = train(examples)
    again = train(examples, model)

    assert again.weights.keys() == model.weights.keys()
    assert all(abs(again.weights[feature] - weight) <= 2 for feature, weight in model.weights.items())


def test_figure_below_the_floor_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    fine = [(True, True)] * 99 + [(True, False), (False, False)]

    assert check_handoff.is_above("left out", fine)
    assert not check_handoff.is_above("left out", fine + [(True, False)] * 5)
    assert not check_handoff.is_above("left out", fine + [(False, True)] * 19)
    assert check_handoff.is_above("own left out", fine + [(True, False)] * 5)
    assert not check_handoff.is_above("own left out", fine + [(True, False)] * 9)
    assert capsys.readouterr().out.count("BELOW") == 3


@pytest.mark.parametrize("name", check_handoff.EVALUATION_SETS)
def test_evaluation_set_shares_no_message_with_the_training(name: str) -> None:
    judged = read_labelled_text(Path(check_handoff.__file__).with_name(f"{name}.txt"))
    learned = {_words(example.text) for example in read_labelled_text(OWN_UTTERANCES)}

    assert len(judged) > 100
    assert not learned & {_words(example.text) for example in judged}
    assert name in check_handoff.FLOORS


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
