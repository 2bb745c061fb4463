"""What in a message raises an escalation, and which of several triggers comes first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rules.agent_settings import AutoEscalation, TopicRule, TriggerSettings
from rules.escalation import EscalationTrigger, Priority
from rules.handoff import find_handoff_request
from rules.handoff_phrases import find_phrase

REASONS = {
    EscalationTrigger.BUTTON: "user_button",
    EscalationTrigger.PHRASE: "user_phrase",
    EscalationTrigger.FORM: "user_form",
    EscalationTrigger.LOW_CONFIDENCE: "low_confidence",
    EscalationTrigger.TOOL_FAILURE: "tool_failure",
    EscalationTrigger.TOPIC: "topic",
    EscalationTrigger.TEAM_MEMBER: "team_member",
}

_ORDER = {trigger: place for place, trigger in enumerate(EscalationTrigger)}


@dataclass(frozen=True)
class FiredTrigger:
    """
    One trigger that fired.

    `reason` is the caller's words for API, else the trigger in snake case; `detail` is what exactly matched;
    `priority` is set where the trigger itself asks for one; `confidence` is in percent.
    """

    trigger: EscalationTrigger
    reason: str
    detail: str | None = None
    confidence: float | None = None
    priority: Priority | None = None


def fired(
    trigger: EscalationTrigger,
    detail: str | None = None,
    *,
    confidence: float | None = None,
    priority: Priority | None = None,
) -> FiredTrigger:
    """A trigger with its own reason: every one but API, whose reason is the caller's words."""
    return FiredTrigger(trigger, REASONS[trigger], detail, confidence, priority)


def triggers_of_customer_message(
    settings: TriggerSettings, content: str, intents: Sequence[str]
) -> list[FiredTrigger]:
    """What a customer's words raise: a request for a person, and each topic that they touch."""
    found = []
    if settings.phrases_enabled and (words := _asking_words(settings, content)):
        found.append(fired(EscalationTrigger.PHRASE, words))
    return found + _topics(settings.topics, content, intents)


def triggers_of_reply(
    settings: TriggerSettings, auto: AutoEscalation, intents: Sequence[str], confidence: float | None
) -> list[FiredTrigger]:
    """What a delivered AI reply raises at once: its own uncertainty without delay, and intents it reports."""
    found = []
    if is_uncertain(auto, confidence) and not auto.delay_seconds:
        found.append(fired(EscalationTrigger.LOW_CONFIDENCE, confidence=confidence))
    return found + _topics(settings.topics, "", intents)


def is_uncertain(auto: AutoEscalation, confidence: float | None) -> bool:
    """Whether a reply's confidence, in percent, lies below the threshold of an agent that escalates on it."""
    return auto.enabled and confidence is not None and confidence < auto.confidence_threshold


def is_confident(auto: AutoEscalation, confidence: float | None) -> bool:
    """Whether a reply's confidence, in percent, says that the AI can answer: at the threshold or above."""
    return confidence is not None and confidence >= auto.confidence_threshold


def in_order(fired_triggers: Iterable[FiredTrigger]) -> list[FiredTrigger]:
    """First the one that gives an escalation its `trigger`."""
    return sorted(fired_triggers, key=lambda one: _ORDER[one.trigger])


def highest_priority(fired_triggers: Iterable[FiredTrigger]) -> Priority | None:
    """The highest priority that the triggers themselves ask for, if any does."""
    asked = [one.priority for one in fired_triggers if one.priority]
    return max(asked, key=lambda priority: priority.rank, default=None)


def _asking_words(settings: TriggerSettings, content: str) -> str | None:
    return find_phrase(content, settings.extra_phrases) or find_handoff_request(content)


def _topics(topics: Iterable[TopicRule], content: str, intents: Sequence[str]) -> list[FiredTrigger]:
    return [
        fired(EscalationTrigger.TOPIC, topic.name, priority=topic.priority)
        for topic in topics
        if set(topic.intents) & set(intents) or (content and find_phrase(content, topic.keywords))
    ]
