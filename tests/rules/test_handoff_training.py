import json
import re
from pathlib import Path

import pytest

from scripts import check_handoff
from scripts.handoff_examples import LEARNED, UNSEEN, Maker
from scripts.handoff_training import Example, read_examples, score, train

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


def test_a_model_is_learned_from_a_teams_own_utterances(examples: list[Example]) -> None:
    model = train(examples)

    assert all((score(model, example) > 0) == example.asks for example in examples)


def test_the_same_utterances_give_the_same_bytes(examples: list[Example]) -> None:
    assert train(examples).written() == train(examples).written()
    assert train(examples).written() != train(examples[:-4]).written()


def test_utterances_without_a_source_belong_to_their_file(examples: list[Example]) -> None:
    assert {example.source for example in examples} == {"ours"}


@pytest.mark.parametrize("grammar", [LEARNED, UNSEEN])
@pytest.mark.parametrize("asking", [True, False])
def test_messages_are_made_up_the_same_every_time(grammar: Path, asking: bool) -> None:
    messages = list(Maker(grammar, 1).messages(2_000, asking=asking))

    assert messages == list(Maker(grammar, 1).messages(2_000, asking=asking))
    assert messages != list(Maker(grammar, 2).messages(2_000, asking=asking))
    assert not [message for message in messages if re.search(r"[{}|\[\]]|  ", message)]


def test_figures_that_fall_are_seen(capsys: pytest.CaptureFixture[str]) -> None:
    fine = [(True, True)] * 99 + [(True, False), (False, False)]

    assert check_handoff.is_above("left out", fine)
    assert not check_handoff.is_above("left out", fine + [(True, False)] * 9)
    assert not check_handoff.is_above("left out", fine + [(False, True)] * 19)
    assert capsys.readouterr().out.count("BELOW") == 2
