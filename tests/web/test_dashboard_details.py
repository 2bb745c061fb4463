"""One escalation's notes, timeline and long or right-to-left words, and what holds in its conversation."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from rules.typeid import ESCALATION, parse_id
from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate, keep_picture

UPDATE = "mutation($input: UpdateEscalationInput!) { updateEscalation(input: $input) { escalation { id } } }"
PAUSE = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { id } } }"
SENTENCE = "العميل ينتظر منذ أمس (VIP)."
STYLE = "element => ['direction', 'white-space-collapse'].map((name) => getComputedStyle(element)[name])"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A window that is wide enough for the details next to the conversation."""
    opened = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800})
    yield opened
    opened.close()


def open_escalation(
    page: Page, workspace: Workspace, escalation: str, email: str | None = None
) -> DashboardPage:
    opened = DashboardPage(page, workspace).sign_in(email, f"/escalations/{escalation}")
    opened.expect_live()
    return opened


def update(workspace: Workspace, escalation: str, **changes: Any) -> None:
    workspace.key.ask(UPDATE, input={"escalationId": escalation, **changes})


def paused_conversation(workspace: Workspace) -> str:
    """Return a conversation whose AI a member has paused, without an escalation."""
    conversation: str = workspace.start(customer={"name": "Grace Hopper"})["conversation"]["id"]
    workspace.key.record(conversation, "USER", "Where is my parcel?")
    workspace.sign_in().ask(PAUSE, id=conversation)
    return conversation


def wait_for_human_messages(dashboard: DashboardPage, conversation: str, contents: list[str]) -> None:
    """Wait until the conversation has these messages of members, and no others.

    A page that goes on to another address shows no messages for a moment, before what was sent has arrived.
    """

    def has_arrived() -> bool:
        rows = dashboard.workspace.key.messages(conversation)
        return [row["content"] for row in rows if row["role"] == "HUMAN"] == contents

    dashboard.wait_until(has_arrived, "the messages of members")


def test_business_time_is_not_counted_in_days_of_the_calendar(page: Page, workspace: Workspace) -> None:
    days = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
    mornings = [{"day": day, "opens": "00:00", "closes": "12:00"} for day in days]
    shown = {}
    for name, week in (("mornings", mornings), ("around the clock", [])):
        sla = {"targetResponseMinutes": 3_000, "businessHours": {"timezone": "UTC", "week": week}}
        workspace.key.settings(workspace.agent_id, sla=sla)
        shown[name], _ = escalate(workspace, name)
    dashboard = open_escalation(page, workspace, shown["mornings"])
    clock = page.locator("details").filter(has_text="First response")
    expect(clock).to_contain_text("Target50 h of business time")
    expect(clock.locator("[data-sla]")).to_contain_text(re.compile("^(50|49) h"))
    dashboard.goto(f"/escalations/{shown['around the clock']}")
    expect(clock).to_contain_text("Target2 d 2 h of business time")
    expect(clock.locator("[data-sla]")).to_contain_text(re.compile("^2 d [12] h"))


def test_clock_with_more_stretches_than_are_listed_counts_its_whole_target(
    page: Page, workspace: Workspace
) -> None:
    days = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
    week = [
        {"day": day, "opens": f"{hour:02}:00", "closes": f"{hour + 1:02}:00"}
        for day in days
        for hour in range(0, 24, 2)
    ]
    sla = {"targetResponseMinutes": 6_000, "businessHours": {"timezone": "UTC", "week": week}}
    workspace.key.settings(workspace.agent_id, sla=sla)
    escalation, _ = escalate(workspace, "Grace Hopper")
    open_escalation(page, workspace, escalation)
    clock = page.locator("details").filter(has_text="First response")
    expect(clock.locator("[data-sla]")).to_contain_text(re.compile("^(100|99) h"))
    expect(clock.get_by_role("listitem")).to_have_count(101)
    expect(clock.get_by_role("listitem").last).to_contain_text("and so on until")


def test_resolved_escalation_takes_a_note(page: Page, workspace: Workspace) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    workspace.key.resolve(escalation)
    dashboard = open_escalation(page, workspace, escalation)
    expect(page.get_by_text("Resolved. Reopen it to reply.")).to_be_visible()
    expect(page.get_by_text("None yet. Press N to write one.")).to_be_visible()
    expect(dashboard.reply).to_have_count(0)
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("r")
    page.keyboard.press("n")
    expect(dashboard.note).to_be_focused()
    page.keyboard.insert_text("She called again.")
    keep_picture(page, "resolved note")
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_role("complementary").get_by_text("She called again.")).to_be_visible()
    expect(dashboard.note).to_have_value("")
    assert [note["body"] for note in workspace.key.escalation(escalation)["notes"]] == ["She called again."]


def test_texts_stay_when_a_colleague_resolves_meanwhile(page: Page, workspace: Workspace) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    dashboard = open_escalation(page, workspace, escalation)
    dashboard.reply.fill("Half a sentence")
    page.get_by_role("button", name="Internal note").click()
    dashboard.note.fill("She called again.")
    workspace.key.resolve(escalation)
    expect(page.get_by_text("Resolved. Reopen it to reply. Your text is kept.")).to_be_visible()
    expect(dashboard.note).to_have_value("She called again.")
    expect(dashboard.note).to_be_focused()
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_role("complementary").get_by_text("She called again.")).to_be_visible()
    page.get_by_role("button", name="Reopen").click()
    page.get_by_role("button", name="Reply to Grace Hopper").click()
    expect(dashboard.reply).to_have_value("Half a sentence")


def test_viewer_is_not_told_how_to_write_a_note(page: Page, workspace: Workspace) -> None:
    workspace.member("vic@example.com", role="VIEWER")
    escalation, _ = escalate(workspace, "Grace Hopper")
    workspace.key.resolve(escalation)
    open_escalation(page, workspace, escalation, "vic@example.com")
    notes = page.get_by_role("complementary").get_by_text("None yet.")
    expect(notes).to_have_text("None yet.")
    expect(page.get_by_role("button", name="Internal note")).to_have_count(0)


def test_timeline_shows_the_newest_entries_and_earlier_ones_on_request(
    page: Page, workspace: Workspace
) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    for number in range(105):
        workspace.key.reply(escalation, f"Answer {number}")
    open_escalation(page, workspace, escalation)
    page.get_by_role("heading", name="Timeline").click()
    entries = page.locator("details", has_text="Timeline").get_by_role("listitem")
    expect(entries.last).to_contain_text("replied")
    update(workspace, escalation, priority="URGENT")
    expect(entries.last).to_contain_text("changed the priority to Urgent")
    update(workspace, escalation, note="Enough")
    expect(entries.last).to_contain_text("added a note")
    expect(entries).to_have_count(50)
    earlier = page.get_by_role("button", name="Show earlier")
    keep_picture(page, "timeline")
    earlier.click()
    expect(entries.first).to_contain_text("raised it")
    expect(earlier).to_have_count(0)
    recorded = workspace.server.rows(
        "SELECT timeline FROM escalations WHERE id = $1", parse_id(ESCALATION, escalation)
    )
    expect(entries).to_have_count(recorded[0]["timeline"])


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    pixels: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return pixels


def expect_inside(page: Page, *elements: Locator) -> None:
    width = page.evaluate("innerWidth")
    for element in elements:
        box = element.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


@pytest.mark.parametrize(("width", "name"), [(360, "a1b2c3d4" * 8), (1280, "a1b2c3d4" * 25)])
def test_long_names_and_reasons_stay_inside_the_window(
    page: Page, workspace: Workspace, width: int, name: str
) -> None:
    customer = {"externalId": name} if width == 360 else {"name": name}
    conversation = workspace.start(customer=customer)["conversation"]["id"]
    workspace.key.record(conversation, "USER", "Hello")
    escalation = workspace.key.escalate(conversation, "r" * 200, summary="s" * 200)["escalation"]["id"]
    update(workspace, escalation, note="n" * 200)
    page.set_viewport_size({"width": width, "height": 740})
    dashboard = open_escalation(page, workspace, escalation)
    send = page.get_by_role("button", name="Send reply")
    expect(send).to_be_visible()
    keep_picture(page, f"long name {width}")
    assert overflow(page) == 0
    expect_inside(page, dashboard.reply, send, page.get_by_role("button", name="Internal note"))
    if width == 360:
        page.get_by_role("button", name="Show the details").click()
    side = page.get_by_role("complementary", name="Details")
    expect(side.get_by_text("r" * 200)).to_be_visible()
    keep_picture(page, f"long details {width}")
    assert side.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
    assert overflow(page) == 0


def test_words_of_either_direction_are_written_in_it_and_keep_their_lines(
    page: Page, workspace: Workspace
) -> None:
    widget = {"confirmationMessage": f"{SENTENCE}\nSecond line"}
    workspace.key.settings(workspace.agent_id, widget=widget)
    conversation = workspace.start(customer={"name": f"{SENTENCE} A"})["conversation"]["id"]
    workspace.key.record(conversation, "USER", "Hello")
    summary = f"{SENTENCE} B\nSecond line"
    escalation = workspace.key.escalate(conversation, f"{SENTENCE} C", summary=summary)["escalation"]["id"]
    update(workspace, escalation, note=f"{SENTENCE} D")
    workspace.key.resolve(escalation, note=f"{SENTENCE} E\nSecond line")
    dashboard = open_escalation(page, workspace, escalation)
    side = page.get_by_role("complementary", name="Details")
    keep_picture(page, "right to left")
    assert page.get_by_role("heading", level=1).evaluate(STYLE)[0] == "rtl"
    assert side.get_by_text(f"{SENTENCE} A").evaluate(STYLE)[0] == "rtl"
    assert side.get_by_text(f"{SENTENCE} C").evaluate(STYLE)[0] == "rtl"
    assert side.get_by_text(f"{SENTENCE} D").evaluate(STYLE)[0] == "rtl"
    for words in (
        side.get_by_text(f"{SENTENCE} B"),
        side.get_by_text(f"{SENTENCE} E"),
        dashboard.log.get_by_text(SENTENCE).first,
    ):
        assert words.evaluate(STYLE) == ["rtl", "preserve-breaks"]
    page.goto(page.url.rpartition("/app/")[0] + "/app/conversations")
    expect(page.get_by_text(f"{SENTENCE} A")).to_be_visible()
    assert page.get_by_text(f"{SENTENCE} A").evaluate(STYLE)[0] == "rtl"


def test_send_and_resolve_on_the_conversation_asks_how_to_resolve(page: Page, workspace: Workspace) -> None:
    escalation, conversation = escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/conversations/{conversation}")
    dashboard.expect_live()
    dashboard.reply.fill("It arrived.")
    page.get_by_role("button", name="Send and resolve").click()
    dialog = page.get_by_role("dialog", name="Resolve Grace Hopper")
    dialog.get_by_role("button", name="Resolve").click()
    expect(dialog).to_have_count(0)
    dashboard.wait_until(
        lambda: workspace.key.escalation(escalation)["status"] == "RESOLVED", "the resolution"
    )
    expect(dashboard.log.get_by_text("It arrived.")).to_be_visible()
    expect(page.get_by_role("button", name="Take over")).to_be_visible()


def test_held_draft_without_an_escalation_is_edited_as_an_own_reply(page: Page, workspace: Workspace) -> None:
    conversation = paused_conversation(workspace)
    workspace.key.record(conversation, "ASSISTANT", "The parcel is lost.", confidence=88.0)
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/conversations/{conversation}")
    dashboard.expect_live()
    expect(page.get_by_text("No escalation is active, so it cannot be sent from here.")).to_be_visible()
    expect(page.get_by_role("button", name="Send as it is")).to_have_count(0)
    keep_picture(page, "held without escalation")
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(dashboard.reply).to_be_focused()
    expect(dashboard.reply).to_have_value("The parcel is lost.")
    dashboard.reply.press("Control+Enter")
    wait_for_human_messages(dashboard, conversation, ["The parcel is lost."])
    expect(dashboard.reply).to_have_value("")


def test_held_draft_after_taking_over_is_sent_as_it_is(page: Page, workspace: Workspace) -> None:
    conversation = paused_conversation(workspace)
    workspace.key.record(conversation, "ASSISTANT", "The parcel is lost.", confidence=88.0)
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/conversations/{conversation}")
    dashboard.expect_live()
    page.get_by_role("button", name="Take over").click()
    page.get_by_role("button", name="Send as it is").click()
    wait_for_human_messages(dashboard, conversation, ["The parcel is lost."])
    expect(page.get_by_text("Held back. The customer does not see it.")).to_have_count(0)


def test_held_draft_of_a_resolved_escalation_waits_for_its_reopening(
    page: Page, workspace: Workspace
) -> None:
    escalation, conversation = escalate(workspace, "Grace Hopper")
    workspace.key.resolve(escalation, keepAiPaused=True)
    workspace.key.record(conversation, "ASSISTANT", "The parcel is lost.", confidence=88.0)
    open_escalation(page, workspace, escalation)
    expect(page.get_by_text("Reopen the escalation first.")).to_be_visible()
    expect(page.get_by_role("button", name="Edit", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Reopen").click()
    expect(page.get_by_role("button", name="Send as it is")).to_be_visible()


def test_reply_that_came_late_looks_like_no_draft(page: Page, workspace: Workspace) -> None:
    escalation, conversation = escalate(workspace, "Grace Hopper")
    workspace.key.resolve(escalation)
    workspace.key.record(conversation, "ASSISTANT", "The parcel is lost.", confidence=88.0, epoch=1)
    [held] = [row for row in workspace.key.messages(conversation) if row["content"] == "The parcel is lost."]
    assert held["status"] == "HELD"
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/conversations/{conversation}")
    late = dashboard.log.get_by_role("listitem").filter(has_text="The parcel is lost.")
    expect(late.get_by_text("Came late, not sent")).to_be_visible()
    expect(late.get_by_role("button")).to_have_count(0)
    keep_picture(page, "late reply")
