import pytest

from rules.ai_control import AiState, reply_status
from rules.escalation import EscalationStatus, Priority, status_after_reopening
from rules.message import MessageStatus


@pytest.mark.parametrize(
    ("state", "epoch", "answered", "status"),
    [
        (AiState.ACTIVE, 1, None, MessageStatus.DELIVERED),
        (AiState.ACTIVE, 3, 3, MessageStatus.DELIVERED),
        (AiState.ACTIVE, 3, 1, MessageStatus.HELD),
        (AiState.ACTIVE, 3, 2, MessageStatus.HELD),
        (AiState.ACTIVE, 3, 4, MessageStatus.HELD),
        (AiState.PAUSED, 2, None, MessageStatus.HELD),
        (AiState.PAUSED, 2, 2, MessageStatus.HELD),
        (AiState.PAUSED, 2, 1, MessageStatus.HELD),
    ],
)
def test_only_an_active_ai_that_answers_the_present_epoch_is_heard(
    state: AiState, epoch: int, answered: int | None, status: MessageStatus
) -> None:
    assert reply_status(state, epoch, answered) is status


def test_priorities_rise() -> None:
    assert sorted(Priority, key=lambda priority: priority.rank) == ["LOW", "MEDIUM", "HIGH", "URGENT"]


def test_answered_escalation_reopens_in_progress() -> None:
    assert status_after_reopening(answered=True) is EscalationStatus.IN_PROGRESS
    assert status_after_reopening(answered=False) is EscalationStatus.OPEN
