"""Escalation settings, as they are read and as they are changed."""

import dataclasses
from datetime import date, datetime
from typing import Any

import strawberry

from models.agent import Agent as AgentRow
from rules import agent_settings as rules
from rules.ai_control import AiResumePolicy
from rules.business_hours import Weekday
from rules.button import ButtonVisibility
from rules.escalation import Priority
from rules.typeid import AGENT, format_id
from schema.notifications import NotificationSettings, NotificationSettingsInput


@strawberry.type
class AutoEscalation:
    """When an uncertain reply escalates."""

    enabled: bool
    confidence_threshold: float
    delay_seconds: int


@strawberry.type
class TopicRule:
    """Keywords and intents that escalate."""

    name: str
    keywords: list[str]
    intents: list[str]
    priority: Priority | None


@strawberry.type
class TriggerSettings:
    """Phrases, tools and topics."""

    phrases_enabled: bool
    extra_phrases: list[str]
    tool_failure_limit: int
    topics: list[TopicRule]


@strawberry.type
class AiSettings:
    """What hands a conversation back to the AI."""

    resume_on: AiResumePolicy


@strawberry.type
class PriorityTarget:
    """The target of one priority."""

    priority: Priority
    target_response_minutes: int


strawberry.enum(Weekday)


@strawberry.type
class OpeningInterval:
    """Local times “HH:MM”."""

    day: Weekday
    opens: str
    closes: str


@strawberry.type
class Holiday:
    """A date on which nobody is there."""

    date: date
    name: str


@strawberry.type
class BusinessHours:
    """When people answer; without an interval, around the clock."""

    timezone: str
    week: list[OpeningInterval]
    holidays: list[Holiday]
    holiday_calendar: str | None


@strawberry.type
class SlaSettings:
    """Targets of the first response."""

    target_response_minutes: int
    targets_by_priority: list[PriorityTarget]
    default_priority: Priority
    at_risk_percent: int
    business_hours: BusinessHours


@strawberry.type
class WidgetTexts:
    """Texts in one language; what is null falls back to the general text."""

    language: str
    button_text: str | None
    confirmation_message: str | None
    taken_over_message: str | None
    handed_back_message: str | None


@strawberry.type
class WidgetSettings:
    """The widget's button and texts, and where it may stand."""

    button_visibility: ButtonVisibility
    button_after_messages: int
    button_text: str
    confirmation_message: str
    taken_over_message: str
    handed_back_message: str
    allowed_origins: list[str]
    texts: list[WidgetTexts]


@strawberry.type
class EscalationSettings:
    """Everything that is set for one AI agent."""

    agent_id: strawberry.ID
    auto_escalation: AutoEscalation
    triggers: TriggerSettings
    ai: AiSettings
    sla: SlaSettings
    notifications: NotificationSettings
    widget: WidgetSettings
    version: int
    updated_at: datetime

    @classmethod
    def of(cls, row: AgentRow) -> "EscalationSettings":
        """Dresses an AI agent's settings."""
        held = rules.EscalationSettings.model_validate(row.settings)
        return cls(
            agent_id=strawberry.ID(format_id(AGENT, row.id)),
            auto_escalation=AutoEscalation(**held.auto_escalation.model_dump()),
            triggers=TriggerSettings(
                **held.triggers.model_dump(exclude={"topics"}),
                topics=[TopicRule(**topic.model_dump()) for topic in held.triggers.topics],
            ),
            ai=AiSettings(**held.ai.model_dump()),
            sla=_sla(held.sla),
            notifications=NotificationSettings.of(row.id, held.notifications),
            widget=WidgetSettings(
                **held.widget.model_dump(exclude={"texts"}),
                texts=[WidgetTexts(**text.model_dump()) for text in held.widget.texts],
            ),
            version=row.settings_version,
            updated_at=row.settings_updated_at,
        )


def _sla(held: rules.SlaSettings) -> SlaSettings:
    return SlaSettings(
        **held.model_dump(exclude={"targets_by_priority", "business_hours"}),
        targets_by_priority=[PriorityTarget(**one.model_dump()) for one in held.targets_by_priority],
        business_hours=_business_hours(held.business_hours),
    )


def _business_hours(held: rules.BusinessHours) -> BusinessHours:
    return BusinessHours(
        timezone=held.timezone,
        week=[OpeningInterval(**one.model_dump()) for one in held.week],
        holidays=[Holiday(**one.model_dump()) for one in held.holidays],
        holiday_calendar=held.holiday_calendar,
    )


@strawberry.input
class AutoEscalationInput:
    """Changes to when an uncertain reply escalates."""

    enabled: bool | None = None
    confidence_threshold: float | None = None
    delay_seconds: int | None = None


@strawberry.input
class TopicRuleInput:
    """A topic."""

    name: str
    keywords: list[str] | None = None
    intents: list[str] | None = None
    priority: Priority | None = None


@strawberry.input
class TriggerSettingsInput:
    """Changes to phrases, tools and topics."""

    phrases_enabled: bool | None = None
    extra_phrases: list[str] | None = None
    tool_failure_limit: int | None = None
    topics: list[TopicRuleInput] | None = None


@strawberry.input
class AiSettingsInput:
    """Changes to what hands a conversation back."""

    resume_on: AiResumePolicy | None = None


@strawberry.input
class PriorityTargetInput:
    """The target of one priority."""

    priority: Priority
    target_response_minutes: int


@strawberry.input
class OpeningIntervalInput:
    """Local times “HH:MM”."""

    day: Weekday
    opens: str
    closes: str


@strawberry.input
class HolidayInput:
    """A date on which nobody is there."""

    date: date
    name: str


@strawberry.input
class BusinessHoursInput:
    """Changes to when people answer; a calendar that is null is none."""

    timezone: str | None = None
    week: list[OpeningIntervalInput] | None = None
    holidays: list[HolidayInput] | None = None
    holiday_calendar: str | None = strawberry.UNSET


@strawberry.input
class SlaSettingsInput:
    """Changes to targets."""

    target_response_minutes: int | None = None
    targets_by_priority: list[PriorityTargetInput] | None = None
    default_priority: Priority | None = None
    at_risk_percent: int | None = None
    business_hours: BusinessHoursInput | None = None


@strawberry.input
class WidgetTextsInput:
    """Texts in one language; what is null falls back to the general text."""

    language: str
    button_text: str | None = None
    confirmation_message: str | None = None
    taken_over_message: str | None = None
    handed_back_message: str | None = None


@strawberry.input
class WidgetSettingsInput:
    """Changes to the widget."""

    button_visibility: ButtonVisibility | None = None
    button_after_messages: int | None = None
    button_text: str | None = None
    confirmation_message: str | None = None
    taken_over_message: str | None = None
    handed_back_message: str | None = None
    allowed_origins: list[str] | None = None
    texts: list[WidgetTextsInput] | None = None


@strawberry.input
class UpdateEscalationSettingsInput:
    """What is left out stays as it is; a list that is given replaces the whole list."""

    agent_id: strawberry.ID
    auto_escalation: AutoEscalationInput | None = None
    triggers: TriggerSettingsInput | None = None
    ai: AiSettingsInput | None = None
    sla: SlaSettingsInput | None = None
    notifications: NotificationSettingsInput | None = None
    widget: WidgetSettingsInput | None = None
    expected_version: int | None = None

    def changes(self) -> dict[str, Any]:
        """What was given, nested, in snake case."""
        given = changes_of(self)
        return {name: value for name, value in given.items() if name not in {"agent_id", "expected_version"}}


def changes_of(part: Any) -> Any:
    """
    An input as plain values, without what was left out.

    Null means that too, but for what may be none: its default is UNSET.
    """
    if dataclasses.is_dataclass(part):
        given = {field.name: (getattr(part, field.name), field.default) for field in dataclasses.fields(part)}
        return {name: changes_of(value) for name, (value, left_out) in given.items() if value is not left_out}
    if isinstance(part, list):
        return [changes_of(one) for one in part]
    return part


@strawberry.type
class SettingsPayload:
    """The settings after the change."""

    settings: EscalationSettings
