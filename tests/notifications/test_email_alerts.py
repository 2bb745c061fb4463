"""Alerts to admins by email: failing targets and disabled endpoints."""

from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from notifications.email.compose import Alert, compose_alert
from rules.delivery import DeliveryChannel
from tests.support.email_samples import AT, LINK, SENDER, page_of, read, text_of


def alerted(**changes: Any) -> EmailMessage:
    alert = Alert(
        id="dlv_5",
        at=AT,
        workspace_name="Shop Inc",
        agent_name="Support AI",
        channel=DeliveryChannel.WEBHOOK,
        target="https://hooks.example.com/baton",
        why="503 Service\r\nUnavailable <b>",
        link=LINK,
        failing_since=AT - timedelta(days=3, hours=4, minutes=10),
        docs="https://docs.example.com/webhooks",
    )
    return read(compose_alert(replace(alert, **changes), sender=SENDER, recipient="ann@example.com"))


def test_admins_are_alerted_to_a_failing_target() -> None:
    message = alerted()
    target = "https://hooks.example.com/baton"
    assert message["Subject"] == f"Notifications do not arrive: the webhook {target}"
    page, plain = page_of(message), text_of(message)
    [lead] = page.texts["lead"]
    assert lead.startswith(f"Baton could not deliver to the webhook {target} for 3 days and 4 hours.")
    facts = dict(zip(page.texts["th"], page.texts["td"], strict=True))
    assert facts == {
        "Target": target,
        "Failing since": "1 March 2026, 10:20 UTC",
        "Last answer": "503 Service Unavailable <b>",
        "AI agent": "Support AI (Shop Inc)",
    }
    assert page.texts["li"][-2:] == [
        "Retry the failed deliveries in the dashboard.",
        "Read more: https://docs.example.com/webhooks",
    ]
    assert page.links == [LINK]
    assert "\n3. Retry the failed deliveries in the dashboard.\n" in plain
    assert f"Open the deliveries:\n{LINK}\n" in plain
    assert "ann@example.com is an admin of Shop Inc" in plain


def test_alert_about_a_first_failure_names_no_duration() -> None:
    page = page_of(alerted(failing_since=AT))
    [lead] = page.texts["lead"]
    assert lead.startswith("Baton could not deliver to the webhook https://hooks.example.com/baton. Failed ")


def test_admins_are_alerted_to_a_disabled_endpoint() -> None:
    message = alerted(disabled=True, why="410 Gone", failing_since=None, docs=None)
    assert str(message["Subject"]).startswith("Switched off: the webhook https://hooks.example.com")
    page = page_of(message)
    assert page.texts["lead"][0].startswith("Baton has switched off the webhook ")
    assert "Failing since" not in page.texts["th"]
    assert "410 Gone" in page.texts["td"]
    assert "Switch it on again in the settings." in page.texts["li"]
    assert not [step for step in page.texts["li"] if step.startswith("Read more")]


def test_alerts_of_one_target_are_a_thread() -> None:
    same, other = alerted(id="dlv_6", why=None), alerted(target="https://elsewhere.example.com")
    assert alerted()["References"] == same["References"] != other["References"]
    assert alerted()["Message-ID"] != same["Message-ID"]
    for channel in DeliveryChannel:
        assert alerted(channel=channel, target="x" * 2_000)["Subject"]
