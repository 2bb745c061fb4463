"""The AI's confidence as a probability, and the refusal of a probability that is sent as percent."""

from typing import Any

import pytest

from tests.support.baton_client import Workspace
from tests.support.conversation_driver import Talk

RECORD = """mutation($i: RecordMessageInput!) { recordMessage(input: $i) {
    message { confidence } escalation { confidence } } }"""


def reply(talk: Talk, **more: Any) -> dict[str, Any]:
    given = {"conversationId": talk.id, "role": "ASSISTANT", "content": "Let me see.", **more}
    payload: dict[str, Any] = talk.key.ask(RECORD, i=given)["recordMessage"]
    return payload


@pytest.mark.parametrize(
    ("given", "percent"),
    [
        ({"probability": 0}, 0),
        ({"probability": 0.07}, 7),
        ({"probability": 0.005}, 0.5),
        ({"probability": 1}, 100),
        ({"confidence": 0}, 0),
        ({"confidence": 1}, 1),
        ({"confidence": 100}, 100),
    ],
)
def test_confidence_is_stored_in_percent(workspace: Workspace, given: dict[str, Any], percent: float) -> None:
    assert reply(Talk.begin(workspace), **given)["message"]["confidence"] == percent


def test_high_probability_does_not_escalate_and_a_low_one_does(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    assert reply(talk, probability=0.91)["escalation"] is None
    assert reply(talk, probability=0.49)["escalation"] == {"confidence": 49}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"confidence": 0.91}, "confidence"),
        ({"confidence": 1e-9}, "confidence"),
        ({"probability": 1.01}, "probability"),
        ({"probability": -0.1}, "probability"),
        ({"probability": 91}, "probability"),
        ({"probability": 0.9, "confidence": 90}, "probability"),
        ({"probability": 0.9, "role": "USER"}, "probability"),
    ],
)
def test_other_value_is_refused_and_nothing_is_recorded(
    workspace: Workspace, given: dict[str, Any], field: str
) -> None:
    talk = Talk.begin(workspace)
    whole = {"conversationId": talk.id, "role": "ASSISTANT", "content": "Let me see.", **given}
    refused = talk.key.refusal(RECORD, i=whole)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", f"input.{field}")
    assert talk.key.messages(talk.id) == []
    assert talk.silent


def test_refusal_of_a_probability_says_what_to_send(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    given = {"conversationId": talk.id, "role": "ASSISTANT", "content": "Hm.", "confidence": 0.91}
    message = talk.key.refusal(RECORD, i=given).errors[0]["message"]
    assert "0.91 %" in message
    assert "percent" in message
    assert "probability" in message


def test_repeated_key_returns_the_first_reply_for_either_scale(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    first = reply(talk, probability=0.91, idempotencyKey="k")
    assert reply(talk, confidence=91, idempotencyKey="k") == first
    assert len(talk.key.messages(talk.id)) == 1
