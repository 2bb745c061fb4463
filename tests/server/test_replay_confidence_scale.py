"""`baton replay --confidence-scale`: the scale of a file's confidences is never guessed."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.replay_command import Replays


@pytest.fixture(scope="module")
def replays() -> Iterator[Replays]:
    with Replays.opened() as opened:
        yield opened


def conversation(*confidences: float) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Where is my order?"}]
    messages += [{"role": "assistant", "content": "Soon.", "confidence": value} for value in confidences]
    return {"id": "x", "messages": messages}


def test_probabilities_without_a_declared_scale_are_refused(replays: Replays) -> None:
    path = replays.file("probabilities.jsonl", conversation(0.91, 1, 0))
    code, out, err = replays.run(path)
    assert (code, out) == (1, "")
    assert "--confidence-scale probability" in err


def test_declared_probabilities_are_read_as_percent(replays: Replays) -> None:
    path = replays.file("declared.jsonl", conversation(0.91, 0.37))
    (escalation,) = replays.result(path, "--confidence-scale", "probability")["escalations"]
    assert (escalation["confidence"], escalation["message"]) == (37, 3)


def test_number_above_one_is_no_probability(replays: Replays) -> None:
    path = replays.file("mixed.jsonl", conversation(0.5, 50))
    code, _, err = replays.run(path, "--confidence-scale", "probability")
    assert code == 1
    assert "message 3: confidence is not between 0 and 1" in err
