"""The first moments of the dashboard: before its files have arrived, and while the server does not answer."""

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.baton_client import Server, Workspace
from tests.support.dashboard_page import DashboardPage

BACKGROUND = "getComputedStyle(document.documentElement).backgroundColor"
LIGHT, DARK = "rgb(246, 246, 248)", "rgb(16, 17, 19)"
PAINTS = "performance.getEntriesByName('first-contentful-paint').length"
# The longest wait that a number of failures allows.
LONGEST = "Math.random = () => 0.999"
STEP_MS = 20
EVENTS = {
    "online": "window.dispatchEvent(new Event('online'))",
    "shown": "document.dispatchEvent(new Event('visibilitychange'))",
}


@pytest.mark.parametrize(
    ("dark_device", "chosen", "colour"),
    [(False, None, LIGHT), (True, None, DARK), (True, "light", LIGHT), (False, "dark", DARK)],
)
def test_page_says_that_it_loads_before_any_of_its_files_has_arrived(
    page: Page, workspace: Workspace, dark_device: bool, chosen: str | None, colour: str
) -> None:
    page.emulate_media(color_scheme="dark" if dark_device else "light")
    if chosen:
        page.add_init_script(f"""localStorage.setItem("baton-dashboard:theme", '"{chosen}"')""")
    dashboard = DashboardPage(page, workspace)
    held: list[Route] = []
    page.route("**/assets/**", lambda route: held.append(route))
    page.goto(f"{dashboard.url}/", wait_until="commit")
    expect(page.get_by_role("status")).to_have_text("Loading…")
    dashboard.wait_until(lambda: page.evaluate(PAINTS), "the first paint")
    assert page.evaluate(BACKGROUND) == colour
    assert held
    page.route("**/assets/**", lambda route: route.continue_())
    for route in held:
        route.continue_()
    expect(page.get_by_label("Email")).to_be_visible()
    expect(page.get_by_text("Loading…")).to_be_hidden()
    assert dashboard.errors == []


def test_page_without_scripts_says_what_it_needs(browser: Browser, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server.url}/app/")
    expect(page.locator("noscript")).to_be_visible()
    expect(page.locator(".loading")).to_be_hidden()
    context.close()


class AbsentServer:
    """The server does not answer who is signed in until it is back."""

    def __init__(self, page: Page) -> None:
        self.calls = 0
        self.away = True
        page.route("**/graphql", self._answer)

    def _answer(self, route: Route) -> None:
        self.calls += 1
        if self.away:
            route.abort()
        else:
            route.fallback()


def test_first_screen_comes_by_itself_when_the_server_is_back(page: Page, workspace: Workspace) -> None:
    server = AbsentServer(page)
    dashboard = DashboardPage(page, workspace).goto("/escalations")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("This could not be loaded")
    expect(alert).to_contain_text("The page tries again by itself.")
    assert dashboard.axe() == []
    calls = server.calls
    dashboard.wait_until(lambda: server.calls > calls, "another call")
    expect(alert).to_be_visible()
    server.away = False
    expect(page.get_by_label("Email")).to_be_visible()


@pytest.mark.parametrize("event", EVENTS)
def test_first_screen_does_not_wait_when_the_network_or_the_tab_is_back(
    page: Page, workspace: Workspace, event: str
) -> None:
    page.add_init_script(LONGEST)
    server = AbsentServer(page)
    dashboard = DashboardPage(page, workspace)
    page.clock.install()
    page.clock.pause_at(2_000_000_000_000)
    dashboard.goto("/escalations")

    def shown_after_a_step(heading: str) -> bool:
        page.clock.run_for(STEP_MS)
        return page.get_by_role("heading", name=heading).is_visible()

    dashboard.wait_until(lambda: shown_after_a_step("This could not be loaded"), "the failure")
    server.away = False
    calls, start = server.calls, page.evaluate("Date.now()")
    page.evaluate(EVENTS[event])
    dashboard.wait_until(lambda: server.calls > calls, "the next call")
    dashboard.wait_until(lambda: shown_after_a_step("Sign in"), "the form")
    # The next wait is of four seconds.
    assert page.evaluate("Date.now()") - start < 2_000
