import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.agent_settings import AutoEscalation, TopicRule, TriggerSettings
from rules.escalation import EscalationTrigger, Priority
from rules.triggers import (
    REASONS,
    FiredTrigger,
    fired,
    highest_priority,
    in_order,
    judge_reply,
    triggers_of_customer_message,
)

ASKS = "let me talk to a human"
BILLING = TopicRule(name="billing", keywords=["refund", "charged twice"], intents=["billing.dispute"])
LEGAL = TopicRule(name="legal", keywords=["lawyer"], priority=Priority.URGENT)
TOPICS = TriggerSettings(topics=[BILLING, LEGAL])
AUTO = AutoEscalation(confidence_threshold=60)


def names(triggers: list[FiredTrigger]) -> list[tuple[str, str | None]]:
    return [(item.trigger, item.detail) for item in triggers]


def test_every_trigger_but_a_call_has_a_reason_of_its_own() -> None:
    assert {EscalationTrigger.API} == set(EscalationTrigger) - set(REASONS)
    assert fired(EscalationTrigger.BUTTON).reason == "user_button"


@pytest.mark.parametrize(
    ("content", "intents", "expected"),
    [
        ("hello", [], []),
        (ASKS, [], [("PHRASE", ASKS)]),
        ("I was CHARGED  twice!", [], [("TOPIC", "billing")]),
        ("refunded", [], []),
        ("hello", ["billing.dispute"], [("TOPIC", "billing")]),
        ("hello", ["billing", "billing.dispute.two"], []),
        ("refund, refund, charged twice", ["billing.dispute"], [("TOPIC", "billing")]),
        (
            f"{ASKS}; my lawyer",
            ["billing.dispute"],
            [("PHRASE", ASKS), ("TOPIC", "billing"), ("TOPIC", "legal")],
        ),
    ],
)
def test_words_of_a_customer_raise(content: str, intents: list[str], expected: list[tuple[str, str]]) -> None:
    assert names(triggers_of_customer_message(TOPICS, content, intents)) == expected


@pytest.mark.parametrize(
    "quoted",
    [
        f"> my lawyer, {ASKS}",
        f"[Assistant]: my lawyer, {ASKS}",
        f"-----Original Message-----\nFrom: Support\n\nmy lawyer, {ASKS}",
        f"On Monday Support wrote:\n\nmy lawyer, {ASKS}",
    ],
)
def test_quoted_text_raises_neither_phrases_nor_topics(quoted: str) -> None:
    triggers = triggers_of_customer_message(TOPICS, f"I was charged twice\n{quoted}", [])

    assert names(triggers) == [("TOPIC", "billing")]


def test_decomposed_words_match_composed_settings() -> None:
    settings = TriggerSettings(
        extra_phrases=["Jos\u00e9"],
        topics=[TopicRule(name="t", keywords=["caf\u00e9"], intents=["r\u00e9clamation"])],
    )

    for content, intents in (("JOSE\u0301, cafe\u0301", []), ("Jose\u0301", ["re\u0301clamation"])):
        assert names(triggers_of_customer_message(settings, content, intents)) == [
            ("PHRASE", "Jos\u00e9"),
            ("TOPIC", "t"),
        ]


def test_topic_carries_its_priority() -> None:
    (legal,) = triggers_of_customer_message(TOPICS, "lawyer", [])
    (billing,) = triggers_of_customer_message(TOPICS, "refund", [])

    assert (legal.priority, billing.priority) == (Priority.URGENT, None)


def test_phrases_can_be_switched_off_and_added() -> None:
    off = TriggerSettings(phrases_enabled=False)
    own = TriggerSettings(extra_phrases=["einen Menschen"])

    assert triggers_of_customer_message(off, ASKS, []) == []
    assert names(triggers_of_customer_message(own, "ich will EINEN MENSCHEN", [])) == [
        ("PHRASE", "einen Menschen")
    ]


@pytest.mark.parametrize(
    ("auto", "confidence", "uncertain"),
    [
        (AUTO, 59.999, True),
        (AUTO, 0, True),
        (AUTO, 60, False),
        (AUTO, 100, False),
        (AUTO, None, False),
        (AutoEscalation(enabled=False), 0, False),
        (AutoEscalation(confidence_threshold=0), 0, False),
        (AutoEscalation(confidence_threshold=100), 99.9, True),
    ],
)
def test_reply_below_the_threshold_is_uncertain(
    auto: AutoEscalation, confidence: float | None, uncertain: bool
) -> None:
    result, _ = judge_reply(TOPICS, auto, [], confidence, waiting=False)

    assert names(result) == ([("LOW_CONFIDENCE", None)] if uncertain else [])
    assert [item.confidence for item in result] == ([confidence] if uncertain else [])


def test_reply_reports_intents() -> None:
    result, _ = judge_reply(TOPICS, AUTO, ["billing.dispute"], 10, waiting=False)

    assert names(result) == [("LOW_CONFIDENCE", None), ("TOPIC", "billing")]


@given(st.permutations([FiredTrigger(trigger, "why") for trigger in EscalationTrigger]))
def test_triggers_have_the_order_of_the_table(shuffled: list[FiredTrigger]) -> None:
    table = ["BUTTON", "PHRASE", "FORM", "LOW_CONFIDENCE", "TOOL_FAILURE", "TOPIC", "API", "TEAM_MEMBER"]

    assert [item.trigger for item in in_order(shuffled)] == table


def test_triggers_of_one_kind_keep_their_order() -> None:
    topics = [fired(EscalationTrigger.TOPIC, name) for name in ("zebra", "ant")]

    assert [item.detail for item in in_order(topics)] == ["zebra", "ant"]


@given(st.lists(st.none() | st.sampled_from(list(Priority))))
def test_highest_priority_wins(asked: list[Priority | None]) -> None:
    result = highest_priority([FiredTrigger(EscalationTrigger.API, "why", priority=item) for item in asked])
    given_ranks = [item.rank for item in asked if item]

    assert (result.rank if result else None) == max(given_ranks, default=None)
