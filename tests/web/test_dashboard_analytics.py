"""The examples of the top reasons: on request, of the same AI agent and period, and each a link."""

import re
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Route, expect

from rules.typeid import ESCALATION, parse_id
from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate, keep_picture

REASON = "refund of a parcel"
FIRST_LETTER = "(reason) => getComputedStyle(reason, '::first-letter').textTransform"


def _button(page: Page, reason: str = REASON) -> Locator:
    return page.get_by_role("button", name=f"Examples of {reason}", exact=True)


def _customers(page: Page, button: Locator) -> list[str]:
    """Wait for the examples under a button and return the names on their links."""
    expect(button).to_have_attribute("aria-controls", re.compile("."))
    links = page.locator(f'[id="{button.get_attribute("aria-controls")}"]').get_by_role("link")
    expect(links.first).to_be_visible()
    return links.all_inner_texts()


def _open_report(page: Page, workspace: Workspace) -> DashboardPage:
    dashboard = DashboardPage(page, workspace).sign_in(path="/analytics")
    expect(page.get_by_role("heading", name="Top reasons")).to_be_visible()
    return dashboard


def test_examples_of_a_reason_are_read_on_request_and_lead_to_their_escalations(
    page: Page, workspace: Workspace
) -> None:
    escalations = [escalate(workspace, f"Customer {number}", reason=REASON)[0] for number in range(1, 5)]
    escalate(workspace, "Grace Hopper", reason=f"{REASON} from abroad")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or ""))
    dashboard = _open_report(page, workspace)
    button = _button(page)
    expect(button).to_have_attribute("aria-expanded", "false")
    assert not any("query ReasonSamples" in body for body in asked)
    button.focus()
    page.keyboard.press("Enter")
    assert _customers(page, button) == ["Customer 4", "Customer 3", "Customer 2"]
    expect(page.get_by_text("The newest 3 of 4:")).to_be_visible()
    expect(page.get_by_text("Hello, this is Customer 4.")).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    faults = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        keep_picture(page, f"{scheme} analytics examples")
        faults[scheme] = dashboard.axe()
    assert faults == {"light": [], "dark": []}
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/escalations/{escalations[3]}")
    assert dashboard.errors == []


def test_examples_are_of_the_ai_agent_and_the_period_of_the_report(page: Page, workspace: Workspace) -> None:
    old, _ = escalate(workspace, "Last week", reason=REASON)
    created = "UPDATE escalations SET created_at = created_at - interval '3 days' WHERE id = $1"
    workspace.server.execute(created, parse_id(ESCALATION, old))
    escalate(workspace, "Today", reason=REASON)
    other = workspace.key.ask('mutation { createAgent(name: "Another") { id } }')["createAgent"]["id"]
    foreign = workspace.key.start(other, customer={"name": "Another's"})["conversation"]["id"]
    workspace.key.escalate(foreign, reason=REASON)
    dashboard = _open_report(page, workspace)
    dashboard.goto(f"/analytics?agent={workspace.agent_id}")
    _button(page).click()
    assert _customers(page, _button(page)) == ["Today", "Last week"]
    page.get_by_label("Period").select_option("1")
    # Another period begins with everything closed.
    expect(_button(page)).to_have_attribute("aria-expanded", "false")
    _button(page).click()
    assert _customers(page, _button(page)) == ["Today"]


def test_examples_of_a_trigger_show_what_the_customer_wrote(page: Page, workspace: Workspace) -> None:
    conversation = workspace.start(customer={"name": "Grace Hopper"})["conversation"]["id"]
    workspace.key.record(conversation, "USER", "Where is my parcel?")
    workspace.key.record(conversation, "ASSISTANT", "Let me see.", confidence=90)
    workspace.key.record(conversation, "USER", "I want to talk to a human")
    _open_report(page, workspace)
    button = _button(page, "Asked for a person")
    button.click()
    assert _customers(page, button) == ["Grace Hopper"]
    expect(page.get_by_text("Where is my parcel? · I want to talk to a human")).to_be_visible()
    button.click()
    expect(page.get_by_text("Where is my parcel?")).to_have_count(0)


def test_reason_of_a_caller_is_shown_as_it_was_written(page: Page, workspace: Workspace) -> None:
    for number, reason in enumerate(("iPhone broken", "late_parcel")):
        escalate(workspace, f"Customer {number}", reason=reason)
    _open_report(page, workspace)
    reasons = page.get_by_role("region", name="Breakdowns").get_by_role("table").first
    # What is drawn, with the styles: not only the text of the document.
    assert "iPhone broken" in reasons.inner_text()
    assert "late_parcel" in reasons.inner_text()
    drawn = reasons.get_by_text("iPhone broken", exact=True).first
    assert drawn.evaluate(FIRST_LETTER) == "none"


def test_examples_that_load_fail_or_are_none_say_so(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "Grace Hopper", reason=REASON)
    dashboard = _open_report(page, workspace)
    # A page that becomes live reads again what failed.
    dashboard.expect_live()
    held: list[Route] = []
    answer: dict[str, Any] = {}

    def handle(route: Route) -> None:
        if "query ReasonSamples" not in (route.request.post_data or ""):
            route.fallback()
        elif answer:
            route.fulfill(json=answer)
        else:
            held.append(route)

    page.route("**/graphql", handle)
    _button(page).click()
    # Other parts of the report may still be loading.
    reasons = page.get_by_role("region", name="Breakdowns")
    expect(reasons.get_by_role("status", name="Loading")).to_be_visible()
    answer["errors"] = [{"message": "It is broken.", "extensions": {"code": "BAD_INPUT"}}]
    dashboard.wait_until(lambda: held, "the request for the examples")
    held.pop().fulfill(json=answer)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The examples could not be loaded. It is broken.")
    assert dashboard.axe() == []
    answer.clear()
    nothing = {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}
    answer["data"] = {"escalations": nothing}
    alert.get_by_role("button", name="Try again").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("No example was found in this period.")).to_be_visible()
    expect(_button(page)).to_be_focused()
    page.get_by_role("link", name="Look in the list of escalations").click()
    expect(dashboard.row("Grace Hopper")).to_be_visible()


def test_examples_on_a_phone_fit_into_its_width(browser: Browser, workspace: Workspace) -> None:
    context = browser.new_context(
        locale="en-US", viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    reason = "the customer of https://shop.example/orders/" + "0123456789" * 8 + " waits for a refund"
    escalate(workspace, "GraceHopper" * 5, reason=reason)
    dashboard = _open_report(page, workspace)
    _button(page, reason).tap()
    assert len(_customers(page, _button(page, reason))) == 1
    keep_picture(page, "phone analytics examples")
    edges = page.get_by_role("region", name="Breakdowns").evaluate(
        "region => [...region.querySelectorAll('*')].map((part) => part.getBoundingClientRect().right)"
    )
    faults = dashboard.axe()
    context.close()
    assert max(edges) <= 360
    assert faults == []


def test_trend_without_a_figure_has_no_sentence_about_it(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "Grace Hopper")
    _open_report(page, workspace)
    resolved = page.get_by_role("region", name="Trends").get_by_role("figure").last
    expect(resolved).to_contain_text("Time to resolution")
    expect(resolved).to_contain_text("None in this period.")


def test_charts_load_in_a_browser_without_a_language(page: Page, workspace: Workspace) -> None:
    # As on Linux without a locale; a library of the charts fails with this name.
    page.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'language', { get: () => 'en-US@posix' })"
    )
    dashboard = _open_report(page, workspace)
    expect(page.get_by_role("heading", name="Escalation rate")).to_be_visible()
    dashboard.goto("/settings/escalations")
    expect(page.get_by_role("heading", name="Escalation rules")).to_be_visible()
    assert dashboard.errors == []
