"""The list of escalations in two browsers and against the server: always what a fresh load would show."""

import random
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate

PRIORITIES = ("LOW", "MEDIUM", "HIGH", "URGENT")
UPDATE = """mutation($input: UpdateEscalationInput!) {
    updateEscalation(input: $input) { escalation { id } } }"""
REOPEN = "mutation($id: ID!) { reopenEscalation(escalationId: $id) { escalation { id } } }"


def _read(dashboard: DashboardPage) -> dict[str, Any]:
    """Return what the screen says: the rows, their cells and the counts."""
    rows = "rows => rows.sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)"
    cells = (
        rows
        + """.map((row) => [row.dataset.id, row.querySelector("[data-row-link]").textContent,
        ...[...row.querySelectorAll('[role="cell"]')].slice(3, 5).map((cell) => cell.textContent),
        row.querySelector('[role="img"]').getAttribute("aria-label")])"""
    )
    counts = "spans => Object.fromEntries(spans.map((span) => [span.dataset.count, span.textContent]))"
    return {
        "rows": dashboard.rows.evaluate_all(cells),
        "counts": dashboard.page.locator("[data-count]").evaluate_all(counts),
    }


def _change_at_random(workspace: Workspace, chance: random.Random, escalations: list[str]) -> None:
    """Make one change that a colleague or a customer could make."""
    escalation = chance.choice(escalations)
    state = workspace.key.escalation(escalation)
    action = chance.choice(["create", "priority", "assign", "unassign", "reply", "resolve", "note"])
    if action == "create" and len(escalations) < 40:
        escalations.append(escalate(workspace, f"Customer {len(escalations)}")[0])
    elif state["status"] == "RESOLVED":
        workspace.key.ask(REOPEN, id=escalation)
    elif action == "reply":
        workspace.key.reply(escalation)
    elif action == "resolve":
        workspace.key.resolve(escalation)
    else:
        change = {
            "priority": {"priority": chance.choice(PRIORITIES)},
            "assign": {"assignTo": workspace.email},
            "unassign": {"assignTo": ""},
        }.get(action, {"note": "A note."})
        workspace.key.ask(UPDATE, input={"escalationId": escalation, **change})


@pytest.mark.timeout(600)
def test_list_after_500_random_events_equals_a_fresh_load(browser: Browser, workspace: Workspace) -> None:
    escalations = [escalate(workspace, f"Customer {number}")[0] for number in range(8)]
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 3000})
    watched = DashboardPage(context.new_page(), workspace).sign_in(path="/escalations?sort=priority")
    watched.expect_live()
    chance = random.Random(7)
    for _ in range(500):
        _change_at_random(workspace, chance, escalations)
    fresh = DashboardPage(context.new_page(), workspace).goto("/escalations?sort=priority")
    expect(fresh.rows.first).to_be_visible()
    fresh.expect_live()
    watched.wait_until(lambda: _read(watched) == _read(fresh), "the watched list to equal a fresh load")
    shown = _read(watched)
    context.close()
    assert len(shown["rows"]) > 3


def test_list_under_the_pointer_stands_still_and_offers_what_is_new(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "First")
    escalate(workspace, "Second")
    dashboard = DashboardPage(page, workspace).sign_in(path="/escalations?sort=newest")
    dashboard.expect_live()
    expect(dashboard.rows).to_have_count(2)
    dashboard.row("First").hover()
    for name in ("Third", "Fourth", "Fifth"):
        escalate(workspace, name)
    pill = page.get_by_role("button", name="3 new")
    expect(pill).to_be_visible()
    assert dashboard.names() == ["Second", "First"]
    # The button lies over the list, which does not move either when the pointer comes to it.
    pill.hover()
    escalate(workspace, "Sixth")
    pill = page.get_by_role("button", name="4 new")
    expect(pill).to_be_visible()
    assert dashboard.names() == ["Second", "First"]
    pill.click()
    expect(dashboard.rows).to_have_count(6)
    assert dashboard.names() == ["Sixth", "Fifth", "Fourth", "Third", "Second", "First"]


def test_list_with_the_focus_in_it_keeps_the_focused_row(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "First")
    escalate(workspace, "Second")
    dashboard = DashboardPage(page, workspace).sign_in(path="/escalations?sort=newest")
    dashboard.expect_live()
    expect(dashboard.rows).to_have_count(2)
    page.keyboard.press("j")
    page.keyboard.press("j")
    escalate(workspace, "Third")
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    assert page.evaluate("document.activeElement.textContent") == "First"
    page.keyboard.press("Escape")
    expect(dashboard.rows).to_have_count(3)


def test_keys_claim_prioritise_assign_and_resolve_from_the_list(page: Page, workspace: Workspace) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    workspace.member("bea@example.com")
    dashboard = DashboardPage(page, workspace).sign_in()
    expect(dashboard.rows).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("c")
    dashboard.wait_until(lambda: workspace.key.escalation(escalation)["assignee"], "the claim")
    page.keyboard.press("p")
    page.keyboard.type("urg")
    page.keyboard.press("Enter")
    dashboard.wait_until(lambda: workspace.key.escalation(escalation)["priority"] == "URGENT", "the priority")
    page.keyboard.press("a")
    page.keyboard.type("bea")
    page.keyboard.press("Enter")
    dashboard.wait_until(
        lambda: workspace.key.escalation(escalation)["assignee"]["email"] == "bea@example.com",
        "the assignment",
    )
    page.keyboard.press("e")
    page.get_by_label("Duplicate").check()
    page.get_by_label("Keep AI paused").check()
    page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    dashboard.wait_until(lambda: workspace.key.escalation(escalation)["status"] == "RESOLVED", "the end")
    resolution = workspace.key.escalation(escalation)["resolution"]
    assert (resolution["disposition"], resolution["keptAiPaused"]) == ("DUPLICATE", True)


def test_selected_rows_are_claimed_together(page: Page, workspace: Workspace) -> None:
    escalations = [escalate(workspace, f"Customer {number}")[0] for number in range(5)]
    dashboard = DashboardPage(page, workspace).sign_in(path="/escalations?tab=unassigned")
    expect(dashboard.rows).to_have_count(5)
    page.get_by_label("Select all rows").check()
    page.get_by_role("toolbar").get_by_role("button", name="Claim").click()
    expect(page.get_by_text("Claimed 5 escalations")).to_be_visible()
    assignees = {workspace.key.escalation(escalation)["assignee"]["email"] for escalation in escalations}
    assert assignees == {workspace.email}


def test_claim_that_comes_second_names_the_winner(page: Page, workspace: Workspace) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    bea = workspace.member("bea@example.com")
    dashboard = DashboardPage(page, workspace).sign_in()
    expect(dashboard.rows).to_have_count(1)
    # The page does not hear of the colleague's claim before its own.
    page.route("**/graphql", lambda route: _claim_first(route, bea, escalation))
    page.get_by_role("button", name="Claim Grace Hopper").click()
    expect(page.get_by_text("bea was first.")).to_be_visible()
    assert workspace.key.escalation(escalation)["assignee"]["email"] == "bea@example.com"


def _claim_first(route: Any, colleague: Any, escalation: str) -> None:
    if "claimEscalation" in (route.request.post_data or ""):
        claim = "mutation($id: ID!) { claimEscalation(escalationId: $id) { escalation { id } } }"
        colleague.post(claim, {"id": escalation})
    route.continue_()


def test_filters_and_search_stand_in_the_address(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "Grace Hopper", priority="URGENT")
    escalate(workspace, "Alan Turing", priority="LOW")
    dashboard = DashboardPage(page, workspace).sign_in()
    expect(dashboard.rows).to_have_count(2)
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("combobox", name="Priority").select_option(label="Urgent")
    expect(dashboard.rows).to_have_count(1)
    page.get_by_label("Search escalations").fill("Hopper")
    page.wait_for_url("**/escalations?*q=Hopper*")
    page.reload()
    expect(dashboard.row("Grace Hopper")).to_be_visible()
    expect(dashboard.rows).to_have_count(1)
    assert "priority=URGENT" in page.url


def test_new_escalation_counts_in_the_title_and_the_tabs(page: Page, workspace: Workspace) -> None:
    dashboard = DashboardPage(page, workspace).sign_in()
    expect(page.get_by_text("No customer waits")).to_be_visible()
    dashboard.expect_live()
    escalate(workspace, "Grace Hopper")
    expect(dashboard.row("Grace Hopper")).to_be_visible()
    expect(page).to_have_title("(1) Escalations · Baton")
    expect(page.locator('[data-count="unassigned"]')).to_have_text("1")
