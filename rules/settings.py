"""An AI agent's escalation settings: what may be set, and what holds when nothing is."""

import re
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from rules.confirmation import DEFAULT_CONFIRMATION
from rules.lifecycle import AiResumePolicy, ButtonVisibility, Priority
from rules.text import NAME_LIMIT, WORDS_LIMIT, fault_in_text

YEAR_OF_MINUTES = 525_600


# It goes into headers: a scheme, a host, perhaps a port, and nothing that has a meaning there.
_ORIGIN = re.compile(r"https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:(?P<port>[1-9][0-9]{0,4}))?")


def _fault(message: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{message}", {"message": message})


def _text(limit: int) -> Any:
    def check(text: str) -> str:
        if fault := fault_in_text(text, limit=limit):
            raise _fault(fault)
        return text

    return AfterValidator(check)


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _fault("is not an IANA time zone, such as Europe/Berlin") from None
    return name


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
    delay_seconds: int = Field(0, ge=0, le=0)


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


class BusinessHours(Part):
    """When people answer. The clock runs around the clock: opening times are refused until it knows them."""

    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    week: list[Any] = Field([], max_length=0)
    holidays: list[Any] = Field([], max_length=0)
    holiday_calendar: None = None


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


class EscalationSettings(Part):
    """Everything that is set for one AI agent; `EscalationSettings()` is the defaults."""

    auto_escalation: AutoEscalation = AutoEscalation()
    triggers: TriggerSettings = TriggerSettings()
    ai: AiSettings = AiSettings()
    sla: SlaSettings = SlaSettings()
    widget: WidgetSettings = WidgetSettings()


def changed(settings: EscalationSettings, changes: dict[str, Any]) -> EscalationSettings:
    """
    The settings with `changes` (nested, only what is to change) laid over them; a list replaces its list.

    Raises pydantic's ValidationError, whose locations are paths into the settings.
    """
    return EscalationSettings.model_validate(_laid_over(settings.model_dump(mode="json"), changes))


def _laid_over(old: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = {
        name: _laid_over(old[name], new) if isinstance(new, dict) and isinstance(old.get(name), dict) else new
        for name, new in changes.items()
    }
    return {**old, **merged}
