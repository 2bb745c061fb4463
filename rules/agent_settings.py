"""An AI agent's escalation settings: their fields, limits and default values."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from rules.ai_control import AiResumePolicy
from rules.business_hours import Weekday
from rules.button import ButtonVisibility
from rules.customer_texts import (
    CONFIRMATION_PLACEHOLDERS,
    DEFAULT_CONFIRMATION,
    HAND_BACK_NOTICE,
    PEOPLE_NOTICE,
    placeholder_error,
)
from rules.email_address import address_key, email_address_error
from rules.escalation import Priority
from rules.language import best_language, language_error
from rules.public_holidays import calendar_error
from rules.slack_format import (
    DEFAULT_FORMAT,
    MENTIONS_LIMIT,
    channel_error,
    mention_error,
    slack_format_error,
)
from rules.text import NAME_LIMIT, WORDS_LIMIT, is_blank, text_error

YEAR_OF_MINUTES = 525_600
DAY_OF_SECONDS = 86_400
MAX_RETENTION_DAYS = 36_500

# The origin is sent in response headers, so it may hold no character with a meaning there.
_ORIGIN = re.compile(r"https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:(?P<port>[1-9][0-9]{0,4}))?")


def _fault(message: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{message}", {"message": message})


def _text(limit: int, *, blank: bool = False) -> Any:
    def check(text: str) -> str:
        if fault := text_error(text, limit=limit, blank=blank):
            raise _fault(fault)
        return text

    return AfterValidator(check)


# Time zones and calendars change over the years: only new input is checked against them, not stored settings.
_NEW_INPUT = "new input"


@cache
def _timezones() -> frozenset[str]:
    # The system's own list can hold names such as “localtime” and “right/UTC”.
    names = (files("tzdata") / "zones").read_text(encoding="utf-8").split()
    return frozenset(names) - {"Factory"}


def timezone_error(name: str) -> str | None:
    """Return what is wrong with the name of a time zone, if anything."""
    return None if name in _timezones() else "is not an IANA time zone, such as Europe/Berlin"


def _timezone(name: str, info: ValidationInfo) -> str:
    if info.context == _NEW_INPUT and (error := timezone_error(name)):
        raise _fault(error)
    return name


def _calendar(name: str, info: ValidationInfo) -> str:
    if info.context == _NEW_INPUT and (fault := calendar_error(name)):
        raise _fault(fault)
    return name


def _time(pattern: str, message: str) -> Any:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise _fault(message)
        return text

    return AfterValidator(check)


def _template(*placeholders: str) -> Any:
    def check(text: str, info: ValidationInfo) -> str:
        if info.context == _NEW_INPUT and (fault := placeholder_error(text, placeholders)):
            raise _fault(fault)
        return text

    return AfterValidator(check)


def _origin(text: str) -> str:
    origin = _ORIGIN.fullmatch(text.lower())
    if not origin or int(origin["port"] or 80) > 65_535:
        raise _fault("is not an origin, such as https://www.example.com (no path, no slash at the end)")
    return text.lower()


def _faultless(fault_in: Callable[[str], str | None]) -> AfterValidator:
    def check(text: str) -> str:
        if fault := fault_in(text):
            raise _fault(fault)
        return text

    return AfterValidator(check)


def _distinct(names: list[Any]) -> list[Any]:
    if len(set(names)) < len(names):
        raise _fault("has an entry twice")
    return names


Words = Annotated[str, _text(WORDS_LIMIT)]
Name = Annotated[str, _text(NAME_LIMIT)]
Names = Annotated[list[Name], Field(max_length=500), AfterValidator(_distinct)]
Minutes = Annotated[int, Field(ge=1, le=YEAR_OF_MINUTES, strict=True)]


class Part(BaseModel):
    """A part of the settings, which refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AutoEscalation(Part):
    """Escalation of uncertain replies. The threshold is in percent."""

    enabled: bool = True
    confidence_threshold: float = Field(50, ge=0, le=100)
    delay_seconds: int = Field(0, ge=0, le=DAY_OF_SECONDS)


class TopicRule(Part):
    """Keywords (whole words in a customer message, any case) and intents that escalate."""

    name: Name
    keywords: Names = []
    intents: Names = []
    priority: Priority | None = None


def _distinct_topics(topics: list[TopicRule]) -> list[TopicRule]:
    _distinct([topic.name for topic in topics])
    return topics


class TriggerSettings(Part):
    """Phrases, tools and topics."""

    phrases_enabled: bool = True
    extra_phrases: Names = []
    tool_failure_limit: int = Field(3, ge=1, le=1000)
    topics: Annotated[list[TopicRule], Field(max_length=100), AfterValidator(_distinct_topics)] = []


class AiSettings(Part):
    """The event that hands a conversation back to the AI."""

    resume_on: AiResumePolicy = AiResumePolicy.RESOLUTION


class PriorityTarget(Part):
    """The target of one priority."""

    priority: Priority
    target_response_minutes: Minutes


def _distinct_targets(targets: list[PriorityTarget]) -> list[PriorityTarget]:
    _distinct([target.priority for target in targets])
    return targets


class OpeningInterval(Part):
    """An interval of local times; a close at or before the opening is on the next day."""

    day: Weekday
    opens: Annotated[str, _time("([01][0-9]|2[0-3]):[0-5][0-9]", "is not a time from 00:00 to 23:59")]
    closes: Annotated[
        str, _time("(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)", "is not a time from 00:00 to 24:00")
    ]


class Holiday(Part):
    """A local date that is closed from midnight to midnight."""

    date: date
    name: Name


def _distinct_dates(holidays: list[Holiday]) -> list[Holiday]:
    _distinct([holiday.date for holiday in holidays])
    return holidays


class BusinessHours(Part):
    """The hours in which people answer: around the clock without an interval. Intervals may overlap."""

    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    week: list[OpeningInterval] = Field([], max_length=100)
    holidays: Annotated[list[Holiday], Field(max_length=1_000), AfterValidator(_distinct_dates)] = []
    holiday_calendar: Annotated[str, AfterValidator(_calendar)] | None = None


class SlaSettings(Part):
    """Targets of the first response, in minutes."""

    target_response_minutes: Minutes = 120
    targets_by_priority: Annotated[
        list[PriorityTarget], Field(max_length=len(Priority)), AfterValidator(_distinct_targets)
    ] = []
    default_priority: Priority = Priority.MEDIUM
    at_risk_percent: int = Field(80, ge=1, le=100)
    business_hours: BusinessHours = BusinessHours()

    def target_of(self, priority: Priority) -> int:
        """Return the target of `priority` in minutes: its own, else the general one."""
        own = {target.priority: target.target_response_minutes for target in self.targets_by_priority}
        return own.get(priority, self.target_response_minutes)


ButtonText = Annotated[str, _text(100), _template()]
Confirmation = Annotated[Words, _template(*CONFIRMATION_PLACEHOLDERS)]
Notice = Annotated[str, _text(WORDS_LIMIT, blank=True), _template()]


def _none_if_blank(text: str | None) -> str | None:
    return None if text is None or is_blank(text) else text


# A form that is left empty sends an empty text.
Greeting = Annotated[Notice | None, AfterValidator(_none_if_blank)]


@dataclass(frozen=True)
class CustomerTexts:
    """The texts for customers in one language. A blank notice is not posted.

    `confirmation_language` is None for the general confirmation.
    """

    button_text: str
    confirmation_message: str
    confirmation_language: str | None
    taken_over_message: str
    handed_back_message: str
    greeting: str | None


_TEXTS = {field.name for field in fields(CustomerTexts)} - {"confirmation_language"}


class WidgetTexts(Part):
    """Texts in one language; the general text replaces None."""

    language: Annotated[str, _faultless(language_error)]
    button_text: ButtonText | None = None
    confirmation_message: Confirmation | None = None
    taken_over_message: Notice | None = None
    handed_back_message: Notice | None = None
    greeting: Greeting = None


def _distinct_languages(texts: list[WidgetTexts]) -> list[WidgetTexts]:
    _distinct([text.language.lower() for text in texts])
    return texts


class WidgetSettings(Part):
    """The button, the texts for customers, and the sites that may embed the widget."""

    button_visibility: ButtonVisibility = ButtonVisibility.ALWAYS
    button_after_messages: int = Field(3, ge=0, le=1000)
    button_text: ButtonText = "Talk to a human"
    confirmation_message: Confirmation = DEFAULT_CONFIRMATION
    taken_over_message: Notice = PEOPLE_NOTICE
    handed_back_message: Notice = HAND_BACK_NOTICE
    greeting: Greeting = None
    texts: Annotated[list[WidgetTexts], Field(max_length=100), AfterValidator(_distinct_languages)] = []
    allowed_origins: Annotated[
        list[Annotated[str, AfterValidator(_origin)]], Field(max_length=100), AfterValidator(_distinct)
    ] = []
    anonymous_conversations: bool = False

    def texts_for(self, language: str | None) -> CustomerTexts:
        """Return the texts in the best matching language, each falling back to the general text."""
        by_language = {text.language.lower(): text for text in self.texts}
        match = best_language(language, by_language)
        own = by_language[match].model_dump(exclude_none=True, exclude={"language"}) if match else {}
        texts = self.model_dump(include=_TEXTS) | own
        in_language = match if "confirmation_message" in own else None
        return CustomerTexts(**texts, confirmation_language=in_language)


class EmailFrequency(StrEnum):
    """The frequency of emails: immediate, or one digest per hour."""

    IMMEDIATE = "IMMEDIATE"
    HOURLY_DIGEST = "HOURLY_DIGEST"


def _distinct_addresses(addresses: list[str], info: ValidationInfo) -> list[str]:
    # Older versions stored addresses that differ only in their form of Unicode.
    form = address_key if info.context == _NEW_INPUT else str.lower
    _distinct([form(address) for address in addresses])
    return addresses


class EmailNotifications(Part):
    """Email notifications."""

    enabled: bool = True
    recipients: Annotated[
        list[Annotated[str, _faultless(email_address_error)]],
        Field(max_length=50),
        AfterValidator(_distinct_addresses),
    ] = []
    include_transcript: bool = True
    frequency: EmailFrequency = EmailFrequency.IMMEDIATE


class SlackNotifications(Part):
    """Slack notifications. The bot itself is connected by its token."""

    enabled: bool = True
    channel: Annotated[str, _faultless(channel_error)] | None = None
    message_format: Annotated[str, _faultless(slack_format_error)] = DEFAULT_FORMAT
    mentions: Annotated[
        list[Annotated[str, _faultless(mention_error)]],
        Field(max_length=MENTIONS_LIMIT),
        AfterValidator(_distinct),
    ] = []


class NotificationSettings(Part):
    """Notification channels. Webhook endpoints are stored separately."""

    email: EmailNotifications = EmailNotifications()
    slack: SlackNotifications = SlackNotifications()


class RetentionSettings(Part):
    """The days after which the words of a closed conversation are erased; None keeps them."""

    closed_conversation_days: int | None = Field(None, ge=1, le=MAX_RETENTION_DAYS)


class EscalationSettings(Part):
    """All escalation settings of one AI agent; `EscalationSettings()` has the default values."""

    auto_escalation: AutoEscalation = AutoEscalation()
    triggers: TriggerSettings = TriggerSettings()
    ai: AiSettings = AiSettings()
    sla: SlaSettings = SlaSettings()
    notifications: NotificationSettings = NotificationSettings()
    widget: WidgetSettings = WidgetSettings()
    retention: RetentionSettings = RetentionSettings()


def changed(settings: EscalationSettings, changes: dict[str, Any]) -> EscalationSettings:
    """Return the settings with `changes` merged in; a list replaces the previous list.

    `changes` is nested and holds only the changed fields. Raises pydantic's ValidationError, whose locations
    are paths into the settings.
    """
    document = _merged(settings.model_dump(mode="json"), changes)
    return EscalationSettings.model_validate(document, context=_NEW_INPUT)


def _merged(old: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = {
        name: _merged(old[name], new) if isinstance(new, dict) and isinstance(old.get(name), dict) else new
        for name, new in changes.items()
    }
    return {**old, **merged}
