"""The states, priorities, triggers and dispositions of an escalation."""

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


def status_after_reopening(answered: bool) -> EscalationStatus:
    """A reopened escalation is in progress when a person had answered it, else open."""
    return EscalationStatus.IN_PROGRESS if answered else EscalationStatus.OPEN
