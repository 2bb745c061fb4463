"""Every table, for the migrations."""

from models import (
    agent,
    api_key,
    conversation,
    escalation,
    idempotency_key,
    log,
    member,
    message,
    pending_escalation,
    workspace,
)
from models.base import Base

__all__ = [
    "Base",
    "agent",
    "api_key",
    "conversation",
    "escalation",
    "idempotency_key",
    "log",
    "member",
    "message",
    "pending_escalation",
    "workspace",
]
