"""What a page pays for the widget before its visitor opens it."""

import json
from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from scripts.build_web import BUILT
from tests.support.baton_client import Server, Workspace
from tests.support.web_site import WebSite, shop
from tests.support.widget_page import WidgetPage
from tests.web.conftest import Visit

KILOBYTE = 1000
LONG_TASK_MS = 10


def test_built_files_are_within_their_budgets() -> None:
    files = json.loads(BUILT.read_text())["files"]
    panel = json.loads(BUILT.read_text())["panel"]
    assert files["widget.js"]["gzip"] <= 3 * KILOBYTE
    assert files["widget.js"]["gzip"] + files[panel]["gzip"] <= 15 * KILOBYTE


def test_page_with_closed_widget_has_one_request_and_stores_nothing(
    visit: Visit, server: Server, context: BrowserContext
) -> None:
    visitor = visit()
    visitor.page.wait_for_load_state("networkidle")
    assert [url for url in visitor.requests if url.startswith(server.url)] == [f"{server.url}/widget.js"]
    assert visitor.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
        0,
        0,
        "",
    ]
    assert context.cookies() == []
    assert visitor.console == []


def test_opened_widget_stores_nothing_before_the_first_message(
    visit: Visit, context: BrowserContext, shop_workspace: Workspace
) -> None:
    visitor = visit().open()
    visitor.expect_bubbles("Hello!")
    assert visitor.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
        0,
        0,
        "",
    ]
    assert context.cookies() == []
    assert shop_workspace.key.ask("{ conversations { totalCount } }")["conversations"]["totalCount"] == 0
    visitor.write("Hi")
    visitor.wait_until(lambda: visitor.page.evaluate("localStorage.length"), "the record")
    assert visitor.page.evaluate("Object.keys(localStorage)") == [f"baton:{shop_workspace.agent_id}"]


def test_loading_the_widget_holds_the_page_up_for_no_long_task(
    page: Page, site: WebSite, script: Callable[..., str]
) -> None:
    slow = page.context.new_cdp_session(page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    slow.send("Profiler.enable")
    slow.send("Profiler.start")
    visitor = WidgetPage(page).goto(site.add(shop(script())))
    expect(visitor.launcher).to_be_visible()
    profile = slow.send("Profiler.stop")["profile"]
    loader = {node["id"] for node in profile["nodes"] if node["callFrame"]["url"].endswith("/widget.js")}
    spent = [
        delta
        for sample, delta in zip(profile["samples"], profile["timeDeltas"], strict=True)
        if sample in loader
    ]
    assert sum(spent) / 1000 < LONG_TASK_MS


def test_closed_widget_lets_clicks_next_to_it_through(visit: Visit) -> None:
    visitor = visit(body='<button onclick="document.title = 1">Buy</button>')
    box = visitor.launcher.bounding_box()
    assert box
    covered = """([x, y]) => document.elementFromPoint(x, y).tagName"""
    assert visitor.page.evaluate(covered, [box["x"] + 28, box["y"] + 28]) == "BATON-WIDGET"
    assert visitor.page.evaluate(covered, [box["x"] - 4, box["y"] + 28]) != "BATON-WIDGET"
    assert visitor.host.evaluate("host => [host.offsetWidth, host.offsetHeight]") == [0, 0]
    visitor.page.get_by_role("button", name="Buy").click()
    assert visitor.page.title() == "1"


def test_calls_before_the_script_are_carried_out_after_it(
    page: Page, site: WebSite, script: Callable[..., str]
) -> None:
    queue = """<script>window.Baton = window.Baton || function () { (Baton.q = Baton.q || []).push(arguments) };
        Baton("on", "open", () => { document.title = "opened" }); Baton("open")</script>"""
    visitor = WidgetPage(page).goto(site.add(shop(script(), head=queue)))
    expect(visitor.panel).to_be_visible()
    assert page.title() == "opened"


def test_unknown_call_warns_once(visit: Visit) -> None:
    visitor = visit()
    visitor.page.evaluate("Baton('explode'); Baton('explode')")
    assert visitor.console == ['warning: Baton: there is no call "explode".']


def test_module_embeds_the_widget_without_the_script(
    page: Page, site: WebSite, shop_workspace: Workspace
) -> None:
    module = f"""<script type="module">
        import {{ baton }} from "{shop_workspace.server.url}/widget.mjs";
        window.Baton = baton;
        await baton.boot({{ agent: "{shop_workspace.agent_id}" }});
        await baton.open();
    </script>"""
    visitor = WidgetPage(page).goto(site.add(shop(module)))
    visitor.expect_bubbles("Hello!")
    visitor.write("Hi")
    visitor.expect_bubbles("Hello!", "Hi")
