"""The focus of a member who uses the keyboard: it is never lost when what had it goes."""

from playwright.sync_api import Page, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, draw_late, escalate, save_reply


def test_focus_stays_on_the_page_after_resolving_and_after_undo(page: Page, workspace: Workspace) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{escalation}")
    main = page.get_by_role("main")
    page.get_by_role("button", name="Resolve", exact=True).press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Resolve").press("Enter")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    expect(main).to_be_focused()
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    expect(main).to_be_focused()
    assert dashboard.errors == []


def test_focus_is_in_the_box_after_its_button_is_pressed(page: Page, workspace: Workspace) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{escalation}")
    dashboard.reply.fill("It is on its way.")
    page.get_by_role("button", name="Send reply").press("Enter")
    expect(dashboard.log).to_contain_text("It is on its way.")
    expect(dashboard.reply).to_be_focused()
    page.get_by_role("button", name="Internal note").click()
    dashboard.note.fill("Asked the carrier.")
    page.get_by_role("button", name="Add note").press("Enter")
    expect(dashboard.note).to_have_value("")
    expect(dashboard.note).to_be_focused()
    assert dashboard.errors == []


def test_keys_after_those_of_the_boxes_are_typed_into_the_box(page: Page, workspace: Workspace) -> None:
    save_reply(workspace, "Hello", "Hello {customer},")
    escalation, _ = escalate(workspace, "Grace Hopper")
    draw_late(page)
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{escalation}")
    expect(dashboard.reply).to_be_visible()
    page.keyboard.type("nAsked the carrier.")
    expect(dashboard.note).to_have_value("Asked the carrier.")
    dashboard.note.press("Escape")
    page.keyboard.type("r/hel")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.type("\n it is on its way.")
    expect(dashboard.reply).to_have_value("Hello Grace Hopper, it is on its way.")
    assert dashboard.errors == []
