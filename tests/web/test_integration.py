"""The widget on pages that change, listen to keys, and have dialogs of their own."""

from playwright.sync_api import BrowserContext, expect

from tests.support.baton_client import Workspace
from tests.support.widget_page import WidgetPage
from tests.web.conftest import Visit


def test_changes_of_the_page_leave_the_open_panel_and_its_draft(visit: Visit) -> None:
    visitor = visit()
    visitor.open()
    visitor.field.fill("Half a sen")
    for change in (
        "document.body.replaceWith(Object.assign(document.createElement('body'), { textContent: 'new' }))",
        "document.body.innerHTML = '<p>morphed</p>'",
        "history.pushState({}, '', '?next')",
        "document.querySelector('baton-widget').remove()",
        """document.body.append(Object.assign(document.createElement("script"), {
            src: performance.getEntriesByType("resource").map(({ name }) => name)
                .find((name) => name.endsWith("/widget.js")),
            async: true }))""",
    ):
        visitor.page.evaluate(change)
        visitor.page.wait_for_load_state("networkidle")
        expect(visitor.host).to_have_count(1)
        expect(visitor.launcher).to_have_count(1)
        expect(visitor.field).to_have_value("Half a sen")
        expect(visitor.panel).to_be_visible()
    assert visitor.console == []


def test_panel_stays_open_or_closed_as_the_visitor_left_it(visit: Visit) -> None:
    visitor = visit()
    visitor.begin()
    visitor.page.reload()
    expect(visitor.panel).to_be_visible()
    assert visitor.page.evaluate("document.activeElement.tagName") == "BODY"
    visitor.launcher.click()
    expect(visitor.panel).to_be_hidden()
    visitor.page.reload()
    visitor.wait_until_live()
    expect(visitor.panel).to_be_hidden()


def test_keys_that_are_typed_start_no_shortcut_of_the_page(visit: Visit) -> None:
    visitor = visit(
        head="""<script>window.fired = [];
        for (const name of ["keydown", "keyup", "keypress"]) {
            for (const target of [window, document]) {
                target.addEventListener(name, (event) => {
                    if (!/^(INPUT|TEXTAREA)$/.test(event.target.tagName)) fired.push(event.key);
                });
            }
        }</script>"""
    )
    visitor.page.keyboard.press("s")
    assert "s" in visitor.page.evaluate("fired.splice(0)")
    visitor.open()
    visitor.field.press_sequentially("faster? s/f")
    visitor.field.press("Enter")
    visitor.expect_bubbles("Hello!", "faster? s/f")
    assert visitor.page.evaluate("fired") == []


def test_enter_that_ends_a_composition_does_not_send(visit: Visit) -> None:
    visitor = visit().open()
    visitor.field.fill("こんにちは")
    for event in ("{ isComposing: true }", "{ keyCode: 229 }"):
        visitor.field.evaluate(
            f"""field => field.dispatchEvent(new KeyboardEvent("keydown",
                {{ key: "Enter", bubbles: true, cancelable: true, ...{event} }}))"""
        )
    expect(visitor.field).to_have_value("こんにちは")
    visitor.expect_bubbles("Hello!")
    visitor.field.press("Enter")
    visitor.expect_bubbles("Hello!", "こんにちは")


def test_shift_enter_begins_a_new_line(visit: Visit) -> None:
    visitor = visit().open()
    visitor.field.fill("one")
    visitor.field.press("Shift+Enter")
    visitor.field.press_sequentially("two")
    visitor.field.press("Enter")
    visitor.expect_bubbles("Hello!", "one\ntwo")


def test_launcher_can_be_hidden_and_put_below_parts_of_the_page(visit: Visit) -> None:
    visitor = visit(head="<style>:root { --baton-z: 5 }</style>")
    assert visitor.host.evaluate("host => getComputedStyle(host).zIndex") == "5"
    visitor.page.evaluate("Baton.update({ z: 7 })")
    assert visitor.host.evaluate("host => getComputedStyle(host).zIndex") == "7"
    visitor.page.evaluate("Baton.hide()")
    expect(visitor.launcher).to_be_hidden()
    visitor.page.evaluate("Baton.open()")
    expect(visitor.panel).to_be_visible()
    visitor.page.evaluate("Baton.close(); Baton.show()")
    expect(visitor.launcher).to_be_visible()


def test_dialog_of_the_page_is_above_the_widget(visit: Visit) -> None:
    dialog = "<dialog style='inset: auto 0 0 auto; width: 500px; height: 300px'>Cookies?</dialog>"
    visitor = visit(body=dialog)
    visitor.page.evaluate("document.querySelector('dialog').showModal()")
    box = visitor.launcher.bounding_box()
    assert box
    at = [box["x"] + 28, box["y"] + 28]
    assert visitor.page.evaluate("([x, y]) => document.elementFromPoint(x, y).tagName", at) == "DIALOG"


def test_shutdown_forgets_the_visitor(
    visit: Visit, shop_workspace: Workspace, context: BrowserContext
) -> None:
    visitor = visit()
    first = visitor.begin("A secret")
    other = WidgetPage(context.new_page()).goto(visitor.page.url)
    other.wait_until_live()
    visitor.page.evaluate("Baton.shutdown(); Baton.shutdown()")
    expect(visitor.host).to_have_count(0)
    assert visitor.page.evaluate("localStorage.length") == 0
    other.wait_until(lambda: "A secret" not in other.bubbles(), "the other tab to forget it")
    visitor.page.evaluate("Baton.open()")
    visitor.expect_bubbles("Hello!")
    visitor.write("Hi")
    visitor.expect_bubbles("Hello!", "Hi")
    assert visitor.state()["conversationId"] != first
    assert visitor.console == []


def test_update_changes_language_theme_side_and_greeting(visit: Visit) -> None:
    visitor = visit().open()
    visitor.field.fill("Half a sen")
    visitor.page.evaluate(
        "Baton.update({ lang: 'de', theme: 'dark', position: 'start', greeting: 'Guten Tag!' })"
    )
    expect(visitor.launcher).to_have_accessible_name("Chat schließen")
    visitor.expect_bubbles("Guten Tag!")
    expect(visitor.field).to_have_value("Half a sen")
    box = visitor.launcher.bounding_box()
    assert box
    assert box["x"] < 100
    background = visitor.panel.evaluate("panel => getComputedStyle(panel).backgroundColor")
    assert background == "rgb(27, 32, 40)"


def test_script_that_is_run_again_after_shutdown_shows_the_widget(visit: Visit) -> None:
    visitor = visit()
    visitor.begin("A secret")
    visitor.page.evaluate("""() => { Baton.shutdown();
        const old = document.querySelector("script[data-agent]");
        const script = document.createElement("script");
        Object.assign(script.dataset, old.dataset, { lang: "de" });
        old.remove();
        document.body.append(Object.assign(script, { src: old.src })) }""")
    expect(visitor.launcher).to_have_accessible_name("Chat öffnen")
    visitor.open()
    visitor.expect_bubbles("Hello!")
    assert visitor.console == []


def test_panel_does_not_open_by_itself_when_another_tab_begins(visit: Visit, context: BrowserContext) -> None:
    visitor = visit()
    other = WidgetPage(context.new_page()).goto(visitor.page.url)
    other.open()
    other.expect_bubbles("Hello!")
    other.launcher.click()
    visitor.begin("Hi")
    other.wait_until(other.is_live, "the other tab to follow the conversation")
    assert other.state()["open"] is False
    visitor.page.reload()
    expect(visitor.panel).to_be_visible()
