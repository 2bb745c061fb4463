"""Every screen of the dashboard: accessible, without errors, usable on a phone, and light to load."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate, keep_picture

BUILT = Path(__file__).parents[2] / "server/static/app"
FIRST_LOAD_LIMIT = 220_000
SCREENS = {
    "escalations": "/escalations?tab=all",
    "empty list": "/escalations?tab=mine",
    "conversations": "/conversations",
    "analytics": "/analytics",
    "rules": "/settings/escalations",
    "slack": "/settings/slack",
    "webhooks": "/settings/webhooks",
    "identity": "/settings/identity",
    "deliveries": "/deliveries",
    "team": "/team",
    "API keys": "/api-keys",
    "saved replies": "/saved-replies",
    "profile": "/profile",
    "first steps": "/first-steps",
}

# Forced colours drop backgrounds and shadows. Returns the controls that only those would show.
UNSEEN = """() => {
    const faults = [], ring = getComputedStyle(document.activeElement).outlineStyle;
    for (const element of document.querySelectorAll("button, [role=tab], input")) {
        const style = getComputedStyle(element);
        const drawn = parseFloat(style.borderTopWidth) > 0 || style.appearance !== "none";
        const named = element.textContent.trim() || element.querySelector("svg");
        if (element.offsetWidth && !drawn && !named) faults.push(element.outerHTML.slice(0, 120));
    }
    return ring === "none" ? [...faults, "no focus ring"] : faults;
}"""

KNOB = """(input) => ({
    knob: getComputedStyle(input, "::after").backgroundColor, track: getComputedStyle(input).backgroundColor,
})"""


Schemes = Sequence[Literal["light", "dark"]]


def _open_screens(
    dashboard: DashboardPage, escalation: str, conversation: str, look: str, schemes: Schemes = ("light",)
) -> dict[str, list[str]]:
    """Open every screen and return what is wrong with each in each scheme, without those where nothing is.

    `look` and the scheme name the pictures that are kept with BATON_SCREENSHOTS.
    """
    paths = SCREENS | {
        "escalation": f"/escalations/{escalation}",
        "conversation": f"/conversations/{conversation}",
    }
    faults = {}
    for name, path in paths.items():
        dashboard.goto(path)
        expect(dashboard.page.get_by_role("heading", level=1)).to_be_visible()
        expect(dashboard.page.get_by_role("status", name="Loading")).to_have_count(0)
        dashboard.page.wait_for_load_state("networkidle")
        for scheme in schemes:
            dashboard.page.emulate_media(color_scheme=scheme)
            keep_picture(dashboard.page, f"{look} {scheme} {name}".strip())
            if listed := dashboard.axe():
                faults[f"{scheme} {name}"] = listed
    return faults


def test_screens_in_each_theme_have_no_accessibility_fault(browser: Browser, workspace: Workspace) -> None:
    context = browser.new_context(
        locale="en-US", viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
    )
    dashboard = DashboardPage(context.new_page(), workspace).sign_in()
    escalation, conversation = escalate(workspace, "Grace Hopper")
    escalate(workspace, "Alan Turing", priority="URGENT")
    workspace.key.record(conversation, "ASSISTANT", "A draft that is held.", confidence=81.0)
    faults = _open_screens(dashboard, escalation, conversation, "", ("light", "dark"))
    errors = dashboard.errors
    context.close()
    assert faults == {}
    assert [line for line in errors if "WebSocket" not in line] == []


def test_screens_in_forced_colours_have_no_accessibility_fault_and_show_states(
    browser: Browser, workspace: Workspace
) -> None:
    context = browser.new_context(
        locale="en-US", forced_colors="active", viewport={"width": 1280, "height": 800}
    )
    page = context.new_page()
    dashboard = DashboardPage(page, workspace).sign_in()
    escalation, conversation = escalate(workspace, "Grace Hopper")
    faults = _open_screens(dashboard, escalation, conversation, "forced colours")
    unseen = {}
    for name, path in {"escalations": "/escalations?tab=all", "profile": "/profile"}.items():
        dashboard.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.keyboard.press("Tab")
        checked = page.locator("[role=switch]:checked").first
        if name == "profile":
            # The knob has another colour than the track.
            colors = checked.evaluate(KNOB)
            assert colors["knob"] != colors["track"]
        unseen[name] = page.evaluate(UNSEEN)
    context.close()
    assert faults == {}
    assert unseen == {"escalations": [], "profile": []}


def test_screen_at_twice_the_size_has_no_accessibility_fault(browser: Browser, workspace: Workspace) -> None:
    # A zoom of 200 % halves the viewport in CSS pixels.
    context = browser.new_context(
        locale="en-US", viewport={"width": 640, "height": 400}, device_scale_factor=2
    )
    dashboard = DashboardPage(context.new_page(), workspace).sign_in()
    escalation, conversation = escalate(workspace, "Grace Hopper")
    faults = _open_screens(dashboard, escalation, conversation, "200 %")
    context.close()
    assert faults == {}


def test_sign_in_page_has_no_accessibility_fault(page: Page, workspace: Workspace) -> None:
    dashboard = DashboardPage(page, workspace).goto("/escalations")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    keep_picture(page, "light sign in")
    assert dashboard.axe() == []


def test_dialogs_have_no_accessibility_fault(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in()
    expect(dashboard.rows).to_have_count(1)
    faults = {}
    for key in ["?", "Control+k"]:
        page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_be_visible()
        keep_picture(page, f"light dialog {'help' if key == '?' else key}")
        faults[key] = dashboard.axe()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("j")
    for key in ["a", "p", "e"]:
        # A closed dialog returns the focus a moment later.
        expect(page.locator("[data-row-link]")).to_be_focused()
        page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_be_visible()
        keep_picture(page, f"light dialog {'help' if key == '?' else key}")
        faults[key] = dashboard.axe()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert {key: listed for key, listed in faults.items() if listed} == {}


def test_phone_of_360_pixels_can_claim_reply_and_resolve(browser: Browser, workspace: Workspace) -> None:
    context = browser.new_context(
        locale="en-US", viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    escalation, _ = escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in()
    keep_picture(page, "phone escalations")
    dashboard.row("Grace Hopper").get_by_role("link").tap()
    page.get_by_role("button", name="Claim").tap()
    keep_picture(page, "phone escalation")
    dashboard.reply.fill("I am looking into it.")
    page.get_by_role("button", name="Send reply").tap()
    expect(dashboard.log.get_by_text("I am looking into it.")).to_be_visible()
    width = page.evaluate("document.documentElement.scrollWidth")
    page.get_by_role("button", name="Resolve", exact=True).tap()
    page.get_by_label("The AI could have answered").check()
    page.get_by_role("dialog").get_by_role("button", name="Resolve").tap()
    expect(page.get_by_text("Reopen it to reply.")).to_be_visible()
    context.close()
    resolved = workspace.key.escalation(escalation)
    assert width <= 360
    assert (resolved["status"], resolved["assignee"]["email"]) == ("RESOLVED", workspace.email)
    assert resolved["resolution"]["disposition"] == "AI_COULD_HAVE_ANSWERED"


def test_first_load_of_the_list_is_at_most_220_kb_compressed() -> None:
    manifest = json.loads((BUILT / ".vite/manifest.json").read_text())
    wanted, files = ["index.html", "escalations/screen.tsx"], set()
    while wanted:
        chunk = manifest[wanted.pop()]
        if chunk["file"] not in files:
            files |= {chunk["file"], *chunk.get("css", [])}
            wanted += chunk.get("imports", [])
    size = sum(len(gzip.compress((BUILT / name).read_bytes(), 9)) for name in files)
    assert size <= FIRST_LOAD_LIMIT
