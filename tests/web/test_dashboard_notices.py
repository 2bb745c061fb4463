"""Notices outside the page: desktop notices and the sound, after a gesture, for one's own queue."""

from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate

# Keeps what is shown and played: a headless browser has no desktop and no loudspeaker.
RECORD = """
window.notices = [];
window.tones = [];
class RecordedNotice {
  static permission = "default";
  static requestPermission() {
    RecordedNotice.asked = navigator.userActivation.isActive;
    RecordedNotice.permission = window.answer ?? "granted";
    return Promise.resolve(RecordedNotice.permission);
  }
  constructor(title, options) {
    if (window.noNotices) throw new TypeError("Illegal constructor");
    window.notices.push({ title, ...options });
  }
}
window.Notification = RecordedNotice;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (when) {
  window.tones.push({ state: this.context.state, activated: navigator.userActivation.hasBeenActive });
  return start.call(this, when);
};
"""
HIDE = """() => {
  Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
UPDATE = """mutation($input: UpdateEscalationInput!) {
    updateEscalation(input: $input) { escalation { id } } }"""


@pytest.fixture
def dashboard(page: Page, workspace: Workspace) -> DashboardPage:
    page.add_init_script(RECORD)
    return DashboardPage(page, workspace).sign_in(path="/profile")


def _kept(page: Page, name: str) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = page.evaluate(f"window.{name}")
    return kept


def test_desktop_notice_follows_permission_and_is_for_ones_own_queue(
    dashboard: DashboardPage, workspace: Workspace
) -> None:
    page, colleague = dashboard.page, f"bea.{workspace.email}"
    workspace.member(colleague)
    page.get_by_text("Desktop notices while the page is not in sight").click()
    dashboard.wait_until(lambda: page.evaluate("Notification.asked"), "the question during a gesture")
    dashboard.expect_live()
    escalate(workspace, "Seen Already")
    expect(page.get_by_role("navigation").get_by_title("Yours and unassigned")).to_have_text("1")
    # The page is in sight.
    assert [notice["title"] for notice in _kept(page, "notices")] == ["Notices look like this"]
    page.evaluate(HIDE)
    theirs, _ = escalate(workspace, "Of A Colleague", assignTo=colleague)
    mine, _ = escalate(workspace, "Grace Hopper")
    dashboard.wait_until(lambda: len(_kept(page, "notices")) == 2, "the notice")
    notice = _kept(page, "notices")[1]
    assert (notice["title"], notice["tag"]) == ("Grace Hopper waits for a person", mine)
    workspace.key.ask(UPDATE, input={"escalationId": theirs, "assignTo": workspace.email})
    dashboard.wait_until(lambda: len(_kept(page, "notices")) == 3, "the notice of the assignment")
    assert _kept(page, "notices")[2]["title"] == "You are assigned to Of A Colleague"
    unsure: str = workspace.start(customer={"name": "Alan Turing"})["conversation"]["id"]
    workspace.key.record(unsure, "USER", "Where is my parcel?")
    workspace.key.record(unsure, "ASSISTANT", "On its way?", confidence=5)
    dashboard.wait_until(lambda: len(_kept(page, "notices")) == 4, "the notice of the unsure answer")
    assert _kept(page, "notices")[3]["body"] == "Low confidence"
    assert dashboard.errors == []


# Chrome on Android gives the permission, and only a service worker could show a notice there.
@pytest.mark.parametrize("fault", ["window.answer = 'denied'", "window.noNotices = true"])
def test_notices_that_cannot_be_shown_leave_the_switch_off(dashboard: DashboardPage, fault: str) -> None:
    page = dashboard.page
    page.evaluate(fault)
    page.get_by_text("Desktop notices while the page is not in sight").click()
    expect(page.get_by_text("The browser does not allow notices from this page.")).to_be_visible()
    expect(page.get_by_role("switch", name="Desktop notices")).not_to_be_checked()
    assert dashboard.errors == []


def test_sound_plays_after_a_gesture_for_new_escalations(
    dashboard: DashboardPage, workspace: Workspace
) -> None:
    page = dashboard.page
    dashboard.expect_live()
    escalate(workspace, "Before The Switch")
    expect(page.get_by_role("navigation").get_by_title("Yours and unassigned")).to_have_text("1")
    assert _kept(page, "tones") == []
    page.get_by_text("A sound", exact=True).click()
    dashboard.wait_until(lambda: len(_kept(page, "tones")) == 2, "the sample of the sound")
    escalate(workspace, "Grace Hopper")
    dashboard.wait_until(lambda: len(_kept(page, "tones")) == 4, "the sound")
    assert all(tone["activated"] for tone in _kept(page, "tones"))
    assert _kept(page, "tones")[-1]["state"] == "running"
    page.get_by_role("button", name="Test the sound").click()
    dashboard.wait_until(lambda: len(_kept(page, "tones")) == 6, "the sample of the sound")


def test_burst_sounds_once_and_own_acts_are_silent(browser: Browser, workspace: Workspace) -> None:
    context = browser.new_context(locale="en-US")
    context.add_init_script(RECORD + 'localStorage.setItem("baton-dashboard:sound", "true");')
    dashboard = DashboardPage(context.new_page(), workspace).sign_in()
    page = dashboard.page
    page.clock.install()
    page.reload()
    dashboard.expect_live()
    dashboard.go_offline()
    for number in range(4):
        escalate(workspace, f"Customer {number}")
    context.set_offline(False)
    expect(dashboard.rows).to_have_count(4)
    dashboard.expect_live()
    dashboard.wait_until(lambda: _kept(page, "tones"), "the sound")
    assert len(_kept(page, "tones")) == 2
    page.clock.fast_forward(5_000)  # The burst is over.
    page.get_by_role("button", name="Claim Customer 1").click()
    expect(dashboard.row("Customer 1").get_by_text("Ada Admin")).to_be_attached()
    escalate(workspace, "After The Claim", assignTo=workspace.email)
    expect(dashboard.row("After The Claim")).to_be_attached()
    dashboard.wait_until(lambda: len(_kept(page, "tones")) > 2, "the sound of the next one")
    assert len(_kept(page, "tones")) == 4
    context.close()


def test_sound_without_a_gesture_raises_no_error(
    browser: Browser, context: BrowserContext, workspace: Workspace
) -> None:
    context.add_init_script(RECORD + 'localStorage.setItem("baton-dashboard:sound", "true");')
    signed_in = DashboardPage(context.new_page(), workspace).sign_in()
    # A new tab of the same session, on which nothing was pressed.
    dashboard = DashboardPage(context.new_page(), workspace).goto("/escalations")
    dashboard.expect_live()
    signed_in.page.close()
    escalate(workspace, "Grace Hopper")
    expect(dashboard.rows).to_have_count(1)
    assert dashboard.errors == []
