"""The AI's control of a conversation: its states, and the rule that holds a reply."""

from enum import StrEnum

from rules.message import MessageStatus


class AiState(StrEnum):
    """The state of the AI: it may answer, or it is paused."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"


class AiPauseCause(StrEnum):
    """The cause of a pause."""

    ESCALATION = "ESCALATION"
    TEAM_MEMBER = "TEAM_MEMBER"
    KEPT_AFTER_RESOLUTION = "KEPT_AFTER_RESOLUTION"


class AiResumePolicy(StrEnum):
    """The event that hands a conversation back to the AI."""

    RESOLUTION = "RESOLUTION"
    HUMAN_REPLY = "HUMAN_REPLY"
    MANUAL = "MANUAL"


def reply_status(state: AiState, epoch: int, answered_epoch: int | None) -> MessageStatus:
    """Return DELIVERED for a reply of an active AI to the current epoch, else HELD.

    `answered_epoch` is the epoch that the reply answers, if its sender named one.
    """
    stale = answered_epoch is not None and answered_epoch != epoch
    return MessageStatus.HELD if state is AiState.PAUSED or stale else MessageStatus.DELIVERED
