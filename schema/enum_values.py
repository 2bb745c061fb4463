"""Descriptions of the enum values in the printed schema.

The enums are declared in packages that know nothing of GraphQL.
"""

VALUES: dict[str, dict[str, str]] = {
    "ErrorCode": {
        "UNAUTHENTICATED": "There is no credential, or it is not valid.",
        "FORBIDDEN": "The caller may see the object, but may not do this.",
        "NOT_FOUND": "The object does not exist, or the caller may not see it.",
        "BAD_USER_INPUT": "An input is wrong. `extensions.field` names it.",
        "CONFLICT": "The present state does not allow it.",
        "IDEMPOTENCY_MISMATCH": "The idempotencyKey was used with another input.",
        "RESYNC_REQUIRED": "The cursor is unknown or too old. Query the state and subscribe with its cursor.",
        "RATE_LIMITED": "There were too many requests. Try again later.",
        "QUERY_TOO_COMPLEX": "The document, its cost or its reply is too large.",
        "PERSISTED_QUERY_NOT_SUPPORTED": "The request has a hash in place of a document. Send the document.",
        "UNAVAILABLE": "The service cannot answer now, for instance without its database. Try again later.",
        "SECOND_FACTOR_REQUIRED": "The password is right. Sign in with it and a code of the second factor.",
        "INTERNAL": "An unexpected error. `extensions.requestId` identifies it in the server's log.",
    },
    "ViewerKind": {
        "API_KEY": "An API key.",
        "TEAM_MEMBER": "The session of a team member.",
        "CUSTOMER": "A widget token.",
    },
    "RecorderKind": {
        "API_KEY": "An API key.",
        "TEAM_MEMBER": "A team member who is signed in.",
        "CUSTOMER": "A customer with a widget token.",
        "SYSTEM": "Baton itself, such as a timer.",
    },
    "Scope": {
        "CONVERSATIONS_WRITE": "Start conversations and record messages: what an AI agent's back end needs.",
        "CONVERSATIONS_READ": "Read conversations and messages.",
        "ESCALATIONS_READ": "Read escalations.",
        "ESCALATIONS_WRITE": "Raise, answer, change and resolve escalations.",
        "SETTINGS_READ": "Read settings.",
        "SETTINGS_WRITE": "Change settings.",
        "ANALYTICS_READ": "Read analytics.",
        "ADMIN": "Manage members, API keys and the secrets of webhooks.",
        "INCOMING_WEBHOOK": "Raise escalations with a key in the URL. Not combined with other scopes.",
    },
    "MemberRole": {
        "ADMIN": "Every scope.",
        "AGENT": "Every scope except SETTINGS_WRITE and ADMIN.",
        "VIEWER": "The scopes that read.",
    },
    "AiState": {"ACTIVE": "The AI may answer.", "PAUSED": "People have control."},
    "AiPauseCause": {
        "ESCALATION": "An escalation.",
        "TEAM_MEMBER": "The decision of a team member.",
        "KEPT_AFTER_RESOLUTION": "A resolution that kept the AI paused.",
    },
    "Priority": {
        "LOW": "Lowest urgency.",
        "MEDIUM": "Usual urgency.",
        "HIGH": "Raised urgency.",
        "URGENT": "Highest urgency.",
    },
    "AiResumePolicy": {
        "RESOLUTION": "Resolving the escalation hands back.",
        "HUMAN_REPLY": "The first reply by a person hands back.",
        "MANUAL": "Only a team member hands back.",
    },
    "Weekday": {
        name.upper(): f"{name}."
        for name in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    },
    "EmailFrequency": {
        "IMMEDIATE": "One email for each event.",
        "HOURLY_DIGEST": "One email per hour for all events.",
    },
    "ButtonVisibility": {
        "ALWAYS": "The button always shows.",
        "AFTER_THRESHOLD": "It shows after buttonAfterMessages customer messages or an uncertain reply.",
        "NEVER": "The button never shows.",
    },
    "MessageRole": {
        "USER": "The customer.",
        "ASSISTANT": "The AI agent.",
        "HUMAN": "A team member.",
        "SYSTEM": "Baton itself, such as the confirmation after an escalation.",
    },
    "MessageStatus": {
        "DELIVERED": "The customer sees it.",
        "HELD": "An AI reply that came while people had control. Only the team sees it, as a draft.",
        "DISCARDED": "A held reply that was not sent.",
    },
    "MessageKind": {
        "CONFIRMATION": "The confirmation after an escalation.",
        "TAKEN_OVER": "A team member takes over.",
        "HANDED_BACK": "The AI answers again.",
    },
    "EscalationStatus": {
        "OPEN": "Waiting for a team member.",
        "IN_PROGRESS": "A team member is working on it.",
        "RESOLVED": "Finished.",
    },
    "EscalationTrigger": {
        "BUTTON": "The customer pressed the button in the widget.",
        "PHRASE": "The customer asked for a person in words.",
        "FORM": "The customer submitted a form that escalates.",
        "LOW_CONFIDENCE": "The AI's confidence fell below the threshold and stayed there for the delay.",
        "TOOL_FAILURE": "A critical tool failed repeatedly.",
        "TOPIC": "A configured keyword or intent matched.",
        "API": "An API call.",
        "TEAM_MEMBER": "A team member took over.",
    },
    "SlaStatus": {
        "ON_TRACK": "There is enough time.",
        "AT_RISK": "The share atRiskPercent of the target has passed.",
        "BREACHED": "The first response is overdue.",
    },
    "SlaOutcome": {
        "RUNNING": "There is no first response yet, and it is not overdue.",
        "MET": "The first response was in time.",
        "MISSED": "The clock ran out without a first response.",
        "CANCELLED": "Resolved without a reply by a person. It counts neither way.",
    },
    "Disposition": {
        "NEEDED": "A person was needed.",
        "AI_COULD_HAVE_ANSWERED": "The AI could have answered.",
        "NO_LONGER_NEEDED": "The customer no longer needed an answer.",
        "DUPLICATE": "Another escalation covers it.",
        "SPAM": "There was no genuine request.",
    },
    "ConversationOrder": {
        "CREATED_DESC": "Newest first.",
        "CREATED_ASC": "Oldest first.",
        "LAST_MESSAGE_DESC": "Latest message first. A conversation without one stands at its start.",
    },
    "EscalationOrder": {
        "CREATED_DESC": "Newest first.",
        "CREATED_ASC": "Oldest first.",
        "DUE_ASC": "Earliest due time first.",
        "PRIORITY_DESC": "Most urgent first.",
    },
    "DeliveryChannel": {"EMAIL": "Email.", "SLACK": "Slack.", "WEBHOOK": "Webhook."},
    "DeliveryStatus": {
        "PENDING": "Waiting for its next attempt.",
        "DELIVERED": "The other side accepted it.",
        "FAILED": "Its schedule ended without success.",
        "DROPPED": "Obsolete when its turn came, so not sent.",
    },
}
