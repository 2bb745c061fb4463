"""Pages that the browser has kept: the widget on one, and what a member has left."""

from playwright.sync_api import Page, expect

from tests.support.baton_client import Server, Workspace
from tests.support.dashboard_page import DashboardPage, escalate, sign_out
from tests.support.web_site import WebSite, shop
from tests.support.widget_page import Team
from tests.web.conftest import Visit

IN_WINDOW = True
QUESTION = "Where is my parcel?"


def test_page_from_the_back_forward_cache_catches_up(visit: Visit, team: Team, site: WebSite) -> None:
    visitor = visit()
    conversation = visitor.begin(QUESTION)
    visitor.page.evaluate("window.addEventListener('pageshow', (e) => { kept = e.persisted })")
    visitor.page.goto(site.add(shop("")))
    team.answer(conversation, "It is on its way.")
    visitor.page.go_back(wait_until="commit")
    visitor.wait_until(lambda: visitor.page.evaluate("window.kept"), "the page from the cache")
    visitor.expect_bubbles("Hello!", QUESTION, "It is on its way.")
    assert visitor.console == []


def test_pages_of_a_member_who_has_signed_out_do_not_come_back(
    page: Page, graphiql: Server, workspace: Workspace
) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    page.add_init_script("window.addEventListener('pageshow', (e) => console.log('kept', e.persisted))")
    dashboard = DashboardPage(page, workspace, f"{graphiql.url}/app").sign_in(
        path=f"/escalations/{escalation}"
    )
    expect(dashboard.log.get_by_text("Hello, this is Grace Hopper.")).to_be_visible()
    page.goto(f"{graphiql.url}/graphql")
    editor = page.get_by_label("Query Editor")
    editor.locator(".CodeMirror").evaluate("(editor) => editor.CodeMirror.setValue('{ agents { name } }')")
    page.wait_for_function("() => localStorage.getItem('graphiql:tabState')?.includes('agents')")
    dashboard.goto(f"/escalations/{escalation}")
    dashboard.reply.fill("Your card ends in 4242.")
    sign_out(page)

    for shown in (
        page.get_by_role("heading", name="Sign in"),
        editor.get_by_text("Operations run with your session"),
        page.get_by_role("heading", name="Sign in"),
    ):
        page.go_back(wait_until="commit")
        expect(shown).to_be_visible()
        expect(page.get_by_text("Grace Hopper")).to_have_count(0)
        expect(page.get_by_text("agents")).to_have_count(0)
    assert dashboard.console.count("log: kept true") >= 3


def test_page_that_comes_back_for_the_same_member_stays_as_it_was(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in()
    expect(dashboard.row("Grace Hopper")).to_be_visible()
    page.evaluate("window.addEventListener('pageshow', (e) => { window.kept = e.persisted })")
    page.goto("about:blank")
    with page.expect_response(lambda response: "CurrentViewer" in (response.request.post_data or "")):
        page.go_back(wait_until="commit")
    dashboard.expect_live()
    assert page.evaluate("window.kept")
