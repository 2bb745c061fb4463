"""Bodies of webhooks, one kind for each public event; `schemas` describes them."""

from datetime import UTC, datetime
from typing import Any

import orjson

from notifications.content.snapshots import (
    ChangedField,
    EscalationSnapshot,
    NotificationContent,
    TranscriptMessage,
)
from rules.ai_control import AiState
from rules.events import TEST, EventType
from rules.message import SPOKEN_ROLES

EVENT_TYPES: tuple[str, ...] = tuple(EventType)


def compose(content: NotificationContent) -> bytes:
    """Compose the body of the event's webhook: JSON in UTF-8 that matches the schema of `content.type`."""
    event = {"type": content.type, "timestamp": _time(content.occurred_at), "data": _data(content)}
    return orjson.dumps(event)


def _data(content: NotificationContent) -> dict[str, Any]:
    if content.type == TEST:
        return _agent(content)
    if content.type == EventType.TURN_REQUESTED:
        return _turn(content)
    if content.type in (EventType.AI_PAUSED, EventType.AI_RESUMED):
        return _control(content)
    if content.escalation is None:
        raise ValueError(f"{content.type} needs an escalation")
    data = _escalation(content, content.escalation)
    if content.type == EventType.UPDATED:
        data["change"] = content.change
        data["changed"] = _changed(content.changed)
    if content.type == EventType.REPLIED:
        data["message"] = _message(content.message)
    return data


def _escalation(content: NotificationContent, escalation: EscalationSnapshot) -> dict[str, Any]:
    conversation, assignee = content.conversation, escalation.assignee_name
    return {
        # Up to the transcript: the fields and the order of the product's requirements.
        "escalationId": escalation.id,
        "conversationId": conversation.id,
        "reason": escalation.reason,
        "confidence": _percent(escalation.confidence),
        "priority": _word(escalation.priority),
        "customerEmail": conversation.customer_email,
        "transcript": _transcript(content),
        "status": _word(escalation.status),
        "trigger": _word(escalation.trigger),
        "detail": escalation.detail,
        "customerName": conversation.customer_name,
        "customerExternalId": conversation.customer_external_id,
        "assignee": None if assignee is None else {"name": assignee, "email": escalation.assignee_email},
        "createdAt": _time(escalation.created_at),
        "targetMinutes": escalation.target_minutes,
        "atRiskAt": _time(escalation.at_risk_at),
        "dueAt": _time(escalation.due_at),
        "slaStatus": _word(escalation.sla_status),
        "firstRespondedAt": _time(escalation.first_responded_at),
        "resolvedAt": _time(escalation.resolved_at),
        "resolutionNote": escalation.resolution_note,
        "aiState": _word(conversation.ai_state),
        "epoch": _epoch(content),
        **_agent(content),
        "link": escalation.link,
        "version": escalation.version,
        "conversationMetadata": conversation.metadata,
        "summary": escalation.summary,
        "metadata": escalation.metadata,
    }


def _changed(changed: ChangedField | None) -> dict[str, Any] | None:
    if changed is None:
        return None
    return {
        "field": changed.field,
        "before": changed.before,
        "after": changed.after,
        "version": changed.version,
    }


def _turn(content: NotificationContent) -> dict[str, Any]:
    return {
        "conversationId": content.conversation.id,
        "epoch": _epoch(content),
        "message": _message(content.message),
        "latest": content.latest,
        **_customer(content),
        "transcript": _transcript(content),
        **_agent(content),
        "conversationMetadata": content.conversation.metadata,
    }


def _control(content: NotificationContent) -> dict[str, Any]:
    # The state at the event: the current state may differ.
    state = AiState.PAUSED if content.type == EventType.AI_PAUSED else AiState.ACTIVE
    return {
        "conversationId": content.conversation.id,
        "epoch": _epoch(content),
        "state": _word(state),
        "escalationId": content.escalation.id if content.escalation else None,
        **_customer(content),
        **_agent(content),
    }


def _customer(content: NotificationContent) -> dict[str, Any]:
    conversation = content.conversation
    return {
        "customerEmail": conversation.customer_email,
        "customerName": conversation.customer_name,
        "customerExternalId": conversation.customer_external_id,
    }


def _agent(content: NotificationContent) -> dict[str, Any]:
    return {
        "agentId": content.agent_id,
        "agentName": content.agent_name,
        "workspaceName": content.workspace_name,
    }


def _transcript(content: NotificationContent) -> list[dict[str, Any]]:
    messages = content.conversation.transcript
    return [
        {
            "role": _word(message.role),
            "content": message.content,
            "id": message.id,
            "createdAt": _time(message.at),
            "intents": message.intents,
        }
        for message in messages
        if message.role in SPOKEN_ROLES
    ]


def _message(message: TranscriptMessage | None) -> dict[str, Any] | None:
    if message is None:
        return None
    return {
        "id": message.id,
        "role": _word(message.role),
        "content": message.content,
        "author": message.author,
        "createdAt": _time(message.at),
        "intents": message.intents,
    }


def _epoch(content: NotificationContent) -> int:
    return content.conversation.ai_epoch if content.epoch is None else content.epoch


def _word(word: str) -> str:
    return word.lower()


def _percent(confidence: float | None) -> float | None:
    return int(confidence) if confidence is not None and confidence == int(confidence) else confidence


def _time(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
