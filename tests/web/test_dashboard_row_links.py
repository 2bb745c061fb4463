"""Rows that open like the link in them, wherever their text is clicked."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate

REASON = "The parcel is late"
ROWS = {"/escalations": "[data-id]", "/conversations": "main li"}


def _row(page: Page, path: str) -> Locator:
    row = page.locator(ROWS[path]).filter(has_text="Grace Hopper")
    expect(row).to_be_visible()
    return row


def _text(row: Locator, path: str) -> Locator:
    """Return a text of the row that is no link."""
    return row.get_by_text(REASON if path == "/escalations" else "grace.hopper@example.com")


@pytest.fixture(params=ROWS)
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def dashboard(page: Page, workspace: Workspace, path: str) -> DashboardPage:
    escalate(workspace, "Grace Hopper", reason=REASON)
    page.set_viewport_size({"width": 1280, "height": 760})
    return DashboardPage(page, workspace).sign_in(path=path)


Place = Callable[[Page, str], Locator]
PLACES: dict[str, Place] = {
    "text": lambda page, path: _text(_row(page, path), path),
    "time": lambda page, path: _row(page, path).get_by_text("now", exact=True),
    "status": lambda page, path: _row(page, path).get_by_text(re.compile("^Open$|^Team has control")),
}


@pytest.mark.parametrize("place", PLACES)
def test_click_on_the_text_of_a_row_opens_it(
    page: Page, dashboard: DashboardPage, path: str, place: str
) -> None:
    PLACES[place](page, path).click()
    page.wait_for_url(f"**{path}/*")
    expect(page.get_by_role("heading", name="Grace Hopper")).to_be_visible()
    page.go_back()
    _row(page, path)
    assert dashboard.errors == []


@pytest.mark.parametrize("keys", ["Control", "Meta", "middle"])
def test_click_for_a_new_tab_opens_the_row_in_one(
    page: Page, dashboard: DashboardPage, path: str, keys: str
) -> None:
    text = _text(_row(page, path), path)
    with page.context.expect_page() as opened:
        if keys == "middle":
            text.click(button="middle")
        else:
            text.click(modifiers=["Control" if keys == "Control" else "Meta"])
    opened.value.wait_for_url(f"**{path}/*")
    assert page.url.endswith(path)
    assert len(page.context.pages) == 2


def test_text_of_a_row_that_is_selected_does_not_open_it(
    page: Page, dashboard: DashboardPage, path: str
) -> None:
    text = _text(_row(page, path), path)
    box = text.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, middle, steps=4)
    page.mouse.up()
    selected = page.evaluate("getSelection().toString()")
    assert selected
    assert page.url.endswith(path)
    # The next click ends the selection, and counts.
    text.click()
    page.wait_for_url(f"**{path}/*")


def test_other_controls_of_a_row_do_not_open_it(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in()
    row = dashboard.row("Grace Hopper")
    box = row.get_by_role("checkbox")
    box.click()
    expect(box).to_be_checked()
    around = box.locator("xpath=..").bounding_box()
    assert around
    page.mouse.click(around["x"] + around["width"] - 1, around["y"] + around["height"] / 2)
    row.get_by_role("button", name="Actions for Grace Hopper").click()
    page.get_by_role("menuitem", name="Priority…").dblclick()
    expect(page.get_by_role("dialog", name="Set the priority")).to_be_visible()
    page.keyboard.press("Escape")
    row.get_by_role("button", name="Claim Grace Hopper").dblclick()
    expect(row.get_by_text("Ada")).to_be_visible()
    assert page.url.endswith("/escalations")
    assert dashboard.axe() == []
    assert dashboard.errors == []


def test_badge_of_a_conversation_leads_to_its_escalation(page: Page, workspace: Workspace) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in(path="/conversations")
    _row(page, "/conversations").get_by_role("link", name="Escalation: Open").click()
    page.wait_for_url(f"**/escalations/{escalation}")
    assert dashboard.errors == []


def test_row_opened_by_its_text_does_not_hold_the_list(page: Page, workspace: Workspace) -> None:
    for name in ("First", "Second"):
        escalate(workspace, name, reason=REASON)
    dashboard = DashboardPage(page, workspace).sign_in(path="/escalations?sort=newest")
    # In a page without earlier input, the focus of a script counts as one of the keyboard.
    page.reload()
    dashboard.row("First").get_by_text(REASON).click()
    expect(page.get_by_role("heading", name="First")).to_be_visible()
    page.keyboard.press("Escape")
    dashboard.expect_moving_list("Third", 3)
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == "First"
