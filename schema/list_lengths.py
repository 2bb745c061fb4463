"""The largest length of each list of objects that has no pages; the cost of a document multiplies by it."""

from typing import Final

from resolvers.list_limits import AGENTS, API_KEYS, MEMBERS
from resolvers.pagination import LISTED, VIEWERS
from resolvers.webhook_endpoint import ENDPOINTS
from rules.analytics import MOST_BINS
from rules.escalation import EscalationTrigger, Priority
from rules.saved_reply import REPLIES

LENGTHS: Final[dict[str, int]] = {
    "Query.agents": AGENTS,
    "Query.members": MEMBERS,
    "Query.apiKeys": API_KEYS,
    "Query.sessions": 100,
    "Query.savedReplies": REPLIES,
    "Query.thresholdWhatIf": 101,
    "Query.confidenceCalibration": MOST_BINS,
    "Conversation.viewers": VIEWERS,
    "TriggerSettings.topics": 100,
    "SlaSettings.targetsByPriority": len(Priority),
    "BusinessHours.week": 100,
    "BusinessHours.holidays": 1_000,
    "NotificationSettings.webhooks": ENDPOINTS,
    "WidgetSettings.texts": 100,
    "Escalation.triggers": LISTED,
    "Escalation.notes": LISTED,
    "Sla.segments": LISTED,
    "Delivery.attempts": LISTED,
    "EscalationAnalytics.topReasons": 100,
    "EscalationAnalytics.byTrigger": len(EscalationTrigger),
    "EscalationAnalytics.byPriority": len(Priority),
    "EscalationAnalytics.byAssignee": LISTED,
    "EscalationAnalytics.series": 2_000,
    "Mutation.sendTestNotification": 50,
}
