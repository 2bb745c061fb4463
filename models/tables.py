"""Every table, for the migrations."""

from models import (
    agent,
    api_key,
    conversation,
    delivery,
    digest,
    escalation,
    idempotency_key,
    identity_secret,
    log,
    member,
    message,
    pending_escalation,
    planned_log,
    rollup,
    slack_connection,
    webhook_endpoint,
    workspace,
)
from models.base import Base

__all__ = [
    "Base",
    "agent",
    "api_key",
    "conversation",
    "delivery",
    "digest",
    "escalation",
    "idempotency_key",
    "identity_secret",
    "log",
    "member",
    "message",
    "pending_escalation",
    "planned_log",
    "rollup",
    "slack_connection",
    "webhook_endpoint",
    "workspace",
]
