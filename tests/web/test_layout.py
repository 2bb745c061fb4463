"""Reading, operating and seeing the widget: keyboard, screen reader, phone, right to left, dark."""

from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from scripts.build_web import WEB
from tests.support.requirements import need
from tests.support.widget_page import Team
from tests.web.conftest import Visit

Scheme = Literal["light", "dark"]

AXE = WEB / "node_modules/axe-core/axe.min.js"
PHONE: ViewportSize = {"width": 360, "height": 640}

# What a screen reader would announce: what is added to a log after it is there.
WATCH_LOG = """() => { window.additions = [];
    const log = document.querySelector("baton-widget").shadowRoot.querySelector("[role=log]");
    new MutationObserver((changes) => {
        for (const change of changes) {
            for (const node of change.addedNodes) if (node.nodeType === 1) additions.push(node.textContent);
        }
    }).observe(log, { childList: true, subtree: true }); }"""


@pytest.fixture
def phone(browser: Browser) -> Any:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True, locale="en-US")
    yield context.new_page()
    context.close()


def violations(page: Page) -> list[str]:
    """Return what axe has found."""
    need("axe-core, which `make web-check` installs", AXE.exists())
    page.evaluate(AXE.read_text())
    result: list[str] = page.evaluate(
        """async () => (await axe.run({ exclude: [["main"]] })).violations
            .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(", ")}`)"""
    )
    return result


# Colours do not depend on the language: each language once, each scheme once, and both directions.
@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("de", "dark"), ("ar", "light")])
def test_axe_finds_nothing(visit: Visit, team: Team, language: str, scheme: Scheme) -> None:
    background = "<style>html { color-scheme: light dark }</style>"
    visitor = visit(f"data-lang={language}", lang=language, head=background)
    visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    assert violations(visitor.page) == []
    conversation = visitor.begin("Hi")
    team.answer(conversation, "**Bold** and [a link](https://example.com)\n\n- one\n- two\n\n`code`")
    visitor.human_button.click()
    expect(visitor.host.locator(".waiting")).to_be_visible()
    team.reply(conversation, "A person here.")
    expect(visitor.host.locator(".person")).to_be_visible()
    visitor.page.route("**/graphql", lambda route: route.abort())
    visitor.write("Not sent yet")
    visitor.page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(visitor.notice).not_to_be_empty()
    assert violations(visitor.page) == []


@pytest.mark.parametrize(("written", "direction"), [("ar_EG", "rtl"), ("he", "rtl"), ("arn", "ltr")])
def test_direction_is_that_of_the_language(visit: Visit, written: str, direction: str) -> None:
    expect(visit(lang=written).host.locator(".root")).to_have_attribute("dir", direction)


def test_axe_finds_nothing_in_a_form_and_on_a_phone(visit: Visit, phone: Page) -> None:
    visitor = visit(on=phone)
    assert violations(phone) == []
    visitor.open()
    phone.evaluate(
        """void Baton.submitForm("contact", { email: { label: "Email", type: "email", required: true },
            topic: { label: "Topic", type: "select", options: ["a"] },
            more: { label: "More", type: "textarea" },
            agreed: { label: "I agree", type: "checkbox" } }).catch(() => {})"""
    )
    expect(visitor.host.get_by_label("Email")).to_be_visible()
    assert violations(phone) == []


def test_panel_is_a_dialog_that_the_keyboard_can_leave(visit: Visit) -> None:
    visitor = visit(body='<a href="#x">Before</a>')
    visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Tab")
    assert visitor.focus_is_in(visitor.launcher)
    visitor.page.keyboard.press("Enter")
    expect(visitor.panel).to_be_visible()
    visitor.wait_until(lambda: visitor.focus_is_in(visitor.field), "the focus in the field")
    expect(visitor.panel).not_to_have_attribute("aria-modal", "true")
    expect(visitor.launcher).to_have_attribute("aria-expanded", "true")
    for _ in range(8):
        visitor.page.keyboard.press("Tab")
        if not visitor.focus_is_in(visitor.panel):
            break
    assert not visitor.focus_is_in(visitor.panel)
    visitor.field.focus()
    visitor.page.keyboard.press("Escape")
    expect(visitor.panel).to_be_hidden()
    assert visitor.focus_is_in(visitor.launcher)
    expect(visitor.launcher).to_have_attribute("aria-expanded", "false")


def test_panel_on_a_phone_is_modal_and_fills_the_screen(visit: Visit, phone: Page) -> None:
    visitor = visit(on=phone)
    visitor.open()
    visitor.expect_bubbles("Hello!")
    expect(visitor.panel).to_have_attribute("aria-modal", "true")
    # It is moved into its place.
    visitor.wait_until(
        lambda: sides(visitor.panel.bounding_box()) == [0, 0, 360, 640],
        "the panel to fill the screen",
    )
    assert phone.evaluate("getComputedStyle(document.documentElement).overflow") == "hidden"
    for _ in range(12):
        phone.keyboard.press("Tab")
        assert visitor.focus_is_in(visitor.panel)
    for _ in range(12):
        phone.keyboard.press("Shift+Tab")
        assert visitor.focus_is_in(visitor.panel)
    close = visitor.host.get_by_role("button", name="Close chat").last
    box = close.bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= 40
    close.click()
    expect(visitor.panel).to_be_hidden()
    assert phone.evaluate("getComputedStyle(document.documentElement).overflow") == "visible"


def test_field_is_large_enough_that_a_phone_does_not_zoom(visit: Visit, phone: Page) -> None:
    visitor = visit(on=phone)
    visitor.open()
    assert visitor.field.evaluate("field => parseFloat(getComputedStyle(field).fontSize)") >= 16


@pytest.mark.parametrize(("width", "height", "left"), [(360, 640, 340), (360, 640, 240), (640, 360, 160)])
def test_keyboard_of_a_phone_leaves_field_and_last_message_visible(
    visit: Visit, phone: Page, team: Team, width: int, height: int, left: int
) -> None:
    phone.set_viewport_size({"width": width, "height": height})
    visitor = visit(on=phone)
    conversation = visitor.begin("Hi")
    for number in range(12):
        team.answer(conversation, f"answer {number}")
    visitor.wait_until(lambda: "answer 11" in visitor.bubbles(), "the last answer")
    phone.evaluate(
        """(height) => { Object.defineProperty(visualViewport, "height", { value: height });
            visualViewport.dispatchEvent(new Event("resize")) }""",
        left,
    )
    last = visitor.log.locator(".bubble").last
    shown = (visitor.host.locator(".composer"), last)
    visitor.wait_until(
        lambda: max(_bottom(element.bounding_box()) for element in shown) <= left, "the panel to fit"
    )
    expect(last).to_be_in_viewport()
    team.escalation(conversation)
    expect(visitor.answering).to_have_text("Waiting for a person")
    assert _bottom(visitor.host.locator(".composer").bounding_box()) <= left


def sides(box: Any) -> list[int]:
    """Return the place and the size of an element, in whole pixels."""
    return [round(box[name]) for name in ("x", "y", "width", "height")]


def _bottom(box: Any) -> float:
    return float(box["y"] + box["height"])


def test_new_messages_are_announced_once_and_history_is_not(visit: Visit, team: Team) -> None:
    visitor = visit()
    conversation = visitor.begin("Hi")
    team.answer(conversation, "one")
    visitor.expect_bubbles("Hello!", "Hi", "one")
    visitor.page.reload()
    visitor.expect_bubbles("Hello!", "Hi", "one")
    visitor.page.evaluate(WATCH_LOG)
    team.answer(conversation, "two **bold**")
    visitor.expect_bubbles("Hello!", "Hi", "one", "two bold")
    visitor.write("three")
    visitor.expect_bubbles("Hello!", "Hi", "one", "two bold", "three")
    visitor.wait_until(
        lambda: visitor.page.evaluate("JSON.parse(Object.values(localStorage)[0]).outbox.length") == 0,
        "the message to arrive",
    )
    added = visitor.page.evaluate("additions")
    assert len(added) == 2
    assert "two bold" in added[0]
    assert "three" in added[1]


def test_right_to_left_page_has_a_mirrored_widget(visit: Visit) -> None:
    visitor = visit(lang="ar", attributes='dir="rtl"')
    expect(visitor.launcher).to_have_accessible_name("فتح المحادثة")
    visitor.open()
    visitor.write("مرحبا")
    visitor.expect_bubbles("Hello!", "مرحبا")
    launcher, panel = visitor.launcher.bounding_box(), visitor.panel.bounding_box()
    send = visitor.host.locator(".send").bounding_box()
    assert launcher
    assert panel
    assert send
    assert launcher["x"] < 100
    assert panel["x"] < 100
    assert send["x"] < panel["x"] + panel["width"] / 2
    directions = visitor.host.locator(".bubble").evaluate_all(
        "bubbles => bubbles.map((bubble) => getComputedStyle(bubble).direction)"
    )
    assert directions == ["ltr", "rtl"]


def test_reduced_motion_has_no_animation(visit: Visit) -> None:
    visitor = visit()
    visitor.page.emulate_media(reduced_motion="reduce")
    visitor.open()
    assert visitor.panel.evaluate("panel => panel.getAnimations().length") == 0


@pytest.mark.parametrize("device", ["computer", "phone"])
def test_zooming_in_leaves_the_panel_as_it_is(visit: Visit, page: Page, phone: Page, device: str) -> None:
    visitor = visit(on=phone if device == "phone" else page).open()
    size = "panel => [panel.offsetWidth, panel.offsetHeight, getComputedStyle(panel).top]"
    before = visitor.panel.evaluate(size)
    # The listener comes after the widget's own.
    visitor.page.evaluate(
        """() => { window.zoomed = new Promise((resolve) => {
            visualViewport.addEventListener("resize", resolve, { once: true }) }) }"""
    )
    devtools = visitor.page.context.new_cdp_session(visitor.page)
    devtools.send("Emulation.setPageScaleFactor", {"pageScaleFactor": 2.5})
    visitor.page.evaluate("async () => { await zoomed }")
    assert visitor.page.evaluate("visualViewport.scale") > 2
    assert visitor.panel.evaluate(size) == before


@pytest.mark.parametrize("device", ["computer", "phone"])
def test_focus_stays_in_the_panel_when_its_button_goes(
    visit: Visit, page: Page, phone: Page, device: str
) -> None:
    visitor = visit(on=phone if device == "phone" else page)
    visitor.open()
    expect(visitor.human_button).to_be_visible()
    visitor.human_button.focus()
    visitor.page.keyboard.press("Enter")
    expect(visitor.answering).to_have_text("Waiting for a person")
    expect(visitor.human_button).to_be_hidden()
    # A browser takes the focus from a button that is gone when it draws the page.
    visitor.page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))")
    assert visitor.focus_is_in(visitor.field if device == "computer" else visitor.panel)
    visitor.page.keyboard.press("Escape")
    expect(visitor.panel).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_buttons_and_messages_have_edges_in_colours_of_the_system(visit: Visit, scheme: Scheme) -> None:
    visitor = visit()
    visitor.page.emulate_media(forced_colors="active", color_scheme=scheme)
    visitor.begin("Hi")
    edge = """element => { const { borderTopStyle, borderTopColor } = getComputedStyle(element);
        return [borderTopStyle, borderTopColor === "rgba(0, 0, 0, 0)"] }"""
    for element in (visitor.launcher, visitor.host.locator(".send"), visitor.log.locator(".bubble").last):
        assert element.evaluate(edge) == ["solid", False]
    visitor.field.focus()
    assert (
        visitor.host.locator(".composer").evaluate("form => getComputedStyle(form).outlineStyle") == "solid"
    )


def test_printed_page_is_without_the_widget(visit: Visit) -> None:
    visitor = visit().open()
    visitor.page.emulate_media(media="print")
    expect(visitor.panel).to_be_hidden()
    expect(visitor.launcher).to_be_hidden()
    visitor.page.emulate_media(media="screen")
    expect(visitor.panel).to_be_visible()
