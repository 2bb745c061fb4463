"""Resolutions from the list: undone while their notice is shown, sent when it closes or the page is left."""

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate

WHEN_UNDO_WOULD_END = 7_000


def _count_resolved(workspace: Workspace, escalations: list[str]) -> int:
    return [workspace.key.escalation(escalation)["status"] for escalation in escalations].count("RESOLVED")


def _resolve_all(dashboard: DashboardPage, note: str = "") -> None:
    dashboard.page.get_by_label("Select all rows").check()
    dashboard.page.keyboard.press("e")
    dashboard.page.get_by_label("Note for the team").fill(note)
    dashboard.page.keyboard.press("Control+Enter")
    expect(dashboard.page.get_by_role("button", name="Undo")).to_be_visible()


def _resolve_row(dashboard: DashboardPage, name: str, note: str = "") -> None:
    dashboard.row(name).get_by_role("link").focus()
    dashboard.page.keyboard.press("e")
    dashboard.page.get_by_label("Note for the team").fill(note)
    dashboard.page.keyboard.press("Control+Enter")
    expect(dashboard.page.get_by_role("dialog")).to_have_count(0)


@pytest.fixture
def list_of_rows(page: Page, workspace: Workspace) -> tuple[DashboardPage, list[str]]:
    """The list of ten escalations, in a browser whose clock can be moved forward."""
    escalations = [escalate(workspace, f"Customer {number}")[0] for number in range(10)]
    page.clock.install()
    dashboard = DashboardPage(page, workspace).sign_in()
    expect(dashboard.rows).to_have_count(10)
    return dashboard, escalations


# The long note takes most of what browsers let leave together with the page.
@pytest.mark.parametrize("note", ["", "漢" * 1_700], ids=["without a note", "with a long note"])
def test_left_page_resolves_all_selected_rows(
    list_of_rows: tuple[DashboardPage, list[str]], workspace: Workspace, note: str
) -> None:
    dashboard, escalations = list_of_rows
    _resolve_all(dashboard, note)
    assert _count_resolved(workspace, escalations) == 0
    dashboard.page.goto("about:blank")
    dashboard.wait_until(lambda: _count_resolved(workspace, escalations) == 10, "the end of all ten")


def test_page_with_more_than_can_leave_with_it_asks_first(
    list_of_rows: tuple[DashboardPage, list[str]], workspace: Workspace
) -> None:
    dashboard, escalations = list_of_rows
    questions: list[str] = []

    def stay(dialog: Dialog) -> None:
        questions.append(dialog.type)
        dialog.dismiss()

    dashboard.page.on("dialog", stay)
    _resolve_all(dashboard, "漢" * 2_000)
    dashboard.page.close(run_before_unload=True)
    dashboard.wait_until(lambda: questions == ["beforeunload"], "the question")
    dashboard.page.clock.fast_forward(WHEN_UNDO_WOULD_END)
    dashboard.wait_until(lambda: _count_resolved(workspace, escalations) == 10, "the end of all ten")


def test_page_left_while_calls_are_on_their_way_resolves_the_rest(
    list_of_rows: tuple[DashboardPage, list[str]], workspace: Workspace
) -> None:
    dashboard, escalations = list_of_rows
    held: list[str] = []
    # The calls that are sent first get no answer, as on a slow network.
    dashboard.page.route(
        "**/graphql",
        lambda route: (
            held.append(route.request.post_data or "")
            if "mutation ResolveEscalation(" in (route.request.post_data or "")
            else route.continue_()
        ),
    )
    _resolve_all(dashboard)
    dashboard.page.clock.fast_forward(WHEN_UNDO_WOULD_END)
    dashboard.wait_until(lambda: len(held) == 4, "the first calls")
    dashboard.page.goto("about:blank")
    dashboard.wait_until(lambda: _count_resolved(workspace, escalations) == 6, "the end of the rest")


def test_undo_under_the_pointer_works_however_late(
    list_of_rows: tuple[DashboardPage, list[str]], workspace: Workspace
) -> None:
    dashboard, escalations = list_of_rows
    page = dashboard.page
    _resolve_row(dashboard, "Customer 3")
    page.get_by_role("button", name="Undo").hover()
    page.clock.fast_forward(WHEN_UNDO_WOULD_END)
    page.get_by_role("button", name="Undo").focus()
    page.mouse.move(0, 0)
    page.clock.fast_forward(WHEN_UNDO_WOULD_END)
    expect(page.get_by_text("Resolving…")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Resolving…")).to_have_count(0)
    page.mouse.move(0, 0)
    page.clock.fast_forward(WHEN_UNDO_WOULD_END)
    _resolve_row(dashboard, "Customer 4")
    page.clock.fast_forward(WHEN_UNDO_WOULD_END)
    dashboard.wait_until(lambda: _count_resolved(workspace, escalations) == 1, "the end without an undo")
    assert workspace.key.escalation(escalations[3])["status"] == "OPEN"


def test_fourth_resolution_completes_the_first_whose_notice_goes(
    list_of_rows: tuple[DashboardPage, list[str]], workspace: Workspace
) -> None:
    dashboard, escalations = list_of_rows
    page = dashboard.page
    page.clock.pause_at(page.evaluate("Date.now()") + 1_000)
    for number in range(4):
        _resolve_row(dashboard, f"Customer {number}")
        page.clock.run_for(100)
    expect(page.get_by_role("button", name="Undo")).to_have_count(3)
    dashboard.wait_until(
        lambda: workspace.key.escalation(escalations[0])["status"] == "RESOLVED", "the end of the first"
    )
    assert _count_resolved(workspace, escalations) == 1


def test_note_of_an_undone_resolution_is_there_again(
    list_of_rows: tuple[DashboardPage, list[str]], workspace: Workspace
) -> None:
    dashboard, escalations = list_of_rows
    page = dashboard.page
    _resolve_row(dashboard, "Customer 5", "Refunded by hand.")
    page.keyboard.press("e")  # The focus is on the row, whose resolution waits already.
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    dashboard.row("Customer 5").get_by_role("link").focus()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("e")
    expect(page.get_by_label("Note for the team")).to_have_value("Refunded by hand.")
    page.keyboard.press("Escape")
    dashboard.row("Customer 6").get_by_role("link").focus()
    page.keyboard.press("e")
    expect(page.get_by_label("Note for the team")).to_have_value("")
    assert _count_resolved(workspace, escalations) == 0


def test_note_of_a_resolution_without_a_connection_is_there_again(
    list_of_rows: tuple[DashboardPage, list[str]], workspace: Workspace
) -> None:
    dashboard, escalations = list_of_rows
    page = dashboard.page
    dashboard.go_offline()
    _resolve_row(dashboard, "Customer 5", "Refunded by hand.")
    page.clock.fast_forward(WHEN_UNDO_WOULD_END)
    expect(page.get_by_text("The server did not answer. Check the connection.")).to_be_visible()
    page.context.set_offline(False)
    dashboard.row("Customer 5").get_by_role("link").focus()
    page.keyboard.press("e")
    expect(page.get_by_label("Note for the team")).to_have_value("Refunded by hand.")
    page.keyboard.press("Control+Enter")
    page.clock.fast_forward(WHEN_UNDO_WOULD_END)
    dashboard.wait_until(lambda: _count_resolved(workspace, escalations) == 1, "the second attempt")
    assert workspace.key.escalation(escalations[5])["resolution"]["note"] == "Refunded by hand."


@pytest.mark.parametrize("resume_on", ["HUMAN_REPLY", "RESOLUTION"])
def test_ai_is_kept_paused_only_where_it_is_paused(page: Page, workspace: Workspace, resume_on: str) -> None:
    workspace.key.settings(workspace.agent_id, ai={"resumeOn": resume_on})
    escalation, _ = escalate(workspace, "Ada Byron")
    workspace.member("bea@example.com").reply(escalation)
    dashboard = DashboardPage(page, workspace).sign_in(path="/escalations?tab=all")
    dashboard.row("Ada Byron").get_by_role("link").focus()
    page.keyboard.press("e")
    keep = page.get_by_label("Keep AI paused")
    if resume_on == "HUMAN_REPLY":
        expect(keep).to_be_disabled()
        expect(page.get_by_text("The AI answers again already.")).to_be_visible()
    else:
        expect(keep).to_be_enabled()
