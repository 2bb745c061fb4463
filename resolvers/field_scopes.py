"""The scopes that the fields of objects require. `docs/permissions.md` is printed from these tables.

`PERMISSIONS` decides which root fields a caller may use, these tables which fields of the objects it reads,
however they are reached. They are for API keys and team members. The types hide fields from customers.
"""

from collections.abc import Mapping
from functools import lru_cache

from resolvers.actor import Actor
from resolvers.errors import ForbiddenError, camel
from rules.roles import Scope

# One of these scopes is enough; None requires none.
Scopes = frozenset[Scope] | None
# The entry for the fields of a type that have none of their own.
OTHERS = "others"


def _any_of(*scopes: Scope) -> frozenset[Scope]:
    return frozenset(scopes)


_ADMIN = _any_of(Scope.ADMIN)
_READS_CONVERSATIONS = _any_of(Scope.CONVERSATIONS_READ)
_WRITES_CONVERSATIONS = _any_of(Scope.CONVERSATIONS_WRITE)
_READS_ESCALATIONS = _any_of(Scope.ESCALATIONS_READ)
_WRITES_ESCALATIONS = _any_of(Scope.ESCALATIONS_WRITE)
_READS_SETTINGS = _any_of(Scope.SETTINGS_READ)
_WRITES_SETTINGS = _any_of(Scope.SETTINGS_WRITE)
_READS_ANALYTICS = _any_of(Scope.ANALYTICS_READ)
_CONVERSATIONS = _READS_CONVERSATIONS | _WRITES_CONVERSATIONS
_ESCALATIONS = _READS_ESCALATIONS | _WRITES_ESCALATIONS
_OPEN: Mapping[str, Scopes] = {OTHERS: None}


def _fields(names: str, scopes: Scopes) -> dict[str, Scopes]:
    return dict.fromkeys(names.split(), scopes)


def _types(names: str, scopes: Scopes) -> dict[str, Mapping[str, Scopes]]:
    return {name: {OTHERS: scopes} for name in names.split()}


FIELD_SCOPES: dict[str, Mapping[str, Scopes]] = {
    "Conversation": {
        "id": None,
        "ai": _CONVERSATIONS | _WRITES_ESCALATIONS,
        "activeEscalation": _CONVERSATIONS | _ESCALATIONS,
        "escalations": _READS_ESCALATIONS,
        **_fields("agent button language readPositions createdAt lastMessageAt cursor", _CONVERSATIONS),
        OTHERS: _READS_CONVERSATIONS,
    },
    "Message": {"id": None, OTHERS: _READS_CONVERSATIONS},
    "Escalation": {
        "id": None,
        **_fields("status createdAt assignee", _CONVERSATIONS | _ESCALATIONS),
        **_fields("conversation agent priority version resolvedAt resolution", _ESCALATIONS),
        OTHERS: _READS_ESCALATIONS,
    },
    "Resolution": {**_fields("disposition keptAiPaused", _ESCALATIONS), OTHERS: _READS_ESCALATIONS},
    **_types("TriggerEvent EscalationNote TimelineEntry Sla SlaSegment", _READS_ESCALATIONS),
    **_types("EscalationCounts DeliveryAttempt", _READS_ESCALATIONS),
    "SavedReply": {"id": None, OTHERS: _READS_ESCALATIONS},
    "Delivery": {"id": None, OTHERS: _READS_ESCALATIONS},
    "TeamMember": {
        "id": None,
        # Customers see the names of authors and assignees, too.
        "name": _READS_CONVERSATIONS | _ESCALATIONS | _READS_ANALYTICS | _ADMIN,
        OTHERS: _READS_ESCALATIONS | _ADMIN,
    },
    "ApiKey": {"id": None, OTHERS: _ADMIN},
    **_types("AuditEntry AuditActor", _ADMIN),
    "Agent": {"settings": _READS_SETTINGS, OTHERS: None},
    "WebhookEndpoint": {"id": None, OTHERS: _READS_SETTINGS},
    "EscalationSettings": {
        **_fields("agentId version updatedAt", _READS_SETTINGS | _WRITES_SETTINGS),
        OTHERS: _READS_SETTINGS,
    },
    **_types(
        "AutoEscalation TriggerSettings TopicRule AiSettings SlaSettings PriorityTarget RetentionSettings",
        _READS_SETTINGS,
    ),
    **_types("BusinessHours OpeningInterval Holiday NotificationSettings", _READS_SETTINGS),
    **_types("EmailNotifications SlackNotifications WidgetSettings WidgetTexts", _READS_SETTINGS),
    **_types("EscalationAnalytics DurationStats SlaCounts OutcomeCounts ReasonCount", _READS_ANALYTICS),
    **_types("TriggerCount PriorityCount AssigneeCount AnalyticsPoint", _READS_ANALYTICS),
    **_types("ThresholdOutcome CalibrationBin", _READS_ANALYTICS),
    # Parts of an object: the field that leads to them is in the table.
    **_types("Customer Recorder AiControl WidgetButton ReadPositions PendingEscalation PageInfo", None),
    # Any key may read them at the root.
    **_types("Node Viewer Workspace Widget MemberSession", None),
    # The root field has been checked, and the objects in them have entries of their own.
    **_types("EscalationEvent SlaEvent MessageEvent ConversationEvent ConversationsEvent TurnEvent", None),
}
# These hold what a root field or another field returns, and are checked there.
_CONTAINERS = ("Payload", "Connection", "Edge")

# More scopes, for objects directly within another: what the caller wrote itself, or must know to do its work.
FIELD_SCOPES_WITHIN: dict[tuple[str, str], Mapping[str, Scopes]] = {
    ("Viewer", "ApiKey"): _OPEN,
    ("Viewer", "TeamMember"): _OPEN,
    ("StartConversationPayload", "Conversation"): _fields("customer metadata", _WRITES_CONVERSATIONS),
    ("TurnEvent", "Conversation"): _fields("customer metadata", _WRITES_CONVERSATIONS),
    **dict.fromkeys(
        (("RecordMessagePayload", "Message"), ("TurnEvent", "Message")),
        _fields(
            "conversationId position role status content kind confidence intents metadata createdAt",
            _WRITES_CONVERSATIONS,
        ),
    ),
    ("ReplyPayload", "Message"): _fields(
        "conversationId position role status content kind createdAt author", _WRITES_ESCALATIONS
    ),
    # A draft of the AI that was discarded: not the caller's words.
    ("Mutation", "Message"): _fields("conversationId position role status createdAt", _WRITES_ESCALATIONS),
    ("Mutation", "SavedReply"): {OTHERS: _WRITES_ESCALATIONS},
    ("Mutation", "Delivery"): _fields(
        "channel eventType status nextAttemptAt createdAt", _WRITES_ESCALATIONS | _WRITES_SETTINGS
    ),
    ("WebhookEndpointPayload", "WebhookEndpoint"): {
        **_fields("enabled createdAt", _WRITES_SETTINGS | _ADMIN),
        OTHERS: _ADMIN,
    },
}

# Filters that would show, by what they find, fields which the scopes of the list do not.
FILTER_SCOPES: dict[str, Mapping[str, frozenset[Scope]]] = {
    "ConversationFilter": dict.fromkeys(
        ("customer_email", "customer_external_id", "search"), _READS_CONVERSATIONS
    ),
    "EscalationFilter": {"search": _READS_CONVERSATIONS},
}

# Their payloads show what another caller may see: the customer or the member that they make the caller.
FOR_ANOTHER_CALLER = frozenset({"openConversation", "signIn", "acceptInvitation"})


class FieldAccess:
    """The fields that callers with these scopes may read."""

    def __init__(self, scopes: frozenset[Scope]) -> None:
        self.scopes = scopes
        self.hides_nothing = all(
            required is None or required & scopes
            for fields in FIELD_SCOPES.values()
            for required in fields.values()
        )

    def hides(self, holder: str, type_name: str, field: str) -> bool:
        """Return whether the field is hidden, in an object of that type directly within a `holder`."""
        required = required_scopes(type_name, field)
        if required is None or required & self.scopes:
            return False
        within = FIELD_SCOPES_WITHIN.get((holder, type_name), {})
        more = within.get(field, within.get(OTHERS, frozenset()))
        return more is not None and not more & self.scopes


def required_scopes(type_name: str, field: str) -> Scopes:
    """Return the scopes of which the field requires one, None if any credential will do.

    A type that is not in the table is hidden from all.
    """
    fields = FIELD_SCOPES.get(type_name)
    if fields is None:
        return None if type_name.endswith(_CONTAINERS) else frozenset()
    return fields.get(field, fields[OTHERS])


@lru_cache(maxsize=512)  # more than there are sets of scopes that can be given
def access_of(scopes: frozenset[Scope]) -> FieldAccess:
    """Return the access of callers with these scopes."""
    return FieldAccess(scopes)


def hidden_field_error(type_name: str, field: str) -> ForbiddenError:
    """Return the error of a field that is hidden."""
    scopes = " or ".join(sorted(required_scopes(type_name, field) or ()))
    return ForbiddenError(f"{type_name}.{field} requires a credential with the scope {scopes}.")


def check_filter_scopes(actor: Actor, filter_name: str, wanted: object) -> None:
    """Raise ForbiddenError if the actor lacks the scope of a field that the filter `wanted` uses."""
    for field, required in FILTER_SCOPES[filter_name].items():
        if getattr(wanted, field) is not None and not required & actor.scopes:
            scopes = " or ".join(sorted(required))
            raise ForbiddenError(f"filter.{camel(field)} requires a credential with the scope {scopes}.")
