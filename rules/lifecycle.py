"""The states of an escalation and of the AI's control, and the order of what raises one."""

from enum import StrEnum


class EscalationStatus(StrEnum):
    """Where an escalation stands. Active is everything but RESOLVED."""

    OPEN = "OPEN"
    IN_PROGRESS = "IN_PROGRESS"
    RESOLVED = "RESOLVED"


class Priority(StrEnum):
    """How urgent an escalation is; the members stand in rising order."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    URGENT = "URGENT"

    @property
    def rank(self) -> int:
        """0 for LOW to 3 for URGENT."""
        return _RANKS[self]


_RANKS = {priority: rank for rank, priority in enumerate(Priority)}


class EscalationTrigger(StrEnum):
    """What raises an escalation, in the order in which the first of several is chosen."""

    BUTTON = "BUTTON"
    PHRASE = "PHRASE"
    FORM = "FORM"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    TOOL_FAILURE = "TOOL_FAILURE"
    TOPIC = "TOPIC"
    API = "API"
    TEAM_MEMBER = "TEAM_MEMBER"


class Disposition(StrEnum):
    """Whether the escalation was needed, as the team says when it resolves it."""

    NEEDED = "NEEDED"
    AI_COULD_HAVE_ANSWERED = "AI_COULD_HAVE_ANSWERED"
    NO_LONGER_NEEDED = "NO_LONGER_NEEDED"
    DUPLICATE = "DUPLICATE"
    SPAM = "SPAM"


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


class ButtonVisibility(StrEnum):
    """When the “talk to a human” button shows; escalation by words is possible in every case."""

    ALWAYS = "ALWAYS"
    AFTER_THRESHOLD = "AFTER_THRESHOLD"
    NEVER = "NEVER"


class PendingOutcome(StrEnum):
    """What became of an uncertain reply whose escalation was delayed."""

    WAITING = "WAITING"
    AVERTED = "AVERTED"
    FIRED = "FIRED"
    TAKEN_OVER = "TAKEN_OVER"


class DeliveryChannel(StrEnum):
    """By what somebody outside is told."""

    EMAIL = "EMAIL"
    SLACK = "SLACK"
    WEBHOOK = "WEBHOOK"


class DeliveryStatus(StrEnum):
    """FAILED: its schedule ended without success. DROPPED: no longer true when its turn came."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    DROPPED = "DROPPED"


class MessageRole(StrEnum):
    """Who speaks: the customer, the AI agent, a team member, or Baton itself."""

    USER = "USER"
    ASSISTANT = "ASSISTANT"
    HUMAN = "HUMAN"
    SYSTEM = "SYSTEM"


class MessageStatus(StrEnum):
    """DELIVERED is seen by the customer, HELD is a draft for the team, DISCARDED was passed over."""

    DELIVERED = "DELIVERED"
    HELD = "HELD"
    DISCARDED = "DISCARDED"


def reply_status(state: AiState, epoch: int, answered_epoch: int | None) -> MessageStatus:
    """Whether an AI reply reaches the customer: only from an active AI that answers the current epoch."""
    stale = answered_epoch is not None and answered_epoch != epoch
    return MessageStatus.HELD if state is AiState.PAUSED or stale else MessageStatus.DELIVERED


def status_after_reopening(answered: bool) -> EscalationStatus:
    """A reopened escalation is in progress when a person had answered it, else open."""
    return EscalationStatus.IN_PROGRESS if answered else EscalationStatus.OPEN
