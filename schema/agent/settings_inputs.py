"""Changes to escalation settings."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    get_nullable_type,
    is_required_input_field,
)
from graphql.utilities import coerce_input_value, validate_input_value
from strawberry.types.arguments import convert_argument

from rules.ai_control import AiResumePolicy
from rules.business_hours import Weekday
from rules.button import ButtonVisibility
from rules.escalation import Priority
from schema.changes import changes_of
from schema.notifications.settings import NotificationSettingsInput


@strawberry.input
class AutoEscalationInput:
    """Changes to when an uncertain reply escalates."""

    enabled: bool | None = None
    """True if uncertain replies escalate."""
    confidence_threshold: float | None = None
    """Percent, 0 to 100. A reply below it is uncertain. 50 by default."""
    delay_seconds: int | None = None
    """Seconds before an uncertain reply escalates, so that the customer can clarify."""


@strawberry.input
class TopicRuleInput:
    """A topic."""

    name: str
    """Name of the topic."""
    keywords: list[str] | None = None
    """Words and phrases of the customer that match."""
    intents: list[str] | None = None
    """Intents that match."""
    priority: Priority | None = None
    """Priority of the escalation; null for the default priority."""


@strawberry.input
class TriggerSettingsInput:
    """Changes to phrases, tools and topics."""

    phrases_enabled: bool | None = None
    """True if requests for a person in the customer's own words escalate."""
    extra_phrases: list[str] | None = None
    """Phrases of the team's own, in addition to the built-in recognition."""
    tool_failure_limit: int | None = None
    """Consecutive failures of a critical tool in one conversation that escalate."""
    topics: list[TopicRuleInput] | None = None
    """Topics that escalate."""


@strawberry.input
class AiSettingsInput:
    """Changes to what hands a conversation back."""

    resume_on: AiResumePolicy | None = None
    """Event that hands a conversation back to the AI."""


@strawberry.input
class PriorityTargetInput:
    """The target of one priority."""

    priority: Priority
    """The priority."""
    target_response_minutes: int
    """Business minutes until the first response is due."""


@strawberry.input
class OpeningIntervalInput:
    """Local times “HH:MM”."""

    day: Weekday
    """Day of the week on which it begins."""
    opens: str
    """Local time “HH:MM”."""
    closes: str
    """Local time “HH:MM”. 24:00 ends a day. A time at or before `opens` is on the next day."""


@strawberry.input
class HolidayInput:
    """A closed date."""

    date: date
    """The date."""
    name: str
    """Name of the holiday."""


@strawberry.input
class BusinessHoursInput:
    """Changes to when people answer; a calendar that is null is none."""

    timezone: str | None = None
    """IANA name of the time zone, such as Europe/Berlin."""
    week: list[OpeningIntervalInput] | None = None
    """Opening intervals. An empty list means around the clock."""
    holidays: list[HolidayInput] | None = None
    """Closed dates of the team's own."""
    holiday_calendar: str | None = strawberry.UNSET
    """ISO 3166 code of a country or subdivision, such as DE or DE-BY, whose public holidays are closed."""


@strawberry.input
class SlaSettingsInput:
    """Changes to targets."""

    target_response_minutes: int | None = None
    """Business minutes until the first response is due."""
    targets_by_priority: list[PriorityTargetInput] | None = None
    """Targets of single priorities. The others use targetResponseMinutes."""
    default_priority: Priority | None = None
    """Priority of an escalation that names none."""
    at_risk_percent: int | None = None
    """Share of the target after which an escalation is at risk, in percent. 80 by default."""
    business_hours: BusinessHoursInput | None = None
    """Hours in which the clock runs."""


@strawberry.input
class WidgetTextsInput:
    """Texts in one language; what is null falls back to the general text."""

    language: str
    """BCP 47 tag, such as de or pt-BR."""
    button_text: str | None = None
    """Text of the button."""
    confirmation_message: str | None = None
    """Text after an escalation."""
    taken_over_message: str | None = None
    """Text that is posted when a team member takes over."""
    handed_back_message: str | None = None
    """Text that is posted when the AI answers again."""
    greeting: str | None = None
    """Text of an empty widget."""


@strawberry.input
class WidgetSettingsInput:
    """Changes to the widget."""

    button_visibility: ButtonVisibility | None = None
    """Visibility of the button."""
    button_after_messages: int | None = None
    """With AFTER_THRESHOLD: customer messages before the button shows."""
    button_text: str | None = None
    """Text of the button."""
    confirmation_message: str | None = None
    """Text after an escalation, with the placeholders {response_time} and {business_hours}."""
    taken_over_message: str | None = None
    """Text that is posted when a team member takes over. An empty text posts nothing."""
    handed_back_message: str | None = None
    """Text that is posted when the AI answers again. An empty text posts nothing."""
    allowed_origins: list[str] | None = None
    """Origins of the pages that may embed the widget."""
    greeting: str | None = strawberry.UNSET
    """Text of an empty widget. Null or an empty text removes it."""
    texts: list[WidgetTextsInput] | None = None
    """Texts for other languages. The general texts are used where none fits."""
    anonymous_conversations: bool | None = None
    """True if visitors may start a conversation without a signed identity."""


@strawberry.input
class RetentionSettingsInput:
    """Changes to the time for which the text of closed conversations is kept."""

    closed_conversation_days: int | None = strawberry.UNSET
    """Days without a message, and without an active escalation, after which the words of a conversation are
    erased as by eraseCustomer: 1 to 36,500. Null keeps them for ever."""


@strawberry.input
class UpdateEscalationSettingsInput:
    """Changes to the settings. A field that is left out stays as it is; a list replaces the whole list."""

    agent_id: strawberry.ID
    """The AI agent."""
    auto_escalation: AutoEscalationInput | None = None
    """Changes to the escalation of uncertain replies."""
    triggers: TriggerSettingsInput | None = None
    """Changes to phrases, tools and topics."""
    ai: AiSettingsInput | None = None
    """Changes to handing back."""
    sla: SlaSettingsInput | None = None
    """Changes to the targets of the first response."""
    notifications: NotificationSettingsInput | None = None
    """Changes to the notification channels."""
    widget: WidgetSettingsInput | None = None
    """Changes to the widget."""
    retention: RetentionSettingsInput | None = None
    """Changes to the time for which the text of closed conversations is kept."""
    expected_version: int | None = None
    """Version that the caller saw. Another version is refused with CONFLICT."""

    def changes(self) -> dict[str, Any]:
        """Return the given values, nested, in snake case."""
        given = changes_of(self)
        return {name: value for name, value in given.items() if name not in {"agent_id", "expected_version"}}


class SettingsInputError(Exception):
    """A document is not an UpdateEscalationSettingsInput; the message names the field."""


def read_settings_changes(schema: strawberry.Schema, document: object) -> dict[str, Any]:
    """Return the changes of a JSON document in the shape of UpdateEscalationSettingsInput.

    GraphQL's own coercion reads it, so it takes exactly what updateEscalationSettings takes. Only agentId and
    expectedVersion belong to a call and are refused. Raises SettingsInputError for the first fault.
    """
    if not isinstance(document, dict):
        raise SettingsInputError("the document is not a JSON object")
    if refused := [name for name in _OF_A_CALL if name in document]:
        raise SettingsInputError(f"{refused[0]} is not a setting")
    type_ = schema._schema.type_map[UpdateEscalationSettingsInput.__name__]
    assert isinstance(type_, GraphQLInputObjectType)
    values = {**document, "agentId": ""}
    _refuse_other_shape(values, type_, "")
    validate_input_value(values, type_, _raise_settings_input_error, hide_suggestions=True)
    coerced = coerce_input_value(values, type_)
    registry = schema.schema_converter.scalar_registry
    result = convert_argument(coerced, UpdateEscalationSettingsInput, registry, schema.config)
    assert isinstance(result, UpdateEscalationSettingsInput)
    return result.changes()


_OF_A_CALL = ("agentId", "expectedVersion")


def _refuse_other_shape(value: object, type_: GraphQLInputType, path: str) -> None:
    """Refuse settings that are unknown, missing, no objects or none of an enum's values."""
    kind = get_nullable_type(type_)
    if value is None:
        return
    if isinstance(kind, GraphQLList):
        for index, item in enumerate(value if isinstance(value, list) else ()):
            _refuse_other_shape(item, kind.of_type, f"{path}.{index}")
    elif isinstance(kind, GraphQLEnumType) and value not in list(kind.values):
        raise SettingsInputError(f"{path} is none of {', '.join(kind.values)}")
    elif isinstance(kind, GraphQLInputObjectType):
        _refuse_other_fields(value, kind, path)


def _refuse_other_fields(value: object, type_: GraphQLInputObjectType, path: str) -> None:
    names = ", ".join(name for name in type_.fields if path or name not in _OF_A_CALL)
    if not isinstance(value, dict):
        raise SettingsInputError(f"{path} is not an object; its settings are {names}")
    start = f"{path}." if path else ""
    for name, field in type_.fields.items():
        if name not in value and is_required_input_field(field):
            raise SettingsInputError(f"{start}{name} is missing")
    for name, item in value.items():
        if name not in type_.fields:
            there = f"{path} has" if path else "there are"
            raise SettingsInputError(f"{start}{name} is not a setting; {there} {names}")
        _refuse_other_shape(item, type_.fields[name].type, f"{start}{name}")


def _raise_settings_input_error(error: GraphQLError, path: Sequence[str | int]) -> None:
    place = ".".join(map(str, path))
    raise SettingsInputError(f"{place}: {error.message}" if place else error.message)
