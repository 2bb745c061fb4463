"""Scalars and enums."""

from datetime import date, datetime
from typing import Any

import strawberry
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig

from resolvers.conversation_queries import ConversationOrder
from resolvers.errors import ErrorCode
from resolvers.escalation_queries import EscalationOrder
from rules.agent_settings import EmailFrequency
from rules.ai_control import AiPauseCause, AiResumePolicy, AiState
from rules.button import ButtonVisibility
from rules.delivery import DeliveryChannel, DeliveryStatus
from rules.encoding import format_datetime, parse_datetime
from rules.escalation import Disposition, EscalationStatus, EscalationTrigger, Priority
from rules.message import MessageKind, MessageRole, MessageStatus
from rules.roles import MemberRole, RecorderKind, Scope, ViewerKind
from rules.sign_in import SignInMethod
from rules.sla_clock import SlaOutcome, SlaStatus
from schema.pagination import ConnectionNames

for _enum in (
    AiPauseCause,
    AiResumePolicy,
    AiState,
    ButtonVisibility,
    ConversationOrder,
    DeliveryChannel,
    DeliveryStatus,
    Disposition,
    EmailFrequency,
    ErrorCode,
    EscalationOrder,
    EscalationStatus,
    EscalationTrigger,
    MemberRole,
    MessageKind,
    MessageRole,
    MessageStatus,
    Priority,
    RecorderKind,
    Scope,
    SignInMethod,
    SlaOutcome,
    SlaStatus,
    ViewerKind,
):
    strawberry.enum(_enum)


def read_time(value: Any) -> datetime:
    """Return an instant in UTC; raise ValueError for a time without a zone."""
    return parse_datetime(value if isinstance(value, str) else "")


def read_date(value: Any) -> date:
    """Return a date from text such as 2026-12-24; raise ValueError."""
    if not isinstance(value, str):
        raise ValueError("is not a date, such as 2026-12-24")
    return date.fromisoformat(value)


CONFIG = StrawberryConfig(
    name_converter=ConnectionNames(),
    scalar_map={
        datetime: strawberry.scalar(
            name="DateTime",
            description="Instant in ISO 8601, such as 2026-01-31T09:30:00Z. Inputs need a zone.",
            specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
            serialize=format_datetime,
            parse_value=read_time,
        ),
        date: strawberry.scalar(
            name="Date",
            description="Date in ISO 8601, such as 2026-12-24.",
            specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339#section-5.6",
            serialize=date.isoformat,
            parse_value=read_date,
        ),
        JSON: strawberry.scalar(
            name="JSON",
            description="Any JSON value. Inputs must be objects.",
            specified_by_url="https://datatracker.ietf.org/doc/html/rfc8259",
        ),
    },
)
