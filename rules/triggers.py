"""The triggers of a message, and their order."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeVar

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

MICROSECONDS = 1_000_000

Instant = TypeVar("Instant", datetime, int)

_ORDER = {trigger: place for place, trigger in enumerate(EscalationTrigger)}


@dataclass(frozen=True)
class FiredTrigger:
    """One trigger that fired.

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
    """Return a trigger with its own reason; only API takes the caller's text instead."""
    return FiredTrigger(trigger, REASONS[trigger], detail, confidence, priority)


def triggers_of_customer_message(
    settings: TriggerSettings, content: str, intents: Sequence[str]
) -> list[FiredTrigger]:
    """Return the triggers of a customer message: a request for a person, and each topic that matches.

    Quoted text is ignored, because it is not the customer's words.
    """
    own_words = strip_quoted_text(content)
    searchable = SearchableText(own_words)
    topics = _topics(settings.topics, searchable, intents)
    if not settings.phrases_enabled:
        return topics
    words = searchable.find(settings.extra_phrases) or find_handoff_request(own_words)
    return [fired(EscalationTrigger.PHRASE, words), *topics] if words else topics


class ReplyEffect(StrEnum):
    """The effect of the confidence of a delivered AI reply."""

    NOTHING = "NOTHING"
    ESCALATE = "ESCALATE"
    WAIT = "WAIT"
    AVERT = "AVERT"


def judge_confidence(
    confidence: float | None, threshold: float, delay_seconds: int, *, waiting: bool, other_trigger: bool
) -> ReplyEffect:
    """Apply the rule of low confidence to one delivered reply: for the live service, replays and the what-if.

    `waiting` says that an earlier uncertain reply waits for its delay to end, `other_trigger` that the reply
    raises an escalation by another trigger, which takes over what waits.
    """
    if confidence is None:
        return ReplyEffect.NOTHING
    if confidence >= threshold:
        return ReplyEffect.AVERT if waiting and not other_trigger else ReplyEffect.NOTHING
    if not delay_seconds:
        return ReplyEffect.ESCALATE
    return ReplyEffect.NOTHING if waiting or other_trigger else ReplyEffect.WAIT


def judge_reply(
    settings: TriggerSettings,
    auto: AutoEscalation,
    intents: Sequence[str],
    confidence: float | None,
    *,
    waiting: bool,
) -> tuple[list[FiredTrigger], ReplyEffect]:
    """Return what a delivered AI reply raises immediately, and what its confidence leads to.

    Where low confidence does not escalate, no reply is uncertain; a confident one still averts what waits.
    """
    topics = _topics(settings.topics, SearchableText(""), intents)
    threshold, delay = auto.confidence_threshold, auto.delay_seconds
    effect = judge_confidence(confidence, threshold, delay, waiting=waiting, other_trigger=bool(topics))
    if not auto.enabled and effect is not ReplyEffect.AVERT:
        return topics, ReplyEffect.NOTHING
    if effect is ReplyEffect.ESCALATE:
        return [fired(EscalationTrigger.LOW_CONFIDENCE, confidence=confidence), *topics], effect
    return topics, effect


def delay_has_ended(fires_at: Instant, now: Instant) -> bool:
    """Decide whether a reply that waits escalates at `now`: the deadline counts, not the worker's haste."""
    return fires_at <= now


class ConversationEvent(NamedTuple):
    """An input of the rule of low confidence: a delivered reply, another trigger, or both together.

    `at` is in microseconds.
    """

    at: int
    confidence: float | None
    other_trigger: bool


def escalates_by_low_confidence(
    events: Iterable[ConversationEvent], threshold: float, delay_seconds: int
) -> bool:
    """Decide whether low confidence escalates a conversation with these events, in the order of time.

    A reply that waits after the last event escalates.
    """
    fires_at: int | None = None
    for at, confidence, other_trigger in events:
        if fires_at is not None and delay_has_ended(fires_at, at):
            return True
        effect = judge_confidence(
            confidence, threshold, delay_seconds, waiting=fires_at is not None, other_trigger=other_trigger
        )
        if effect is ReplyEffect.ESCALATE:
            return True
        if effect is ReplyEffect.WAIT:
            fires_at = at + delay_seconds * MICROSECONDS
        elif effect is ReplyEffect.AVERT or other_trigger:
            fires_at = None
    return fires_at is not None


def is_uncertain(auto: AutoEscalation, confidence: float | None) -> bool:
    """Return whether a waiting reply of this confidence, in percent, still escalates under these settings."""
    return auto.enabled and is_low(auto, confidence)


def is_low(auto: AutoEscalation, confidence: float | None) -> bool:
    """Return whether a confidence in percent is below the threshold, even if it does not escalate."""
    return confidence is not None and confidence < auto.confidence_threshold


def in_order(fired_triggers: Iterable[FiredTrigger]) -> list[FiredTrigger]:
    """Sort by precedence; the first becomes the escalation's `trigger`."""
    return sorted(fired_triggers, key=lambda fired: _ORDER[fired.trigger])


def highest_priority(fired_triggers: Iterable[FiredTrigger]) -> Priority | None:
    """Return the highest priority that a trigger requests, or None."""
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
