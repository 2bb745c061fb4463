"""The query parameters of the exports."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from rules.analytics import AnalyticsInterval
from rules.encoding import parse_datetime
from server.rest.resources import AgentId, Input, Word


def _read_instant(value: Any) -> datetime:
    return parse_datetime(str(value))


GivenInstant = Annotated[
    datetime,
    BeforeValidator(_read_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-02-05T09:30:00Z"]}),
]
Interval = Annotated[AnalyticsInterval, Word()]


class _ExportQuery(Input):
    """A period, and the time zone of the times in the file."""

    from_: GivenInstant = Field(alias="from", description="Start of the period, inclusive.")
    to: GivenInstant = Field(
        description="End of the period, exclusive; at most 10 years after the start.",
        json_schema_extra={"examples": ["2026-03-05T09:30:00Z"]},
    )
    timezone: Annotated[str, WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]})] = Field(
        "UTC", description="IANA name of the time zone."
    )


class EscalationsExportQuery(_ExportQuery):
    """The escalations to export."""

    agent_id: AgentId | None = Field(None, description="Those of one AI agent.")


class SeriesExportQuery(_ExportQuery):
    """The series to export."""

    agent_id: AgentId = Field(description="The AI agent.")
    interval: Interval = Field(
        AnalyticsInterval.DAY, description="The length of a step; at most 2,000 steps."
    )


# Both describe usual ones; resolvers.validation checks them.
ExternalId = Annotated[
    str, WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9._|:-]{1,100}$", "examples": ["user-42"]})
]
CustomerEmail = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[A-Za-z0-9]{1,30}([._+-][A-Za-z0-9]{1,10}){0,2}"
            r"@([A-Za-z0-9]{1,60}\.){1,2}[A-Za-z]{2,20}$",
            "examples": ["jane@example.com"],
        }
    ),
]


class CustomerQuery(Input):
    """The customer to export: by external id, email address or both."""

    external_id: ExternalId | None = Field(None, description="The integrator's own id for the customer.")
    email: CustomerEmail | None = Field(None, description="The email address, in upper or lower case.")


class AuditExportQuery(Input):
    """The audit log has no parameters."""
