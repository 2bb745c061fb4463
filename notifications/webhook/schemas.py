"""JSON Schemas (2020-12) of webhook bodies, one for each event and one for a sample."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from notifications.content.changes import CHANGED_FIELDS
from rules.ai_control import AiState
from rules.escalation import EscalationStatus, EscalationTrigger, Priority
from rules.events import TEST, EventType
from rules.message import SPOKEN_ROLES, MessageRole
from rules.sla_clock import SlaStatus
from rules.typeid import AGENT, CONVERSATION, ESCALATION, MESSAGE

Schema = dict[str, Any]


def _described(description: str, schema: Schema) -> Schema:
    return {"description": description, **schema}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _id(prefix: str) -> Schema:
    return {"type": "string", "pattern": f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"}


def _words(members: Iterable[StrEnum]) -> Schema:
    return {"type": "string", "enum": [member.lower() for member in members]}


def _object(properties: Schema) -> Schema:
    """Return the schema of an object whose properties are all required; later versions may add some."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": True,
    }


_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time", "pattern": "Z$"}
_EPOCH: Schema = {"type": "integer", "minimum": 1}
_EMAIL: Schema = {"type": "string", "pattern": "^[^@]+@[^@]+$"}

_AGENT = {
    "agentId": _described("The AI agent's.", _id(AGENT)),
    "agentName": _TEXT,
    "workspaceName": _TEXT,
}

_CUSTOMER = {
    "customerEmail": _or_null(_EMAIL),
    "customerName": _or_null(_TEXT),
    "customerExternalId": _described("Your own id for the customer.", _or_null(_TEXT)),
}

_INTENTS = _described("The intents that its caller recorded.", {"type": "array", "items": _TEXT})

_METADATA = _described("Your own data of the conversation.", {"type": ["object", "null"]})

_TRANSCRIPT = _described(
    "The messages of customer (user), AI (assistant) and team members (human), oldest first: the newest 200 "
    "that the customer sees. Never notes or held replies.",
    {
        "type": "array",
        "items": _object(
            {
                "role": _words(SPOKEN_ROLES),
                "content": _TEXT,
                "id": _id(MESSAGE),
                "createdAt": _TIME,
                "intents": _INTENTS,
            }
        ),
    },
)


def _message(roles: Iterable[MessageRole], author: Schema) -> Schema:
    return _object(
        {
            "id": _id(MESSAGE),
            "role": _words(roles),
            "content": _TEXT,
            "author": author,
            "createdAt": _TIME,
            "intents": _INTENTS,
        }
    )


_ESCALATION = {
    "escalationId": _id(ESCALATION),
    "conversationId": _id(CONVERSATION),
    "reason": _described("The caller's own words, or the trigger: “low_confidence”.", _TEXT),
    "confidence": _described(
        "The AI's, in percent, when it is known.", {"type": ["number", "null"], "minimum": 0, "maximum": 100}
    ),
    "priority": _words(Priority),
    "customerEmail": _CUSTOMER["customerEmail"],
    "transcript": _TRANSCRIPT,
    "status": _words(EscalationStatus),
    "trigger": _described("What raised it first.", _words(EscalationTrigger)),
    "detail": _described("The phrase, tool, topic or form that matched.", _or_null(_TEXT)),
    "customerName": _CUSTOMER["customerName"],
    "customerExternalId": _CUSTOMER["customerExternalId"],
    "assignee": _or_null(_object({"name": _TEXT, "email": _or_null(_EMAIL)})),
    "createdAt": _TIME,
    "targetMinutes": _described("Business minutes to the first reply.", {"type": "integer", "minimum": 1}),
    "atRiskAt": _TIME,
    "dueAt": _TIME,
    "slaStatus": _words(SlaStatus),
    "firstRespondedAt": _or_null(_TIME),
    "resolvedAt": _or_null(_TIME),
    "resolutionNote": _or_null(_TEXT),
    "aiState": _words(AiState),
    "epoch": _described("Grows by one when control passes between the AI and people.", _EPOCH),
    **_AGENT,
    "link": _described("The page where team members read it.", {"type": "string", "format": "uri"}),
    "version": _described(
        "The version of the escalation that this body shows. Ignore a body with a lower one than before.",
        {"type": "integer", "minimum": 1},
    ),
    "conversationMetadata": _METADATA,
    "summary": _described("The caller's words for the person who answers.", _or_null(_TEXT)),
    "metadata": _described("The data that the caller escalated with.", {"type": ["object", "null"]}),
}


def _control(state: AiState) -> Schema:
    return {
        "conversationId": _id(CONVERSATION),
        "epoch": _described("The epoch that begins.", _EPOCH),
        "state": {"type": "string", "const": state.lower()},
        "escalationId": _described("The escalation that caused it, if any.", _or_null(_id(ESCALATION))),
        **_CUSTOMER,
        **_AGENT,
    }


_CHANGE = _described(
    "The kind of change.", {"type": "string", "enum": [str(kind) for kind in CHANGED_FIELDS]}
)
_CHANGED = _described(
    "The changed field with its values before and after: for an assignee email addresses. The body shows the "
    "state when it is first sent, which may be newer. Null for events from before this was recorded.",
    {
        **_object(
            {
                "field": {
                    "type": "string",
                    "enum": list(dict.fromkeys(source.field for source in CHANGED_FIELDS.values())),
                },
                "before": _or_null(_TEXT),
                "after": _or_null(_TEXT),
                "version": _described(
                    "The version of the escalation after the change; null for events from before this was "
                    "recorded. Changes made together have the same version.",
                    {"type": ["integer", "null"], "minimum": 1},
                ),
            }
        ),
        "type": ["object", "null"],
    },
)
_REPLY = _described("The message of the team member.", _message([MessageRole.HUMAN], _or_null(_TEXT)))
_TURN = {
    "conversationId": _id(CONVERSATION),
    "epoch": _described("Answer with it: a reply of an old epoch is held.", _EPOCH),
    "message": _described("What the AI should answer.", _message([MessageRole.USER], {"type": "null"})),
    "latest": _described(
        "False if the customer has written again when this is first sent: another turn follows.",
        {"type": "boolean"},
    ),
    **_CUSTOMER,
    "transcript": _TRANSCRIPT,
    **_AGENT,
    "conversationMetadata": _METADATA,
}

_EVENTS: dict[str, tuple[str, Schema]] = {
    EventType.CREATED: ("An escalation was raised.", _ESCALATION),
    EventType.UPDATED: (
        "An escalation was changed in a way that is no other event.",
        {**_ESCALATION, "change": _CHANGE, "changed": _CHANGED},
    ),
    EventType.REPLIED: ("A team member answered the customer.", {**_ESCALATION, "message": _REPLY}),
    EventType.RESOLVED: ("An escalation was resolved.", _ESCALATION),
    EventType.REOPENED: ("A resolved escalation was reopened.", _ESCALATION),
    EventType.SLA_AT_RISK: ("The first reply is due soon.", _ESCALATION),
    EventType.SLA_BREACHED: ("The first reply is overdue.", _ESCALATION),
    EventType.TURN_REQUESTED: (
        "A customer wrote in the widget, and the AI may answer. Messages that a back end recorded itself "
        "cause no event.",
        _TURN,
    ),
    EventType.AI_PAUSED: ("People took control: the AI must not answer.", _control(AiState.PAUSED)),
    EventType.AI_RESUMED: ("Control returned: the AI may answer again.", _control(AiState.ACTIVE)),
    TEST: ("A sample, requested in the settings. It is sent to every endpoint of the AI agent.", _AGENT),
}

SCHEMAS: dict[str, Schema] = {
    str(event): {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": str(event),
        "description": description,
        **_object({"type": {"const": str(event)}, "timestamp": _TIME, "data": _object(data)}),
    }
    for event, (description, data) in _EVENTS.items()
}
