"""Events for notifications: their public names, and the log entries that they come from."""

from enum import StrEnum


class EventType(StrEnum):
    """The public name of an event in webhooks."""

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


# The events that email and Slack notify of.
NOTIFIED_EVENTS = frozenset(
    {EventType.CREATED, EventType.REOPENED, EventType.SLA_AT_RISK, EventType.SLA_BREACHED}
)

# Deliveries that are not events: a sample, a request to confirm an address, and alerts about failing
# deliveries and about failed attempts to sign in.
TEST, CONFIRMATION, ALERT, SIGN_IN_ALERT = "test", "confirmation", "alert", "sign_in_alert"
# Digests of events: by the hour, of a storm, and of what exceeded a limit.
DIGEST, STORM_DIGEST, LIMIT_DIGEST = "digest", "storm_digest", "limit_digest"
DIGESTS = frozenset({DIGEST, STORM_DIGEST, LIMIT_DIGEST})
ALERTS = frozenset({ALERT, SIGN_IN_ALERT})


def event_of(entry_type: str) -> tuple[EventType, str | None] | None:
    """Return the event of a workspace log entry, with the kind of change of an update.

    Return None for an entry that causes no notification.
    """
    try:
        return EventType(entry_type), None
    except ValueError:
        concept, _, kind = entry_type.partition(".")
        return (EventType.UPDATED, kind) if concept == "escalation" else None
