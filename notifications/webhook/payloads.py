"""The public events: what a webhook's body says of each. `webhook_schemas` has its JSON Schema."""

from datetime import UTC, datetime
from typing import Any

import orjson

from notifications.content.snapshots import Said, Story, TheEscalation
from rules.ai_control import AiState
from rules.events import TEST, EventType
from rules.message import MessageRole

EVENT_TYPES: tuple[str, ...] = tuple(EventType)

# Whoever else speaks is none of the outside's business.
SPOKEN = (MessageRole.USER, MessageRole.ASSISTANT, MessageRole.HUMAN)


def body_of(story: Story) -> bytes:
    """The body of the event's webhook: JSON in UTF-8, as the schema of `story.type` says."""
    told = {"type": story.type, "timestamp": _time(story.occurred_at), "data": _data(story)}
    return orjson.dumps(told)


def _data(story: Story) -> dict[str, Any]:
    if story.type == TEST:
        return _agent(story)
    if story.type == EventType.TURN_REQUESTED:
        return _turn(story)
    if story.type in (EventType.AI_PAUSED, EventType.AI_RESUMED):
        return _control(story)
    if story.escalation is None:
        raise ValueError(f"{story.type} is told of an escalation")
    data = _escalation(story, story.escalation)
    if story.type == EventType.UPDATED:
        data["change"] = story.change
    if story.type == EventType.REPLIED:
        data["message"] = _message(story.message)
    return data


def _escalation(story: Story, escalation: TheEscalation) -> dict[str, Any]:
    conversation, assignee = story.conversation, escalation.assignee_name
    return {
        # Those up to the transcript are the document's that the product was asked for with, in its order.
        "escalationId": escalation.id,
        "conversationId": conversation.id,
        "reason": escalation.reason,
        "confidence": _percent(escalation.confidence),
        "priority": _word(escalation.priority),
        "customerEmail": conversation.customer_email,
        "transcript": _transcript(story),
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
        "epoch": _epoch(story),
        **_agent(story),
        "link": escalation.link,
    }


def _turn(story: Story) -> dict[str, Any]:
    return {
        "conversationId": story.conversation.id,
        "epoch": _epoch(story),
        "message": _message(story.message),
        **_customer(story),
        "transcript": _transcript(story),
        **_agent(story),
    }


def _control(story: Story) -> dict[str, Any]:
    # The state that the event is of: by now it may be another.
    state = AiState.PAUSED if story.type == EventType.AI_PAUSED else AiState.ACTIVE
    return {
        "conversationId": story.conversation.id,
        "epoch": _epoch(story),
        "state": _word(state),
        "escalationId": story.escalation.id if story.escalation else None,
        **_customer(story),
        **_agent(story),
    }


def _customer(story: Story) -> dict[str, Any]:
    conversation = story.conversation
    return {
        "customerEmail": conversation.customer_email,
        "customerName": conversation.customer_name,
        "customerExternalId": conversation.customer_external_id,
    }


def _agent(story: Story) -> dict[str, Any]:
    return {"agentId": story.agent_id, "agentName": story.agent_name, "workspaceName": story.workspace_name}


def _transcript(story: Story) -> list[dict[str, Any]]:
    said = story.conversation.transcript
    return [{"role": _word(one.role), "content": one.content} for one in said if one.role in SPOKEN]


def _message(said: Said | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {
        "id": said.id,
        "role": _word(said.role),
        "content": said.content,
        "author": said.author,
        "createdAt": _time(said.at),
    }


def _epoch(story: Story) -> int:
    return story.conversation.ai_epoch if story.epoch is None else story.epoch


def _word(word: str) -> str:
    return word.lower()


def _percent(confidence: float | None) -> float | None:
    return int(confidence) if confidence is not None and confidence == int(confidence) else confidence


def _time(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
