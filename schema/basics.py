"""What all types are made with: scalars, enums, nodes and pages."""

from datetime import date, datetime
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig

from resolvers.errors import ErrorCode
from resolvers.escalation_queries import EscalationOrder
from resolvers.pagination import Page, PageRequest
from resolvers.validation import check_object
from rules.agent_settings import EmailFrequency
from rules.ai_control import AiPauseCause, AiResumePolicy, AiState
from rules.button import ButtonVisibility
from rules.delivery import DeliveryChannel, DeliveryStatus
from rules.encoding import format_datetime, parse_datetime
from rules.escalation import Disposition, EscalationStatus, EscalationTrigger, Priority
from rules.message import MessageKind, MessageRole, MessageStatus
from rules.roles import MemberRole, Scope, ViewerKind
from rules.sla_clock import SlaOutcome, SlaStatus

for _enum in (
    AiPauseCause,
    AiResumePolicy,
    AiState,
    ButtonVisibility,
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
    Scope,
    SlaOutcome,
    SlaStatus,
    ViewerKind,
):
    strawberry.enum(_enum)


def read_time(value: Any) -> datetime:
    """An instant; a time without a zone is refused, as nobody could say which instant it is."""
    return parse_datetime(value if isinstance(value, str) else "")


def read_date(value: Any) -> date:
    """A date, such as 2026-12-24."""
    if not isinstance(value, str):
        raise ValueError("is not a date, such as 2026-12-24")
    return date.fromisoformat(value)


CONFIG = StrawberryConfig(
    scalar_map={
        datetime: strawberry.scalar(name="DateTime", serialize=format_datetime, parse_value=read_time),
        date: strawberry.scalar(name="Date", serialize=date.isoformat, parse_value=read_date),
    }
)


def as_object(value: object, name: str) -> dict[str, Any] | None:
    """A JSON input that must be an object; raises BadInputError."""
    return check_object(name, value)


@strawberry.interface
class Node:
    """Whatever has an id."""

    id: strawberry.ID


@strawberry.type
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None

    @classmethod
    def of(cls, page: Page[Any]) -> "PageInfo":
        """Of a page that was read."""
        return cls(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=page.cursors[0] if page.cursors else None,
            end_cursor=page.cursors[-1] if page.cursors else None,
        )


def page_request(
    first: int | None, after: str | None, last: int | None = None, before: str | None = None
) -> PageRequest:
    """The page that a field's arguments ask for."""
    return PageRequest(first, after, last, before)
