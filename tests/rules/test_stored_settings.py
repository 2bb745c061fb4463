"""Stored settings: what is found again is what its document says."""

from rules.agent_settings import EscalationSettings
from rules.stored_settings import stored_settings


def document(threshold: float, phrases: int = 0) -> dict[str, object]:
    extra = [f"a phrase with the number {number}" for number in range(phrases)]
    settings = {"auto_escalation": {"confidence_threshold": threshold}, "triggers": {"extra_phrases": extra}}
    return EscalationSettings.model_validate(settings).model_dump(mode="json")


def test_settings_are_those_of_their_document() -> None:
    for threshold in (40, 60, 40):
        stored = document(threshold)
        assert stored_settings(stored) == EscalationSettings.model_validate(stored)


def test_equal_documents_are_validated_once() -> None:
    assert stored_settings(document(41)) is stored_settings(document(41))


def test_long_documents_are_not_kept() -> None:
    long = document(42, phrases=400)
    assert stored_settings(long) == stored_settings(long)
    assert stored_settings(long) is not stored_settings(long)
