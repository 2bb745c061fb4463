"""Chromium, a site that embeds the widget, and a server with the built files."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from scripts.build_web import BUILT
from tests.support.baton_client import DEADLINE, Server, Workspace
from tests.support.chromium import chromium_program
from tests.support.faulty_proxy import FaultyProxy
from tests.support.requirements import need
from tests.support.slack_server import SlackStandIn
from tests.support.web_site import WebSite, shop
from tests.support.widget_page import Team, WidgetPage

expect.set_options(timeout=DEADLINE * 1000)

# No sandbox: it does not work for root. Sounds may begin without a click.
ARGUMENTS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]

Visit = Callable[..., WidgetPage]


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    """A folder apart from that of the other tests, whose server would take deliveries of this one."""
    with tempfile.TemporaryDirectory(prefix="baton-web-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn.started() as running:
        yield running


@pytest.fixture(scope="session")
def environment(slack: SlackStandIn) -> dict[str, str]:
    """The settings of the server: many visitors come from one address, and receivers are on this machine."""
    return {
        "BATON_STARTS_PER_ADDRESS": "100000",
        "BATON_STARTS_PER_ORIGIN": "100000",
        "BATON_WEBHOOK_ALLOW_PRIVATE": "true",
        "BATON_SLACK_API_URL": slack.url,
    }


@pytest.fixture(scope="session")
def server(data_dir: Path, environment: dict[str, str]) -> Iterator[Server]:
    """`baton serve` with the built files."""
    need("the widget and the dashboard, which `make web` builds", all(path.exists() for path in BUILT))
    with Server.started(data_dir, **environment) as running:
        yield running


@pytest.fixture(scope="module")
def graphiql(server: Server, environment: dict[str, str]) -> Iterator[Server]:
    """A process of the shared service that serves GraphiQL."""
    running = Server(server.data_dir, server.owner_url, server.service_url)
    running.log = server.data_dir / "graphiql.log"
    running.start(**environment, BATON_GRAPHIQL="true")
    yield running
    running.stop()


# Per module: while Playwright is in use its event loop runs, and no other test of the process can run one.
@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A browser, with the parts of its windows for modules with IN_WINDOW."""
    executable = chromium_program(in_window=hasattr(request.module, "IN_WINDOW"))
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=executable, args=ARGUMENTS, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield running
        running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(locale="en-US", viewport={"width": 1000, "height": 760})
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(scope="session")
def site() -> Iterator[WebSite]:
    with WebSite.running() as running:
        yield running


@pytest.fixture
def shop_workspace(workspace: Workspace, site: WebSite) -> Workspace:
    """A workspace whose AI agent serves visitors of the site."""
    widget = {"allowedOrigins": [site.origin], "anonymousConversations": True, "greeting": "Hello!"}
    workspace.key.settings(workspace.agent_id, widget=widget)
    return workspace


@pytest.fixture
def team(shop_workspace: Workspace) -> Team:
    return Team(shop_workspace)


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultyProxy]:
    """The way from the browser to the server, for tests that break it."""
    faulty = FaultyProxy(server.port)
    with faulty.running():
        yield faulty


@pytest.fixture
def script(shop_workspace: Workspace) -> Callable[..., str]:
    """Return the tag of the widget."""

    def tag(*attributes: str, url: str = shop_workspace.server.url) -> str:
        given = " ".join(attributes)
        return f'<script async src="{url}/widget.js" data-agent="{shop_workspace.agent_id}" {given}></script>'

    return tag


@pytest.fixture
def visit(page: Page, site: WebSite, script: Callable[..., str]) -> Visit:
    """Open a page of the shop with the widget on it."""

    def go(*attributes: str, url: str | None = None, on: Page | None = None, **page_of: str) -> WidgetPage:
        tag = script(*attributes, url=url) if url else script(*attributes)
        visitor = WidgetPage(on or page)
        visitor.goto(site.add(shop(tag, **page_of)))
        expect(visitor.launcher).to_be_visible()
        return visitor

    return go
