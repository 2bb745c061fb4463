"""The AI's control of a conversation: its states, and the rule that holds a reply."""

from enum import StrEnum

from rules.message import MessageStatus


class AiState(StrEnum):
    """Whether the AI may answer."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


class AiPauseCause(StrEnum):
    """Why the AI is paused."""

    ESCALATION = "ESCALATION"
    TEAM_MEMBER = "TEAM_MEMBER"
    KEPT_AFTER_RESOLUTION = "KEPT_AFTER_RESOLUTION"


class AiResumePolicy(StrEnum):
    """What hands a conversation back to the AI."""

    RESOLUTION = "RESOLUTION"
    HUMAN_REPLY = "HUMAN_REPLY"
    MANUAL = "MANUAL"


def reply_status(state: AiState, epoch: int, answered_epoch: int | None) -> MessageStatus:
    """Whether an AI reply reaches the customer: only from an active AI that answers the current epoch."""
    stale = answered_epoch is not None and answered_epoch != epoch
    return MessageStatus.HELD if state is AiState.PAUSED or stale else MessageStatus.DELIVERED
