"""The session, the address and the build: nothing that is written is lost, wherever the service is served."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.baton_client import Server, Workspace
from tests.support.dashboard_build import replace_build
from tests.support.dashboard_page import DashboardPage, escalate


@pytest.fixture
def own_build(server: Server, environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """A process of the shared service with a copy of the build, and the folder of the copy."""
    folder = tmp_path / "static"
    shutil.copytree(Path(__file__).parents[2] / "server/static", folder)
    running = Server(server.data_dir, server.owner_url, server.service_url)
    running.log = tmp_path / "own build.log"
    running.start(**environment, BATON_WEB_DIR=str(folder))
    yield running, folder
    running.stop()


def test_session_that_ends_while_writing_loses_nothing(page: Page, workspace: Workspace) -> None:
    escalation, conversation = escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{escalation}")
    dashboard.reply.fill("A long answer")
    workspace.end_sessions()
    dashboard.reply.press("Control+Enter")
    dialog = page.get_by_role("dialog", name="Your session has ended")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Password").fill("wrong")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_text("The email or the password is wrong.")).to_be_visible()
    dashboard.fill_credentials(workspace.email)
    expect(dialog).to_have_count(0)
    expect(dashboard.reply).to_have_value("A long answer")
    dashboard.reply.press("Control+Enter")
    expect(dashboard.log.get_by_text("A long answer")).to_be_visible()
    humans = [row["content"] for row in workspace.key.messages(conversation) if row["role"] == "HUMAN"]
    assert humans == ["A long answer"]


def test_page_whose_session_has_ended_reports_no_viewing(page: Page, workspace: Workspace) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    page.clock.install()
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{escalation}")
    dashboard.expect_live()
    workspace.end_sessions()
    expect(page.get_by_role("dialog", name="Your session has ended")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.post_data or request.url))
    page.clock.run_for("05:00")
    with page.expect_request(lambda request: "SetViewing" in (request.post_data or "")):
        dashboard.fill_credentials(workspace.email)
    before = asked[: next(index for index, body in enumerate(asked) if "mutation SignIn" in body)]
    assert [body for body in before if "SetViewing" in body] == []


def test_email_has_the_focus_when_the_sign_in_page_opens(page: Page, workspace: Workspace) -> None:
    DashboardPage(page, workspace).goto("/escalations")
    expect(page.get_by_label("Email")).to_be_focused()
    # A refusal is read out first.
    page.goto(f"{workspace.server.url}/app/escalations#sign-in-refused=cancelled")
    page.reload()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Email")).not_to_be_focused()


def test_dashboard_under_a_path_prefix_loads_and_signs_in(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "Grace Hopper")
    with _prefix_proxy(workspace.server) as url:
        dashboard = DashboardPage(page, workspace, url=f"{url}/support/app").sign_in()
        expect(dashboard.row("Grace Hopper")).to_be_visible()
        dashboard.row("Grace Hopper").get_by_role("link").click()
        page.wait_for_url("**/support/app/escalations/esc_*")
        page.reload()
        expect(dashboard.log.get_by_text("Hello, this is Grace Hopper.")).to_be_visible()


@pytest.mark.parametrize("path", ["", "/escalations"])
def test_icon_keeps_its_address_while_the_page_changes_its_own(
    page: Page, workspace: Workspace, path: str
) -> None:
    escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in(path=path)
    dashboard.row("Grace Hopper").get_by_role("link").click()
    page.wait_for_url("**/app/escalations/esc_*")
    icon = page.evaluate("document.querySelector('link[rel=icon]').href")
    assert httpx.get(icon, trust_env=False).headers["content-type"] == "image/svg+xml"
    dashboard.expect_live()
    assert [line for line in dashboard.errors if "404" in line] == []


@contextmanager
def _prefix_proxy(server: Server) -> Iterator[str]:
    """Serve the service under /support/. WebSockets are not passed on: the page polls."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            path = self.path.removeprefix("/support")
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            names = ("accept", "content-type", "cookie", "origin")
            headers = {name: self.headers[name] for name in names if name in self.headers}
            headers["host"] = self.headers["host"]
            answer = httpx.request(self.command, server.url + path, content=body, headers=headers)
            self.send_response(answer.status_code)
            for name, value in answer.headers.multi_items():
                if name not in ("content-length", "content-encoding", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def do_GET(self) -> None:
            self._forward()

        def do_POST(self) -> None:
            self._forward()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name of the base class)
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        thread = Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
        proxy.shutdown()
        thread.join()


def test_build_replaced_under_an_open_tab_leaves_it_working_and_offers_a_reload(
    page: Page, workspace: Workspace, own_build: tuple[Server, Path]
) -> None:
    server, folder = own_build
    escalation, conversation = escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace, f"{server.url}/app").sign_in(path=f"/escalations/{escalation}")
    dashboard.reply.fill("Half a sentence")
    loads: list[str] = []
    page.on("load", lambda opened: loads.append(opened.url))
    notice = page.get_by_role("status").filter(has_text="A new version is available")
    expect(notice).to_have_count(0)

    replace_build(folder)
    # Its code was not loaded before, and is now under another name.
    page.get_by_role("link", name="API keys").click()
    expect(page.get_by_role("heading", name="A new version is available")).to_be_visible()
    expect(notice).to_be_visible()
    # The tab goes on with what it has loaded.
    page.go_back()
    expect(dashboard.reply).to_have_value("Half a sentence")
    dashboard.reply.fill("A whole sentence.")
    dashboard.reply.press("Control+Enter")
    expect(dashboard.log.get_by_text("A whole sentence.")).to_be_visible()
    dashboard.reply.fill("The next one")
    assert loads == []

    notice.get_by_role("button", name="Reload").click()
    expect(dashboard.reply).to_have_value("The next one")
    expect(notice).to_have_count(0)
    page.get_by_role("link", name="API keys").click()
    expect(page.get_by_role("heading", name="API keys", level=1)).to_be_visible()
    assert len(loads) == 1
    humans = [row["content"] for row in workspace.key.messages(conversation) if row["role"] == "HUMAN"]
    assert humans == ["A whole sentence."]


def test_build_replaced_while_the_service_restarts_is_offered_after_the_reconnect(
    page: Page, workspace: Workspace, own_build: tuple[Server, Path]
) -> None:
    server, folder = own_build
    dashboard = DashboardPage(page, workspace, f"{server.url}/app").sign_in()
    dashboard.expect_live()
    server.stop()
    replace_build(folder)
    server.start(BATON_WEB_DIR=str(folder))
    expect(page.get_by_text("A new version is available.")).to_be_visible()
    dashboard.expect_live()


def test_part_that_fails_without_a_new_build_can_be_tried_again(page: Page, workspace: Workspace) -> None:
    # A page that becomes live tries by itself.
    DashboardPage(page, workspace).sign_in().expect_live()
    part = re.compile(r"/app/assets/api-keys[^/]*\.js$")
    page.route(part, lambda route: route.abort())
    page.get_by_role("link", name="API keys").click()
    expect(page.get_by_role("heading", name="This could not be loaded")).to_be_visible()
    expect(page.get_by_text("A new version is available")).to_have_count(0)
    page.unroute(part)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="API keys", level=1)).to_be_visible()


@pytest.mark.parametrize("missing", ["part", "answer"])
def test_screen_that_failed_to_load_loads_when_the_page_is_live_again(
    page: Page, workspace: Workspace, missing: str
) -> None:
    def fail(route: Route) -> None:
        if missing == "part" or "query ApiKeys" in (route.request.post_data or ""):
            route.abort()
        else:
            route.fallback()

    dashboard = DashboardPage(page, workspace).sign_in()
    dashboard.expect_live()
    failing = re.compile(r"/app/assets/api-keys[^/]*\.js$" if missing == "part" else "/graphql$")
    page.route(failing, fail)
    page.get_by_role("link", name="API keys").click()
    expect(page.get_by_role("heading", name="This could not be loaded")).to_be_visible()
    dashboard.go_offline()
    page.unroute(failing)
    page.context.set_offline(False)
    expect(page.get_by_role("table")).to_be_visible()


def test_countdown_with_a_wrong_clock_in_the_browser_is_right(browser: Browser, workspace: Workspace) -> None:
    workspace.key.settings(workspace.agent_id, sla={"targetResponseMinutes": 5})
    escalate(workspace, "Grace Hopper")
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800})
    # Ten minutes late: by the browser's own clock more than the target is left.
    context.add_init_script("const now = Date.now; Date.now = () => now() - 600_000;")
    page = context.new_page()
    dashboard = DashboardPage(page, workspace).sign_in()
    badge = dashboard.row("Grace Hopper").locator("[data-sla]")
    expect(badge).to_have_text(re.compile(r"^[34]:\d\d$"))
    context.close()


def test_countdown_outside_business_hours_stands_still_and_says_until_when(
    page: Page, workspace: Workspace
) -> None:
    # One day a week is open, and it is neither today nor tomorrow.
    day = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"][
        (_weekday(workspace) + 3) % 7
    ]
    hours = {"timezone": "UTC", "week": [{"day": day, "opens": "09:00", "closes": "17:00"}]}
    workspace.key.settings(workspace.agent_id, sla={"targetResponseMinutes": 90, "businessHours": hours})
    escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in()
    badge = dashboard.row("Grace Hopper").locator("[data-sla]")
    expect(badge).to_contain_text("1 h 30 min")
    expect(badge).to_contain_text(f"until {day.capitalize()[:3]}")


def _weekday(workspace: Workspace) -> int:
    (row,) = workspace.server.rows("SELECT extract(isodow FROM now() AT TIME ZONE 'UTC')::int - 1 AS day")
    return int(row["day"])


def test_missing_asset_is_404_and_not_a_page(workspace: Workspace) -> None:
    answer = httpx.get(f"{workspace.server.url}/app/assets/gone.js")
    assert answer.status_code == 404
    assert "<html" not in answer.text


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/no/such/page", "There is no such page"),
        ("/escalations/esc_01hzy3v7k8f9g0h1j2k3m4n5p6", "This escalation does not exist"),
        ("/conversations/conv_01hzy3v7k8f9g0h1j2k3m4n5p6", "This conversation does not exist"),
    ],
)
def test_address_of_nothing_leads_to_the_escalations(
    page: Page, workspace: Workspace, path: str, title: str
) -> None:
    escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in(path=path)
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
    assert dashboard.axe() == []
    page.get_by_role("link", name="Go to the escalations").click()
    expect(dashboard.row("Grace Hopper")).to_be_visible()
