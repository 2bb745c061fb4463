"""The triggers of a message, and their order."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rules.agent_settings import AutoEscalation, TopicRule, TriggerSettings
from rules.escalation import EscalationTrigger, Priority
from rules.handoff.detector import find_handoff_request
from rules.handoff.phrases import SearchableText
from rules.quoted_text import strip_quoted_text

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
    """
    Return the triggers of a customer message: a request for a person, and each topic that matches.

    Quoted text is ignored, because it is not the customer's words.
    """
    own_words = strip_quoted_text(content)
    searchable = SearchableText(own_words)
    topics = _topics(settings.topics, searchable, intents)
    if not settings.phrases_enabled:
        return topics
    words = searchable.find(settings.extra_phrases) or find_handoff_request(own_words)
    return [fired(EscalationTrigger.PHRASE, words), *topics] if words else topics


def triggers_of_reply(
    settings: TriggerSettings, auto: AutoEscalation, intents: Sequence[str], confidence: float | None
) -> list[FiredTrigger]:
    """What a delivered AI reply raises at once: its own uncertainty without delay, and intents it reports."""
    found = []
    if is_uncertain(auto, confidence) and not auto.delay_seconds:
        found.append(fired(EscalationTrigger.LOW_CONFIDENCE, confidence=confidence))
    return found + _topics(settings.topics, SearchableText(""), intents)


def is_uncertain(auto: AutoEscalation, confidence: float | None) -> bool:
    """Return whether a reply of this confidence, in percent, escalates."""
    return auto.enabled and is_low(auto, confidence)


def is_low(auto: AutoEscalation, confidence: float | None) -> bool:
    """Return whether a confidence in percent is below the threshold, even if it does not escalate."""
    return confidence is not None and confidence < auto.confidence_threshold


def is_confident(auto: AutoEscalation, confidence: float | None) -> bool:
    """Whether a reply's confidence, in percent, says that the AI can answer: at the threshold or above."""
    return confidence is not None and confidence >= auto.confidence_threshold


def in_order(fired_triggers: Iterable[FiredTrigger]) -> list[FiredTrigger]:
    """First the one that gives an escalation its `trigger`."""
    return sorted(fired_triggers, key=lambda fired: _ORDER[fired.trigger])


def highest_priority(fired_triggers: Iterable[FiredTrigger]) -> Priority | None:
    """The highest priority that the triggers themselves ask for, if any does."""
    asked = [fired.priority for fired in fired_triggers if fired.priority]
    return max(asked, key=lambda priority: priority.rank, default=None)


def _topics(
    topics: Iterable[TopicRule], content: SearchableText, intents: Sequence[str]
) -> list[FiredTrigger]:
    """Return a trigger for each topic with a keyword in the content or with one of the intents."""
    recorded = _composed(intents)
    return [
        fired(EscalationTrigger.TOPIC, topic.name, priority=topic.priority)
        for topic in topics
        if not recorded.isdisjoint(_composed(topic.intents)) or content.find(topic.keywords)
    ]


def _composed(intents: Iterable[str]) -> set[str]:
    """Return intents with composed accents, so that intents that look the same are equal."""
    return {unicodedata.normalize("NFC", intent) for intent in intents}
