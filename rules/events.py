"""What others are told of: the public names of events, and which entries of a workspace's log they are."""

from enum import StrEnum


class EventType(StrEnum):
    """An event by its public name, as webhooks carry it."""

    CREATED = "escalation.created"
    UPDATED = "escalation.updated"
    REPLIED = "escalation.replied"
    RESOLVED = "escalation.resolved"
    REOPENED = "escalation.reopened"
    SLA_AT_RISK = "escalation.sla_at_risk"
    SLA_BREACHED = "escalation.sla_breached"
    TURN_REQUESTED = "turn.requested"
    AI_PAUSED = "conversation.ai_paused"
    AI_RESUMED = "conversation.ai_resumed"


# What email and Slack tell of.
NOTIFIED_EVENTS = frozenset(
    {EventType.CREATED, EventType.REOPENED, EventType.SLA_AT_RISK, EventType.SLA_BREACHED}
)

# Deliveries that are no events: a sample, a digest of events, and word of deliveries that fail.
TEST, DIGEST, ALERT = "test", "digest", "alert"


def event_of(entry_type: str) -> tuple[EventType, str | None] | None:
    """
    The event that an entry of a workspace's log is, with the kind of change when it is an update.

    None for what nobody outside is told of.
    """
    try:
        return EventType(entry_type), None
    except ValueError:
        concept, _, kind = entry_type.partition(".")
        return (EventType.UPDATED, kind) if concept == "escalation" else None
