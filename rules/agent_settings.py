"""An AI agent's escalation settings: what may be set, and what holds when nothing is."""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from rules.ai_control import AiResumePolicy
from rules.business_hours import Weekday, hours_of
from rules.button import ButtonVisibility
from rules.customer_texts import DEFAULT_CONFIRMATION
from rules.email_address import email_address_error
from rules.escalation import Priority
from rules.public_holidays import fault_in_calendar
from rules.sla_clock import MAX_SLA_HORIZON
from rules.slack_format import (
    DEFAULT_FORMAT,
    MENTIONS_LIMIT,
    fault_in_channel,
    fault_in_format,
    fault_in_mention,
)
from rules.text import NAME_LIMIT, WORDS_LIMIT, text_error

YEAR_OF_MINUTES = 525_600
DAY_OF_SECONDS = 86_400

# It goes into headers: a scheme, a host, perhaps a port, and nothing that has a meaning there.
_ORIGIN = re.compile(r"https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:(?P<port>[1-9][0-9]{0,4}))?")


def _fault(message: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{message}", {"message": message})


def _text(limit: int) -> Any:
    def check(text: str) -> str:
        if fault := text_error(text, limit=limit):
            raise _fault(fault)
        return text

    return AfterValidator(check)


# What the world knows may change: a document that was taken once must be readable ever after.
_GIVEN = "given"


@cache
def _timezones() -> frozenset[str]:
    # Not what the system has, which may be names of its own such as “localtime” and “right/UTC”.
    names = (files("tzdata") / "zones").read_text(encoding="utf-8").split()
    return frozenset(names) - {"Factory"}


def _timezone(name: str, info: ValidationInfo) -> str:
    if info.context == _GIVEN and name not in _timezones():
        raise _fault("is not an IANA time zone, such as Europe/Berlin")
    return name


def _calendar(name: str, info: ValidationInfo) -> str:
    if info.context == _GIVEN and (fault := fault_in_calendar(name)):
        raise _fault(fault)
    return name


def _time(pattern: str, words: str) -> Any:
    known = re.compile(pattern)

    def check(text: str) -> str:
        if not known.fullmatch(text):
            raise _fault(words)
        return text

    return AfterValidator(check)


def _origin(text: str) -> str:
    found = _ORIGIN.fullmatch(text.lower())
    if not found or int(found["port"] or 80) > 65_535:
        raise _fault("is not an origin, such as https://www.example.com (no path, no slash at the end)")
    return text.lower()


def _distinct(names: list[Any]) -> list[Any]:
    if len(set(names)) < len(names):
        raise _fault("names something twice")
    return names


Words = Annotated[str, _text(WORDS_LIMIT)]
Name = Annotated[str, _text(NAME_LIMIT)]
Names = Annotated[list[Name], Field(max_length=500), AfterValidator(_distinct)]
Minutes = Annotated[int, Field(ge=1, le=YEAR_OF_MINUTES, strict=True)]


class Part(BaseModel):
    """A part of the settings; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AutoEscalation(Part):
    """When an uncertain reply escalates. The threshold is in percent."""

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
    """What hands a conversation back to the AI."""

    resume_on: AiResumePolicy = AiResumePolicy.RESOLUTION


class PriorityTarget(Part):
    """The target of one priority."""

    priority: Priority
    target_response_minutes: Minutes


def _distinct_targets(targets: list[PriorityTarget]) -> list[PriorityTarget]:
    _distinct([target.priority for target in targets])
    return targets


class OpeningInterval(Part):
    """Local times; a close at or before the open, 00:00 too, is one of the next day."""

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
    """When people answer; around the clock when there is no interval. Intervals may overlap."""

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
        """The target of `priority` in minutes: its own, else the general one."""
        own = {target.priority: target.target_response_minutes for target in self.targets_by_priority}
        return own.get(priority, self.target_response_minutes)


class WidgetSettings(Part):
    """The button, the confirmation, and the sites that may embed the widget."""

    button_visibility: ButtonVisibility = ButtonVisibility.ALWAYS
    button_after_messages: int = Field(3, ge=0, le=1000)
    button_text: Annotated[str, _text(100)] = "Talk to a human"
    confirmation_message: Words = DEFAULT_CONFIRMATION
    allowed_origins: Annotated[
        list[Annotated[str, AfterValidator(_origin)]], Field(max_length=100), AfterValidator(_distinct)
    ] = []


class EmailFrequency(StrEnum):
    """Whether mails go out at once or gathered, one an hour."""

    IMMEDIATE = "IMMEDIATE"
    HOURLY_DIGEST = "HOURLY_DIGEST"


def _faultless(fault_in: Callable[[str], str | None]) -> AfterValidator:
    def check(text: str) -> str:
        if fault := fault_in(text):
            raise _fault(fault)
        return text

    return AfterValidator(check)


def _distinct_addresses(addresses: list[str]) -> list[str]:
    _distinct([address.lower() for address in addresses])
    return addresses


class EmailNotifications(Part):
    """Who gets mails, and when."""

    enabled: bool = True
    recipients: Annotated[
        list[Annotated[str, _faultless(email_address_error)]],
        Field(max_length=50),
        AfterValidator(_distinct_addresses),
    ] = []
    include_transcript: bool = True
    frequency: EmailFrequency = EmailFrequency.IMMEDIATE


class SlackNotifications(Part):
    """Where the bot writes, how, and whom it mentions. The bot itself is connected by its token."""

    enabled: bool = True
    channel: Annotated[str, _faultless(fault_in_channel)] | None = None
    message_format: Annotated[str, _faultless(fault_in_format)] = DEFAULT_FORMAT
    mentions: Annotated[
        list[Annotated[str, _faultless(fault_in_mention)]],
        Field(max_length=MENTIONS_LIMIT),
        AfterValidator(_distinct),
    ] = []


class NotificationSettings(Part):
    """By what the team is told; webhook endpoints are rows of their own."""

    email: EmailNotifications = EmailNotifications()
    slack: SlackNotifications = SlackNotifications()


class EscalationSettings(Part):
    """Everything that is set for one AI agent; `EscalationSettings()` is the defaults."""

    auto_escalation: AutoEscalation = AutoEscalation()
    triggers: TriggerSettings = TriggerSettings()
    ai: AiSettings = AiSettings()
    sla: SlaSettings = SlaSettings()
    notifications: NotificationSettings = NotificationSettings()
    widget: WidgetSettings = WidgetSettings()


def changed(settings: EscalationSettings, changes: dict[str, Any]) -> EscalationSettings:
    """
    The settings with `changes` (nested, only what is to change) laid over them; a list replaces its list.

    Raises pydantic's ValidationError, whose locations are paths into the settings.
    """
    document = _laid_over(settings.model_dump(mode="json"), changes)
    return EscalationSettings.model_validate(document, context=_GIVEN)


def fault_in_reach(sla: SlaSettings, now: datetime) -> tuple[str, str] | None:
    """The path of what keeps a clock from its end within ten years from `now`, and why; or None."""
    opened = hours_of(sla.business_hours.model_dump(mode="json")).between(now, now + MAX_SLA_HORIZON)
    if not opened:
        return "sla.business_hours.week", "is never open: all of it falls on holidays for the next ten years"
    for path, minutes in _targets(sla):
        if timedelta(minutes=minutes) > opened:
            known = (
                f"these business hours have {opened // timedelta(minutes=1):,} minutes in the next ten years"
            )
            return path, f"is out of reach: {known}"
    return None


def _targets(sla: SlaSettings) -> Iterator[tuple[str, int]]:
    yield "sla.target_response_minutes", sla.target_response_minutes
    for place, target in enumerate(sla.targets_by_priority):
        yield f"sla.targets_by_priority.{place}.target_response_minutes", target.target_response_minutes


def _laid_over(old: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = {
        name: _laid_over(old[name], new) if isinstance(new, dict) and isinstance(old.get(name), dict) else new
        for name, new in changes.items()
    }
    return {**old, **merged}
