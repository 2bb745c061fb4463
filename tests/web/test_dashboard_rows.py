"""The rows of the list: what they say without colour, on phones and in every script, and their focus."""

import re

from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate, keep_picture

FOCUSED = "document.activeElement.textContent"


def _is_in_sight(part: Locator) -> bool:
    """Return whether the part is on a screen of 360 pixels, and not hidden for all but screen readers."""
    box = part.bounding_box()
    return box is not None and box["width"] > 8 and box["x"] >= 0 and box["x"] + box["width"] <= 360


def _phone(browser: Browser, touch: bool = False) -> Page:
    size: ViewportSize = {"width": 360, "height": 640}
    return browser.new_context(locale="en-US", viewport=size, has_touch=touch, is_mobile=touch).new_page()


def test_search_keeps_the_space_before_the_next_word(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "Late Order")
    escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in()
    expect(dashboard.rows).to_have_count(2)
    box = page.get_by_label("Search escalations")
    box.press_sequentially("late ")
    expect(dashboard.rows).to_have_count(1)
    box.press_sequentially("order")
    page.wait_for_url(re.compile(r"q=late(\+|%20)order"))
    expect(box).to_have_value("late order")
    expect(dashboard.row("Late Order")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Unassigned")).click()
    expect(box).to_have_value("late order")
    page.go_back()
    expect(box).to_have_value("late order")


def test_search_of_conversations_keeps_the_space_before_the_next_word(
    page: Page, workspace: Workspace
) -> None:
    escalate(workspace, "Late Order")
    DashboardPage(page, workspace).sign_in(path="/conversations")
    box = page.get_by_label("Search conversations")
    box.press_sequentially("late ")
    page.wait_for_url("**/conversations?*q=late*")
    box.press_sequentially("order")
    page.wait_for_url(re.compile(r"q=late(\+|%20)order"))
    expect(box).to_have_value("late order")


def test_row_at_risk_says_so_in_words(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "On Track")
    # After three seconds.
    workspace.key.settings(workspace.agent_id, sla={"targetResponseMinutes": 5, "atRiskPercent": 1})
    escalate(workspace, "At Risk")
    dashboard = DashboardPage(page, workspace).sign_in()
    expect(dashboard.row("At Risk").locator("[data-sla]")).to_contain_text("At risk")
    expect(dashboard.row("On Track").locator("[data-sla]")).not_to_contain_text("At risk")
    for width in (1280, 900, 800, 360):
        page.set_viewport_size({"width": width, "height": 700})
        badge = dashboard.row("At Risk").locator("[data-sla]")
        cell = badge.locator("xpath=..")
        inner, outer = badge.locator(":scope > *").bounding_box(), cell.bounding_box()
        assert inner
        assert outer
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1, width


def test_return_to_the_list_focuses_the_row_that_was_opened(page: Page, workspace: Workspace) -> None:
    for number in range(12):
        escalate(workspace, f"Customer {number:02}")
    dashboard = DashboardPage(page, workspace).sign_in(path="/escalations?sort=oldest")
    expect(dashboard.rows).to_have_count(12)
    for _ in range(10):
        page.keyboard.press("j")
    page.keyboard.press("x")
    assert page.evaluate(FOCUSED) == "Customer 09"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Customer 09")).to_be_visible()
    dashboard.wait_until(lambda: page.evaluate("document.activeElement.id") == "main", "the focus")
    page.keyboard.press("Escape")
    dashboard.wait_until(lambda: page.evaluate(FOCUSED) == "Customer 09", "the focus on the row")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("j")
    assert page.evaluate(FOCUSED) == "Customer 10"
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert page.evaluate(FOCUSED) == "Customer 00"


def test_row_opened_by_the_pointer_does_not_hold_the_list(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "First")
    escalate(workspace, "Second")
    dashboard = DashboardPage(page, workspace).sign_in(path="/escalations?sort=newest")
    dashboard.row("First").get_by_role("link").click()
    page.get_by_role("button", name="Back to the list").click()
    dashboard.expect_moving_list("Third", 3)
    page.keyboard.press("j")
    assert page.evaluate(FOCUSED) == "First"


def test_row_on_a_phone_shows_priority_status_and_age(browser: Browser, workspace: Workspace) -> None:
    page = _phone(browser, touch=True)
    escalate(workspace, "Grace Hopper", priority="URGENT", assignTo=workspace.email)
    escalate(workspace, "Alan Turing")
    dashboard = DashboardPage(page, workspace).sign_in()
    for name, parts in {"Grace Hopper": ("Open",), "Alan Turing": ("Open", "Claim")}.items():
        row = dashboard.row(name)
        assert _is_in_sight(row.get_by_role("img", name=re.compile("^Priority")))
        assert all(_is_in_sight(row.get_by_text(text, exact=True)) for text in parts)
        assert _is_in_sight(row.locator("[data-sla]"))
        assert _is_in_sight(row.get_by_text("now", exact=True))
    first, second = (dashboard.rows.nth(index).bounding_box() for index in (0, 1))
    assert first
    assert second
    assert abs(first["y"] - second["y"]) >= first["height"]
    keep_picture(page, "phone rows")
    page.context.close()


def test_views_and_search_of_conversations_on_a_phone_are_whole(
    browser: Browser, workspace: Workspace
) -> None:
    page = _phone(browser)
    DashboardPage(page, workspace).sign_in(path="/conversations")
    views = page.get_by_role("navigation", name="Views")
    expect(views.get_by_role("link")).to_have_count(4)
    keep_picture(page, "phone conversations")
    assert views.evaluate("(views) => views.scrollWidth <= views.clientWidth")
    assert all(_is_in_sight(view) for view in views.get_by_role("link").all())
    title = page.get_by_role("heading", name="Conversations", level=1).bounding_box()
    search = page.get_by_label("Search conversations").bounding_box()
    assert title
    assert search
    assert search["x"] == title["x"]
    page.context.close()


def test_address_of_a_customer_is_legible_next_to_the_navigation(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "Grace Hopper")
    DashboardPage(page, workspace).sign_in(path="/conversations")
    page.set_viewport_size({"width": 768, "height": 900})
    address = page.get_by_text("grace.hopper@example.com")
    expect(address).to_be_visible()
    assert address.evaluate("(part) => part.clientWidth / part.scrollWidth") > 0.9


def test_keys_on_a_phone_do_not_widen_the_page(browser: Browser, workspace: Workspace) -> None:
    page = _phone(browser)
    DashboardPage(page, workspace).sign_in(path="/api-keys")
    expect(page.get_by_role("table")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.context.close()


def test_text_of_customers_runs_in_its_own_direction(page: Page, workspace: Workspace) -> None:
    arabic = "محمد بن عبد الله (VIP)"
    started = workspace.start(customer={"name": arabic, "email": "m@example.com"})
    conversation = started["conversation"]["id"]
    workspace.key.record(conversation, "USER", "مرحبا")
    workspace.key.escalate(conversation, reason="أين طلبي؟ لم يصل بعد.")
    dashboard = DashboardPage(page, workspace).sign_in()
    parts = {"name": dashboard.row(arabic).get_by_role("link"), "reason": page.get_by_text("أين طلبي")}
    directions = {
        name: part.evaluate("part => getComputedStyle(part).direction") for name, part in parts.items()
    }
    assert directions == {"name": "rtl", "reason": "rtl"}
