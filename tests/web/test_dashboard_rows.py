"""The rows of the list: what a search keeps."""

import re

from playwright.sync_api import Page, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate


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
