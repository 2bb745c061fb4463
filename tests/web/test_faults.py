"""Many replies over many faults: each is shown once, and in order."""

import random
import signal
from collections.abc import Callable

from playwright.sync_api import BrowserContext, CDPSession

from tests.support.baton_client import Workspace
from tests.support.faulty_proxy import Fault, FaultyProxy
from tests.support.widget_page import Team, WidgetPage
from tests.web.conftest import Visit

# With the back/forward cache.
IN_WINDOW = True
REPLIES = 200
FAULTS = 40
SEED = 14


class Faults:
    """The faults of the run. Each leaves the visitor on the page with a connection that works."""

    def __init__(
        self,
        visitor: WidgetPage,
        proxy: FaultyProxy,
        restart: Callable[[], None],
        context: BrowserContext,
        devtools: CDPSession,
        send: Callable[[], None],
    ) -> None:
        self._visitor, self._proxy, self._restart = visitor, proxy, restart
        self._context, self._devtools, self._send = context, devtools, send

    def cut(self) -> None:
        """Abort the connections."""
        self._proxy.cut()
        self._send()

    def freeze(self) -> None:
        """Freeze the page, and thaw it."""
        self._devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
        self._send()
        self._devtools.send("Page.setWebLifecycleState", {"state": "active"})

    def offline(self) -> None:
        """Take the browser off the network."""
        self._context.set_offline(True)
        self._send()
        self._context.set_offline(False)

    def refuse(self) -> None:
        """Abort the connections and new ones."""
        self._proxy.fault = Fault.REFUSE
        self._proxy.cut()
        self._send()
        self._proxy.fault = Fault.NONE

    def no_websockets(self) -> None:
        """Allow requests only."""
        self._proxy.fault = Fault.NO_WEBSOCKETS
        self._proxy.cut()
        self._send()
        self._proxy.fault = Fault.NONE
        self._proxy.cut()

    def leave(self) -> None:
        """Go to another page and come back, by the back/forward cache where the browser has kept the page."""
        self._visitor.page.goto("about:blank")
        self._send()
        self._visitor.page.go_back(wait_until="commit")

    def reload(self) -> None:
        """Load the page again."""
        self._send()
        self._visitor.page.reload()

    def restart(self) -> None:
        """Kill the server and start it again."""
        self._restart()
        self._send()


def _show_earlier(visitor: WidgetPage) -> None:
    before = len(visitor.bubbles())
    visitor.host.get_by_role("button", name="Show earlier messages").click()
    visitor.wait_until(lambda: len(visitor.bubbles()) > before, "earlier messages")


def test_every_reply_is_shown_once_and_in_order_over_40_faults(
    visit: Visit,
    team: Team,
    proxy: FaultyProxy,
    workspace: Workspace,
    context: BrowserContext,
    environment: dict[str, str],
) -> None:
    chance = random.Random(SEED)
    visitor = visit(url=f"http://127.0.0.1:{proxy.port}")
    conversation = visitor.begin("Hi")
    sent: list[str] = []

    def send() -> None:
        for _ in range(REPLIES // FAULTS):
            sent.append(f"reply {len(sent)}")
            team.answer(conversation, sent[-1])

    def restart() -> None:
        workspace.server.stop(signal.SIGKILL)
        workspace.server.start(**environment)

    faults = Faults(visitor, proxy, restart, context, context.new_cdp_session(visitor.page), send)
    frequent = [
        faults.cut,
        faults.freeze,
        faults.offline,
        faults.refuse,
        faults.no_websockets,
        faults.leave,
        faults.reload,
    ]
    plan = [chance.choice(frequent) for _ in range(FAULTS - 2)]
    for place in (FAULTS // 3, 2 * FAULTS // 3):
        plan.insert(place, faults.restart)
    for fault in plan:
        fault()
        visitor.page.wait_for_timeout(chance.uniform(0, 300))
    assert len(sent) == REPLIES
    visitor.wait_until_live()
    # A page that is loaded again begins with the newest messages.
    visitor.wait_until(lambda: visitor.bubbles()[-1:] == sent[-1:], "the last reply")
    while visitor.host.get_by_role("button", name="Show earlier messages").is_visible():
        _show_earlier(visitor)
    assert visitor.bubbles() == ["Hello!", "Hi", *sent]
