"""Rows that are removed from a list: never two by one double click, and the focus stays in the list."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, draw_late, escalate, keep_picture, save_reply
from tests.support.held_calls import HeldCalls

NAMES = ("Ant", "Bee", "Cat")
NOT_COUNTED = "The first click changed what is under the pointer. Click again to use it."

# The name of each list in the settings, and the name of the first button that removes a row.
LISTS = {
    "Topics": "Remove the topic Ant",
    "Holidays of your own": "Remove Ant",
    "Monday": "Remove 01:00 to 02:00 on Monday",
    "Texts in other languages": "Remove de",
}


def _fill_lists(workspace: Workspace) -> None:
    """Give each list of the settings three rows."""
    workspace.key.settings(
        workspace.agent_id,
        triggers={"topics": [{"name": name, "keywords": [name]} for name in NAMES]},
        sla={
            "businessHours": {
                "timezone": "UTC",
                "week": [
                    {"day": "MONDAY", "opens": f"0{hour}:00", "closes": f"0{hour + 1}:00"}
                    for hour in (1, 3, 5)
                ],
                "holidays": [{"date": f"2030-01-0{day}", "name": name} for day, name in enumerate(NAMES, 1)],
            }
        },
        widget={"texts": [{"language": language, "greeting": "…"} for language in ("de", "es", "fr")]},
    )


def _click_again(page: Page, times: int) -> None:
    """Click where the pointer is, in quick succession."""
    for number in range(1, times + 1):
        page.mouse.down(click_count=number)
        page.mouse.up(click_count=number)


def _rows(group: Locator) -> Locator:
    return group.locator("[role=group], details")


@pytest.mark.parametrize("name", LISTS)
def test_double_click_removes_one_row_of_the_settings(page: Page, workspace: Workspace, name: str) -> None:
    _fill_lists(workspace)
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    group = page.get_by_role("group", name=name, exact=True)
    expect(_rows(group)).to_have_count(3)
    if name.startswith("Texts"):
        group.get_by_text("de", exact=True).click()
    group.get_by_role("button", name=LISTS[name]).dblclick()
    expect(page.get_by_role("status", name="Notices")).to_contain_text(
        LISTS[name].replace("Remove", "Removed")
    )
    expect(_rows(group)).to_have_count(2)
    assert dashboard.errors == []


def test_quick_clicks_on_other_rows_and_a_third_click_count(page: Page, workspace: Workspace) -> None:
    _fill_lists(workspace)
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    holidays = page.get_by_role("group", name="Holidays of your own", exact=True)
    for name in ("Cat", "Bee"):
        holidays.get_by_role("button", name=f"Remove {name}").click()
    expect(_rows(holidays)).to_have_count(1)
    topics = page.get_by_role("group", name="Topics", exact=True)
    topics.get_by_role("button", name="Remove the topic Ant").hover()
    _click_again(page, 3)
    expect(page.get_by_text(NOT_COUNTED)).to_be_visible()
    expect(_rows(topics)).to_have_count(1)
    expect(page.get_by_text("2 changes not saved")).to_be_visible()
    assert dashboard.errors == []


def test_quick_presses_by_keyboard_count(page: Page, workspace: Workspace) -> None:
    _fill_lists(workspace)
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    topics = page.get_by_role("group", name="Topics", exact=True)
    for name in NAMES:
        topics.get_by_role("button", name=f"Remove the topic {name}").press("Enter")
    expect(_rows(topics)).to_have_count(0)
    assert dashboard.errors == []


@pytest.mark.parametrize("name", LISTS)
def test_removal_by_keyboard_goes_to_the_next_row_and_at_last_to_the_list(
    page: Page, workspace: Workspace, name: str
) -> None:
    _fill_lists(workspace)
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    group = page.get_by_role("group", name=name, exact=True)
    rows = _rows(group)
    for left in (2, 1, 0):
        if name.startswith("Texts"):
            rows.first.locator("summary").click()
        rows.first.get_by_role("button", name=re.compile("^Remove")).press("Enter")
        expect(rows).to_have_count(left)
        expect(rows.first if left else group).to_be_focused()
        page.keyboard.press("Enter")
        expect(rows).to_have_count(left)
    expect(page.get_by_text("1 change not saved")).to_be_visible()
    assert dashboard.axe() == []
    assert dashboard.errors == []


@pytest.mark.parametrize("is_late", [False, True], ids=["frames in time", "late frames"])
def test_saved_reply_that_is_deleted_leaves_the_focus_on_the_next_one(
    page: Page, workspace: Workspace, is_late: bool
) -> None:
    if is_late:
        draw_late(page)
    for name in NAMES:
        save_reply(workspace, name, f"About {name}")
    dashboard = DashboardPage(page, workspace).sign_in(path="/saved-replies")
    page.get_by_role("button", name="Delete Ant").press("Enter")
    dialog = page.get_by_role("dialog", name="Delete Ant?")
    dialog.get_by_role("button", name="Cancel").press("Enter")
    expect(page.get_by_role("button", name="Delete Ant")).to_be_focused()
    page.get_by_role("button", name="Delete Ant").press("Enter")
    keep_picture(page, "question before a saved reply is deleted")
    dialog.get_by_role("button", name="Delete").press("Enter")
    expect(page.get_by_text("Deleted Ant")).to_be_visible()
    expect(page.get_by_role("button", name="Delete Ant")).to_have_count(0)
    expect(page.get_by_role("listitem").filter(has_text="About Bee")).to_be_focused()
    assert dashboard.errors == []


def _open_reviews(page: Page, workspace: Workspace) -> tuple[DashboardPage, Locator]:
    """Return the analytics, and the rows of the escalations that wait for a review."""
    for name in NAMES:
        escalation, _ = escalate(workspace, name)
        workspace.key.resolve(escalation)
    dashboard = DashboardPage(page, workspace).sign_in(path="/analytics")
    waiting = page.get_by_role("listitem").filter(has=page.get_by_role("button"))
    expect(waiting).to_have_count(3)
    return dashboard, waiting


def test_review_of_an_escalation_leaves_the_focus_on_the_next_one(page: Page, workspace: Workspace) -> None:
    dashboard, waiting = _open_reviews(page, workspace)
    waiting.first.get_by_role("button").first.press("Enter")
    expect(waiting).to_have_count(2)
    expect(waiting.first).to_be_focused()
    assert dashboard.errors == []


def test_quick_reviews_of_several_escalations_all_count(page: Page, workspace: Workspace) -> None:
    dashboard, waiting = _open_reviews(page, workspace)
    calls = HeldCalls(page, "SetDisposition")
    for name in NAMES:
        waiting.filter(has_text=name).get_by_role("button").first.dblclick()
    dashboard.wait_until(lambda: calls.count == 3, "the calls")
    calls.release()
    expect(waiting).to_have_count(0)
    expect(page.get_by_text("Everything is reviewed.")).to_be_visible()
    assert calls.count == 3
    assert dashboard.errors == []
