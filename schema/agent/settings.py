"""Escalation settings, as they are read and as they are changed."""

from datetime import date, datetime

import strawberry

from models.agent import Agent as AgentRow
from rules import agent_settings as rules
from rules.ai_control import AiResumePolicy
from rules.business_hours import Weekday
from rules.button import ButtonVisibility
from rules.escalation import Priority
from rules.typeid import AGENT, format_id
from schema.notifications.settings import NotificationSettings


@strawberry.type
class AutoEscalation:
    """When an uncertain reply escalates."""

    enabled: bool
    """True if uncertain replies escalate."""
    confidence_threshold: float
    """Percent, 0 to 100. A reply below it is uncertain. 50 by default."""
    delay_seconds: int
    """Seconds before an uncertain reply escalates, so that the customer can clarify."""


@strawberry.type
class TopicRule:
    """Keywords and intents that escalate."""

    name: str
    """Name of the topic."""
    keywords: list[str]
    """Words and phrases of the customer that match."""
    intents: list[str]
    """Intents that match."""
    priority: Priority | None
    """Priority of the escalation; null for the default priority."""


@strawberry.type
class TriggerSettings:
    """Phrases, tools and topics."""

    phrases_enabled: bool
    """True if requests for a person in the customer's own words escalate."""
    extra_phrases: list[str]
    """Phrases of the team's own, in addition to the built-in recognition."""
    tool_failure_limit: int
    """Consecutive failures of a critical tool in one conversation that escalate."""
    topics: list[TopicRule]
    """Topics that escalate."""


@strawberry.type
class AiSettings:
    """Settings of handing back to the AI."""

    resume_on: AiResumePolicy
    """Event that hands a conversation back to the AI."""


@strawberry.type
class PriorityTarget:
    """The target of one priority."""

    priority: Priority
    """The priority."""
    target_response_minutes: int
    """Business minutes until the first response is due."""


strawberry.enum(Weekday)


@strawberry.type
class OpeningInterval:
    """Local times “HH:MM”."""

    day: Weekday
    """Day of the week on which it begins."""
    opens: str
    """Local time “HH:MM”."""
    closes: str
    """Local time “HH:MM”. 24:00 ends a day. A time at or before `opens` is on the next day."""


@strawberry.type
class Holiday:
    """A closed date."""

    date: date
    """The date."""
    name: str
    """Name of the holiday."""


@strawberry.type
class BusinessHours:
    """When people answer; without an interval, around the clock."""

    timezone: str
    """IANA name of the time zone, such as Europe/Berlin."""
    week: list[OpeningInterval]
    """Opening intervals. An empty list means around the clock."""
    holidays: list[Holiday]
    """Closed dates of the team's own."""
    holiday_calendar: str | None
    """ISO 3166 code of a country or subdivision, such as DE or DE-BY, whose public holidays are closed."""


@strawberry.type
class SlaSettings:
    """Targets of the first response."""

    target_response_minutes: int
    """Business minutes until the first response is due."""
    targets_by_priority: list[PriorityTarget]
    """Targets of single priorities. The others use targetResponseMinutes."""
    default_priority: Priority
    """Priority of an escalation that names none."""
    at_risk_percent: int
    """Share of the target after which an escalation is at risk, in percent. 80 by default."""
    business_hours: BusinessHours
    """Hours in which the clock runs."""


@strawberry.type
class WidgetTexts:
    """Texts in one language; what is null falls back to the general text."""

    language: str
    """BCP 47 tag, such as de or pt-BR."""
    button_text: str | None
    """Text of the button."""
    confirmation_message: str | None
    """Text after an escalation."""
    taken_over_message: str | None
    """Text that is posted when a team member takes over."""
    handed_back_message: str | None
    """Text that is posted when the AI answers again."""
    greeting: str | None
    """Text of an empty widget."""


@strawberry.type
class WidgetSettings:
    """The widget's button and texts, and which pages may show it."""

    button_visibility: ButtonVisibility
    """Visibility of the button."""
    button_after_messages: int
    """With AFTER_THRESHOLD: customer messages before the button shows."""
    button_text: str
    """Text of the button."""
    confirmation_message: str
    """Text after an escalation, with the placeholders {response_time} and {business_hours}."""
    taken_over_message: str
    """Text that is posted when a team member takes over. An empty text posts nothing."""
    handed_back_message: str
    """Text that is posted when the AI answers again. An empty text posts nothing."""
    allowed_origins: list[str]
    """Origins of the pages that may embed the widget."""
    greeting: str | None
    """Text of an empty widget, if any."""
    texts: list[WidgetTexts]
    """Texts for other languages. The general texts are used where none fits."""
    anonymous_conversations: bool
    """True if visitors may start a conversation without a signed identity. False by default."""


@strawberry.type
class RetentionSettings:
    """The time for which the text of closed conversations is kept."""

    closed_conversation_days: int | None
    """Days without a message, and without an active escalation, after which the words of a conversation are
    erased as by eraseCustomer. Null keeps them for ever."""


@strawberry.type
class EscalationSettings:
    """Everything that is set for one AI agent."""

    agent_id: strawberry.ID
    """The AI agent."""
    auto_escalation: AutoEscalation
    """Escalation of uncertain replies."""
    triggers: TriggerSettings
    """Phrases, tools and topics that escalate."""
    ai: AiSettings
    """Handing back to the AI."""
    sla: SlaSettings
    """Targets of the first response."""
    notifications: NotificationSettings
    """Notification channels."""
    widget: WidgetSettings
    """The widget."""
    retention: RetentionSettings
    """The time for which the text of closed conversations is kept."""
    version: int
    """Number that grows by one with every change."""
    updated_at: datetime
    """Time of the last change."""

    @classmethod
    def of(cls, row: AgentRow) -> "EscalationSettings":
        """Build the settings of an AI agent."""
        stored = rules.EscalationSettings.model_validate(row.settings)
        return cls(
            agent_id=strawberry.ID(format_id(AGENT, row.id)),
            auto_escalation=AutoEscalation(**stored.auto_escalation.model_dump()),
            triggers=TriggerSettings(
                **stored.triggers.model_dump(exclude={"topics"}),
                topics=[TopicRule(**topic.model_dump()) for topic in stored.triggers.topics],
            ),
            ai=AiSettings(**stored.ai.model_dump()),
            sla=_sla(stored.sla),
            notifications=NotificationSettings.of(row.id, stored.notifications),
            widget=WidgetSettings(
                **stored.widget.model_dump(exclude={"texts"}),
                texts=[WidgetTexts(**text.model_dump()) for text in stored.widget.texts],
            ),
            retention=RetentionSettings(**stored.retention.model_dump()),
            version=row.settings_version,
            updated_at=row.settings_updated_at,
        )


def _sla(stored: rules.SlaSettings) -> SlaSettings:
    return SlaSettings(
        **stored.model_dump(exclude={"targets_by_priority", "business_hours"}),
        targets_by_priority=[PriorityTarget(**item.model_dump()) for item in stored.targets_by_priority],
        business_hours=_business_hours(stored.business_hours),
    )


def _business_hours(stored: rules.BusinessHours) -> BusinessHours:
    return BusinessHours(
        timezone=stored.timezone,
        week=[OpeningInterval(**item.model_dump()) for item in stored.week],
        holidays=[Holiday(**item.model_dump()) for item in stored.holidays],
        holiday_calendar=stored.holiday_calendar,
    )


@strawberry.type
class SettingsPayload:
    """The settings after the change."""

    settings: EscalationSettings
    """The settings after the change."""
