"""Texts that are not sent yet: they stay where they were written, and no other member gets them."""

import json

from playwright.sync_api import Dialog, Page, Route, expect

from tests.support.baton_client import PASSWORD, Workspace
from tests.support.dashboard_page import DashboardPage, escalate, sign_out
from tests.web.conftest import Visit

READ_DRAFTS = "() => Object.keys(localStorage).filter((name) => name.includes(':draft:'))"


def open_conversation(page: Page, workspace: Workspace) -> tuple[DashboardPage, str]:
    """Sign in on a conversation without an escalation."""
    conversation: str = workspace.start(customer={"name": "Grace Hopper"})["conversation"]["id"]
    workspace.key.record(conversation, "USER", "Where is my parcel?")
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/conversations/{conversation}")
    expect(dashboard.log.get_by_text("Where is my parcel?")).to_be_visible()
    dashboard.expect_live()
    return dashboard, conversation


def test_reply_stays_in_its_box_when_the_customer_asks_for_a_person(
    page: Page, visit: Visit, shop_workspace: Workspace
) -> None:
    visitor = visit(on=page.context.new_page())
    conversation = visitor.begin("Where is my parcel?")
    dashboard = DashboardPage(page, shop_workspace).sign_in(path=f"/conversations/{conversation}")
    dashboard.expect_live()
    dashboard.reply.fill("It is on its way.")
    visitor.human_button.click()
    opened = page.get_by_role("button", name="Open the escalation")
    expect(opened).to_be_visible()
    expect(dashboard.reply).to_have_value("It is on its way.")
    opened.click()
    page.wait_for_url("**/escalations/esc_*")
    # The former screen is hidden while the next one is fetched, and takes no key.
    expect(opened).to_have_count(0)
    expect(dashboard.reply).to_be_visible()
    expect(dashboard.reply).to_have_value("It is on its way.")
    dashboard.reply.press("Control+Enter")
    visitor.wait_until(lambda: "It is on its way." in visitor.bubbles(), "the reply in the widget")
    expect(dashboard.reply).to_have_value("")
    assert page.evaluate(READ_DRAFTS) == []


def test_reply_outlasts_the_escalation_that_it_was_written_in(page: Page, workspace: Workspace) -> None:
    first, conversation = escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{first}")
    dashboard.reply.fill("Half a sentence")
    workspace.key.resolve(first)
    expect(dashboard.reply).to_have_count(0)
    second = workspace.key.escalate(conversation)["escalation"]["id"]
    dashboard.goto(f"/escalations/{second}")
    expect(dashboard.reply).to_have_value("Half a sentence")


def test_reply_that_raised_an_escalation_unheard_is_sent_once(page: Page, workspace: Workspace) -> None:
    dashboard, conversation = open_conversation(page, workspace)

    def lose_answer(route: Route) -> None:
        if "replyToConversation" in (route.request.post_data or ""):
            route.fetch()
            route.abort()
        else:
            route.fallback()

    page.route("**/graphql", lose_answer)
    dashboard.reply.fill("It is on its way.")
    dashboard.reply.press("Control+Enter")
    expect(page.get_by_text("Not sent.")).to_be_visible()
    expect(page.get_by_role("button", name="Open the escalation")).to_be_visible()
    page.unroute("**/graphql")
    dashboard.reply.press("Control+Enter")
    expect(dashboard.reply).to_have_value("")
    humans = [row["content"] for row in workspace.key.messages(conversation) if row["role"] == "HUMAN"]
    assert humans == ["It is on its way."]


def test_member_who_signs_in_next_gets_no_text_of_the_last_one(page: Page, workspace: Workspace) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    workspace.member("bea@example.com")
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{escalation}")
    dashboard.reply.fill("Your card ends in 4242.")
    page.get_by_role("button", name="Internal note").click()
    dashboard.note.fill("Suspicious.")
    sign_out(page)
    kept = json.dumps(page.evaluate("({ ...localStorage, ...sessionStorage })"))
    assert "4242" not in kept
    assert "Suspicious" not in kept
    dashboard.sign_in("bea@example.com", f"/escalations/{escalation}")
    expect(dashboard.reply).to_have_value("")
    page.get_by_role("button", name="Internal note").click()
    expect(dashboard.note).to_have_value("")


def test_text_deleted_by_signing_out_is_gone_from_a_page_that_stays_open(
    page: Page, workspace: Workspace
) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{escalation}")
    dashboard.reply.fill("Your card ends in 4242.")
    page.get_by_role("button", name="Internal note").click()
    dashboard.note.fill("Suspicious.")
    page.get_by_role("link", name="Escalation rules").click()
    page.get_by_role("slider", name="Threshold").fill("41")
    # The browser asks before it leaves unsaved changes, and the member stays.
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        if dialog.type == "beforeunload":
            dialog.dismiss()
        else:
            dialog.accept()

    page.on("dialog", answer)
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("menuitem", name="Sign out").click()
    ended = page.get_by_role("dialog", name="Your session has ended")
    ended.get_by_label("Password").fill(PASSWORD)
    assert page.evaluate(READ_DRAFTS) == []
    ended.get_by_role("button", name="Sign in").click()
    expect(ended).to_have_count(0)
    page.get_by_role("navigation").get_by_role("link", name="Escalations").first.click()
    dashboard.row("Grace Hopper").get_by_role("link").click()
    expect(dashboard.reply).to_have_value("")
    page.get_by_role("button", name="Internal note").click()
    expect(dashboard.note).to_have_value("")
    assert page.evaluate(READ_DRAFTS) == []
    assert asked == ["beforeunload", "confirm"]


def test_text_of_an_ended_session_comes_back_for_its_author_only(page: Page, workspace: Workspace) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    workspace.member("bea@example.com")
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{escalation}")
    dashboard.reply.fill("A long answer")
    workspace.end_sessions()
    dashboard.sign_in("bea@example.com", f"/escalations/{escalation}")
    expect(dashboard.reply).to_have_value("")
    workspace.end_sessions()
    dashboard.sign_in(path=f"/escalations/{escalation}")
    expect(dashboard.reply).to_have_value("A long answer")


def test_text_that_an_earlier_version_kept_without_its_author_is_deleted(
    page: Page, workspace: Workspace
) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in()
    draft = json.dumps({"text": "Whose is this?", "idempotencyKey": "1", "seen": 0})
    name = f"baton-dashboard:draft:reply:{escalation}"
    page.evaluate("([name, draft]) => localStorage.setItem(name, draft)", [name, draft])
    dashboard.goto(f"/escalations/{escalation}")
    expect(dashboard.reply).to_have_value("")
    assert page.evaluate(READ_DRAFTS) == []
