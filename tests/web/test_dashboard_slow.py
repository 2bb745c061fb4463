"""A slow network: what is pressed twice is done once, and what is written meanwhile stays."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate
from tests.support.held_calls import HeldCalls

# The screen, the button that opens the form, what is typed into its fields, and the button that sends it.
FORMS = {
    "/api-keys": ("Create a key", {"Name": "Shop"}, "Create"),
    "/saved-replies": ("New reply", {"Shortcut": "shop", "Title": "Shop", "Text": "Hello"}, "Save"),
    "/team": ("Invite", {"Name": "Bea", "Email": "bea@example.com"}, "Create the invitation"),
    "/settings/webhooks": ("Add an endpoint", {"URL": "http://127.0.0.1:9/shop"}, "Add"),
}


@pytest.mark.parametrize("path", FORMS)
def test_form_that_is_sent_twice_creates_one(page: Page, workspace: Workspace, path: str) -> None:
    opener, fields, button = FORMS[path]
    dashboard = DashboardPage(page, workspace).sign_in(path=path)
    page.get_by_role("button", name=opener).click()
    dialog = page.get_by_role("dialog")
    for label, text in fields.items():
        dialog.get_by_label(label, exact=True).fill(text)
    calls = HeldCalls(page, "Create")
    dialog.get_by_role("button", name=button, exact=True).dblclick()
    dashboard.wait_until(lambda: calls.count, "the call")
    calls.release()
    expect(dialog).to_have_count(0)
    assert calls.count == 1
    assert dashboard.errors == []


@pytest.mark.parametrize("place", ["list", "escalation"])
def test_claim_that_is_pressed_twice_is_sent_once(page: Page, workspace: Workspace, place: str) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    path = f"/escalations/{escalation}" if place == "escalation" else "/escalations"
    dashboard = DashboardPage(page, workspace).sign_in(path=path)
    calls = HeldCalls(page, "ClaimEscalation")
    claim = page.get_by_role("button", name=re.compile("^Claim"))
    claim.dblclick()
    dashboard.wait_until(lambda: calls.count, "the call")
    calls.release()
    expect(claim).to_have_count(0)
    assert calls.count == 1
    assert dashboard.errors == []


def test_text_that_is_written_while_a_reply_is_sent_is_the_next_draft(
    page: Page, workspace: Workspace
) -> None:
    escalation, conversation = escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{escalation}")
    calls = HeldCalls(page, "Reply(")
    dashboard.reply.fill("It is on its way.")
    dashboard.reply.press("Control+Enter")
    dashboard.wait_until(lambda: calls.count, "the call")
    dashboard.reply.press("Control+End")
    page.keyboard.type(" One more thing")
    calls.release()
    expect(dashboard.reply).to_have_value("One more thing")
    dashboard.reply.press("Control+Enter")
    expect(dashboard.reply).to_have_value("")
    humans = [row["content"] for row in workspace.key.messages(conversation) if row["role"] == "HUMAN"]
    assert humans == ["It is on its way.", "One more thing"]
    assert dashboard.errors == []
