"""A visitor with the chat widget in a browser, and the team that answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.support.baton_client import DEADLINE, Workspace, wait_for

READ_BUBBLES = """() => [...document.querySelector("baton-widget").shadowRoot.querySelectorAll(".bubble")]
    .map((bubble) => bubble.textContent)"""

# A message that has arrived has a time.
IS_SENT = """() => [...document.querySelector("baton-widget").shadowRoot.querySelectorAll(".mine .meta")]
    .every((meta) => /\\p{N}/u.test(meta.textContent))"""


@dataclass
class WidgetPage:
    """The widget on a page, as its visitor uses it."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.console.append(f"pageerror: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    @property
    def host(self) -> Locator:
        return self.page.locator("baton-widget")

    @property
    def launcher(self) -> Locator:
        return self.host.locator(".launcher")

    @property
    def panel(self) -> Locator:
        return self.host.get_by_role("dialog")

    @property
    def field(self) -> Locator:
        return self.host.locator(".composer textarea")

    @property
    def log(self) -> Locator:
        return self.host.get_by_role("log")

    @property
    def answering(self) -> Locator:
        """The line that says who answers."""
        return self.host.locator(".answering p").first

    @property
    def notice(self) -> Locator:
        """The line about the connection."""
        return self.host.locator(".notice")

    @property
    def human_button(self) -> Locator:
        return self.host.locator(".human")

    def bubbles(self) -> list[str]:
        """Return the texts of the messages in their order."""
        texts: list[str] = self.page.evaluate(READ_BUBBLES)
        return texts

    def state(self) -> dict[str, Any]:
        """Return the widget's own account of its state."""
        state: dict[str, Any] = self.page.evaluate("Baton.state()")
        return state

    def goto(self, url: str) -> "WidgetPage":
        self.page.goto(url)
        return self

    def open(self) -> "WidgetPage":
        """Open the panel by its button."""
        self.launcher.click()
        expect(self.panel).to_be_visible()
        return self

    def write(self, text: str) -> None:
        """Write a message and send it with Enter."""
        self.field.fill(text)
        self.field.press("Enter")

    def begin(self, text: str = "Where is my parcel?") -> str:
        """Open the chat, send the first message, and return the conversation's id when it has arrived."""
        self.open()
        self.write(text)
        self.wait_until(self.is_live, "the widget to be live")
        self.wait_until(lambda: self.page.evaluate(IS_SENT), "the message to be sent")
        return str(self.state()["conversationId"])

    def is_live(self) -> bool:
        """Return whether the widget follows a conversation and has all of it."""
        state = self.state()
        return state["status"] == "live" and state["conversationId"] is not None

    def expect_bubbles(self, *texts: str, seconds: float = DEADLINE) -> None:
        """Wait until exactly these messages are shown, in this order."""
        self.wait_until(lambda: self.bubbles() == list(texts), f"{texts}", seconds)

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = DEADLINE) -> None:
        """Wait for a condition, with the browser running meanwhile."""

        def look() -> object:
            self.page.wait_for_timeout(30)
            return condition()

        wait_for(look, what, seconds)

    def wait_until_live(self, seconds: float = DEADLINE) -> None:
        """Wait until the widget is connected and has caught up."""
        self.wait_until(lambda: self.state()["status"] == "live", "the widget to be live", seconds)

    def focus_is_in(self, locator: Locator) -> bool:
        """Return whether the element, or one in it, has the focus."""
        return bool(locator.evaluate("element => element.contains(element.getRootNode().activeElement)"))


@dataclass
class Team:
    """The people and the AI of a workspace, by its API."""

    workspace: Workspace

    def answer(self, conversation: str, text: str, **more: Any) -> None:
        """Answer as the AI."""
        self.workspace.key.record(conversation, "ASSISTANT", text, **{"confidence": 90.0, **more})

    def escalation(self, conversation: str) -> str:
        """Return the active escalation, which is raised if there is none."""
        return str(self.workspace.key.escalate(conversation)["escalation"]["id"])

    def reply(self, conversation: str, text: str) -> None:
        """Answer as the admin, a person."""
        escalation = self.escalation(conversation)
        self.workspace.key.reply(escalation, text, authorEmail=self.workspace.email)


def conversations(workspace: Workspace) -> list[str]:
    """Return the ids of a workspace's conversations."""
    nodes = workspace.key.ask("{ conversations { nodes { id } } }")["conversations"]["nodes"]
    return [node["id"] for node in nodes]
