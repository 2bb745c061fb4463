"""The states, priorities, triggers, dispositions and timeline entries of an escalation."""

from enum import StrEnum


class EscalationStatus(StrEnum):
    """The status of an escalation. OPEN and IN_PROGRESS are active."""

    OPEN = "OPEN"
    IN_PROGRESS = "IN_PROGRESS"
    RESOLVED = "RESOLVED"


class Priority(StrEnum):
    """The urgency of an escalation; the members are in rising order."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    URGENT = "URGENT"

    @property
    def rank(self) -> int:
        """The rank: 0 for LOW to 3 for URGENT."""
        return _RANKS[self]


_RANKS = {priority: rank for rank, priority in enumerate(Priority)}


class EscalationTrigger(StrEnum):
    """The causes of an escalation, in order of precedence."""

    BUTTON = "BUTTON"
    PHRASE = "PHRASE"
    FORM = "FORM"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    TOOL_FAILURE = "TOOL_FAILURE"
    TOPIC = "TOPIC"
    API = "API"
    TEAM_MEMBER = "TEAM_MEMBER"


class Disposition(StrEnum):
    """The team's judgement of whether the escalation was needed."""

    NEEDED = "NEEDED"
    AI_COULD_HAVE_ANSWERED = "AI_COULD_HAVE_ANSWERED"
    NO_LONGER_NEEDED = "NO_LONGER_NEEDED"
    DUPLICATE = "DUPLICATE"
    SPAM = "SPAM"


class TimelineKind(StrEnum):
    """The kinds of entries in a timeline.

    All but AI_PAUSED and AI_RESUMED are also in the log of the workspace, as escalation.….
    """

    CREATED = "created"
    TRIGGERED = "triggered"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    PRIORITY_CHANGED = "priority_changed"
    STATUS_CHANGED = "status_changed"
    DISPOSITION_CHANGED = "disposition_changed"
    REPLIED = "replied"
    NOTED = "noted"
    SLA_AT_RISK = "sla_at_risk"
    SLA_BREACHED = "sla_breached"
    SLA_ON_TRACK = "sla_on_track"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    AI_PAUSED = "ai_paused"
    AI_RESUMED = "ai_resumed"


def status_after_reopening(answered: bool) -> EscalationStatus:
    """Return the status of a reopened escalation: IN_PROGRESS if a person had answered, else OPEN."""
    return EscalationStatus.IN_PROGRESS if answered else EscalationStatus.OPEN
