from typing import Any

import pytest
from pydantic import ValidationError

from rules.agent_settings import EscalationSettings, changed
from rules.escalation import Priority

DEFAULTS = EscalationSettings()


def test_omitted_setting_is_unchanged_and_a_list_replaces_its_list() -> None:
    first = changed(DEFAULTS, {"sla": {"at_risk_percent": 50}, "triggers": {"extra_phrases": ["a", "b"]}})
    second = changed(first, {"sla": {"target_response_minutes": 5}, "triggers": {"extra_phrases": ["c"]}})

    assert (second.sla.at_risk_percent, second.sla.target_response_minutes) == (50, 5)
    assert second.triggers.extra_phrases == ["c"]
    assert second.widget == DEFAULTS.widget


def test_no_changes_change_nothing() -> None:
    assert changed(DEFAULTS, {}) == DEFAULTS
    assert changed(DEFAULTS, {"sla": {"business_hours": {}}}) == DEFAULTS


def test_priority_without_its_own_target_has_the_general_target() -> None:
    urgent = {"priority": "URGENT", "target_response_minutes": 15}
    sla = changed(DEFAULTS, {"sla": {"targets_by_priority": [urgent]}}).sla

    assert [sla.target_of(priority) for priority in Priority] == [120, 120, 120, 15]


def test_origin_is_stored_in_lower_case() -> None:
    given = ["https://Shop.Example.com:8443", "http://localhost"]
    origins = changed(DEFAULTS, {"widget": {"allowed_origins": given}}).widget.allowed_origins

    assert origins == ["https://shop.example.com:8443", "http://localhost"]


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "*",
        "null",
        "example.com",
        "ftp://example.com",
        "https://",
        "https://example.com/",
        "https://example.com/path",
        "https://example.com?x",
        "https://user@example.com",
        "https://example.com:0x50",
        "https://example.com:99999",
        " https://example.com",
        "https://exam ple.com",
        "https://example.com\n",
        "https://[::1",
    ],
)
def test_malformed_origin_is_refused(origin: str) -> None:
    assert path_of_refusal({"widget": {"allowed_origins": ["https://example.com", origin]}}) == (
        "widget",
        "allowed_origins",
        1,
    )


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "/etc/passwd", "../UTC", "Europe/Berlin\0", "CEST+2x"])
def test_unknown_zone_is_refused(zone: str) -> None:
    path = ("sla", "business_hours", "timezone")

    assert path_of_refusal({"sla": {"business_hours": {"timezone": zone}}}) == path


@pytest.mark.parametrize("unknown", [{"slas": {}}, {"sla": {"target": 5}}])
def test_unknown_setting_is_refused(unknown: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        changed(DEFAULTS, unknown)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -0.1, 100.1])
def test_threshold_is_a_percentage(number: float) -> None:
    path = ("auto_escalation", "confidence_threshold")

    assert path_of_refusal({"auto_escalation": {"confidence_threshold": number}}) == path


def path_of_refusal(changes: dict[str, Any]) -> tuple[int | str, ...]:
    with pytest.raises(ValidationError) as refused:
        changed(DEFAULTS, changes)
    return refused.value.errors()[0]["loc"]
