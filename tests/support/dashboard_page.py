"""A team member with the dashboard in a browser."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, Request, expect

from tests.support.baton_client import DEADLINE, PASSWORD, Workspace, wait_for

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
_RUN_AXE = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    const describe = (fault) => fault.nodes.map((node) => `${fault.id}: ${node.html.slice(0, 160)}`);
    return violations.flatMap(describe);
}"""


@dataclass
class DashboardPage:
    """The dashboard, as a signed-in team member uses it."""

    page: Page
    workspace: Workspace
    url: str = ""
    console: list[str] = field(default_factory=list)
    unanswered: set[Request] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.url = self.url or f"{self.workspace.server.url}/app"
        self.page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.console.append(f"pageerror: {error}"))
        self.page.on("request", self._note_call)
        self.page.on("requestfinished", lambda request: self.unanswered.discard(request))
        self.page.on("requestfailed", lambda request: self.unanswered.discard(request))

    def _note_call(self, request: Request) -> None:
        if request.url.endswith("/graphql"):
            self.unanswered.add(request)

    @property
    def rows(self) -> Locator:
        return self.page.locator("[data-id]")

    @property
    def reply(self) -> Locator:
        return self.page.locator('textarea[data-box="reply"]')

    @property
    def note(self) -> Locator:
        return self.page.locator('textarea[data-box="note"]')

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    @property
    def errors(self) -> list[str]:
        """The console lines that a visitor's developer would ask about."""
        return [line for line in self.console if line.startswith(("error", "pageerror"))]

    def sign_in(self, email: str | None = None, path: str = "/escalations") -> "DashboardPage":
        """Sign in by the form and wait for the screen."""
        self.page.goto(self.url + path)
        self.fill_credentials(email or self.workspace.email)
        # On phones the navigation is hidden until it is opened.
        expect(self.page.locator('nav[aria-label="Main"]')).to_be_attached()
        # The button was where the list is now, and a list under the pointer stands still.
        self.page.mouse.move(0, 0)
        return self

    def fill_credentials(self, email: str, password: str = PASSWORD) -> None:
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def goto(self, path: str) -> "DashboardPage":
        self.page.goto(self.url + path)
        return self

    def expect_live(self) -> None:
        """Wait until the connection line says that the page is live."""
        expect(self.page.locator('[data-status="live"]').first).to_be_attached()

    def go_offline(self) -> None:
        """Take the browser off the network. What it has asked before would still be answered."""
        self.wait_until(lambda: not self.unanswered, "the answers")
        self.page.context.set_offline(True)
        expect(self.page.locator('[data-status="offline"]').first).to_be_attached()

    def row(self, name: str) -> Locator:
        return self.rows.filter(has=self.page.get_by_role("link", name=name, exact=True))

    def names(self) -> list[str]:
        """Return the customers' names of the rows, from top to bottom."""
        links = "rows => rows.sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)"
        names: list[str] = self.page.locator("[data-row-link]").evaluate_all(
            links + ".map((link) => link.textContent)"
        )
        return names

    def expect_moving_list(self, name: str, count: int) -> None:
        """Take the pointer away, raise an escalation, and wait until the list has taken it in."""
        self.page.mouse.move(0, 0)
        expect(self.rows).to_have_count(count - 1)
        self.expect_live()
        escalate(self.workspace, name)
        expect(self.rows).to_have_count(count)

    def wait_until(self, condition: Any, what: str, seconds: float = DEADLINE) -> None:
        """Wait for a condition, with the browser running meanwhile."""

        def look() -> object:
            self.page.wait_for_timeout(30)
            return condition()

        wait_for(look, what, seconds)

    def axe(self) -> list[str]:
        """Return what axe finds wrong with the page."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text())
        faults: list[str] = self.page.evaluate(_RUN_AXE)
        return faults


def escalate(workspace: Workspace, name: str, **more: Any) -> tuple[str, str]:
    """Raise an escalation of a customer of that name; return the ids of the escalation and conversation."""
    started = workspace.start(
        customer={"name": name, "email": f"{name.lower().replace(' ', '.')}@example.com"}
    )
    conversation: str = started["conversation"]["id"]
    workspace.key.record(conversation, "USER", f"Hello, this is {name}.")
    workspace.key.record(conversation, "ASSISTANT", "Let me look.", confidence=62.0)
    escalation: str = workspace.key.escalate(conversation, **more)["escalation"]["id"]
    return escalation, conversation


def save_reply(workspace: Workspace, title: str, content: str) -> None:
    """Create a saved reply whose shortcut is its title in lower case."""
    workspace.key.ask(
        "mutation($input: SavedReplyInput!) { createSavedReply(input: $input) { id } }",
        input={"shortcut": title.lower(), "title": title, "content": content},
    )


def sign_out(page: Page) -> None:
    """Sign out by the menu of the account, and wait for the form that signs in."""
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()


def draw_late(page: Page) -> None:
    """Delay every frame of the page by 200 ms, as in a busy browser: answers and keys arrive before it."""
    page.add_init_script("""
        window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 200);
        window.cancelAnimationFrame = clearTimeout;
    """)


def keep_picture(page: Page, name: str) -> None:
    """Keep a picture of the page in the folder that BATON_SCREENSHOTS names, if it names any."""
    if folder := os.environ.get("BATON_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name.replace(' ', '-')}.png")
