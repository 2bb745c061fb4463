"""One escalation: answering, drafts, notes, held replies, colleagues, and the way back to the AI."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate

# What the layouts of Poland, Germany, Sweden and Spain type with AltGr or Option held.
TYPED = "ąęóśćżźń@€{}[]|~åäöñ¿¡"
SAVED = """mutation($input: SavedReplyInput!) { createSavedReply(input: $input) { id } }"""


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A window that is wide enough for the details next to the conversation."""
    opened = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800})
    yield opened
    opened.close()


@pytest.fixture
def raised(workspace: Workspace) -> tuple[str, str]:
    return escalate(workspace, "Grace Hopper")


@pytest.fixture
def dashboard(page: Page, workspace: Workspace, raised: tuple[str, str]) -> DashboardPage:
    """The dashboard on the escalation."""
    opened = DashboardPage(page, workspace).sign_in(path=f"/escalations/{raised[0]}")
    expect(opened.log.get_by_text("Hello, this is Grace Hopper.")).to_be_visible()
    opened.expect_live()
    return opened


def test_conversation_shows_confidence_and_the_moment_of_the_handoff(dashboard: DashboardPage) -> None:
    expect(dashboard.log.get_by_text("62 % sure")).to_be_visible()
    expect(dashboard.log.get_by_text("Handed to the team")).to_be_visible()
    order = dashboard.log.evaluate(
        """log => [log.textContent.indexOf("Let me look."), log.textContent.indexOf("Handed to the team"),
        log.textContent.indexOf("Your request has been escalated")]"""
    )
    assert order == sorted(order)
    assert -1 not in order


def test_reply_reaches_the_customer_and_starts_nothing_twice(
    dashboard: DashboardPage, workspace: Workspace, raised: tuple[str, str]
) -> None:
    dashboard.reply.fill("A person here.")
    dashboard.reply.press("Control+Enter")
    expect(dashboard.log.get_by_text("A person here.")).to_have_count(1)
    expect(dashboard.reply).to_have_value("")
    humans = [row["content"] for row in workspace.key.messages(raised[1]) if row["role"] == "HUMAN"]
    assert humans == ["A person here."]


def test_draft_is_kept_by_escalation_and_over_reloads(dashboard: DashboardPage, workspace: Workspace) -> None:
    other, _ = escalate(workspace, "Alan Turing")
    dashboard.reply.fill("Half a sentence")
    dashboard.goto(f"/escalations/{other}")
    expect(dashboard.reply).to_have_value("")
    dashboard.page.go_back(wait_until="commit")
    expect(dashboard.reply).to_have_value("Half a sentence")
    dashboard.page.reload()
    expect(dashboard.reply).to_have_value("Half a sentence")


def test_note_and_reply_are_two_boxes_and_text_never_moves(
    dashboard: DashboardPage, workspace: Workspace, raised: tuple[str, str]
) -> None:
    page = dashboard.page
    dashboard.reply.fill("To the customer")
    page.get_by_role("button", name="Internal note").click()
    expect(dashboard.note).to_have_value("")
    dashboard.note.fill("For the team")
    # The key that sends a reply does nothing here.
    dashboard.note.press("Control+Enter")
    page.get_by_role("button", name="Reply to Grace Hopper").click()
    expect(dashboard.reply).to_have_value("To the customer")
    page.get_by_role("button", name="Internal note").click()
    assert workspace.key.escalation(raised[0])["notes"] == []
    page.get_by_role("button", name="Add note").click()
    expect(page.get_by_role("complementary").get_by_text("For the team")).to_be_visible()
    assert [note["body"] for note in workspace.key.escalation(raised[0])["notes"]] == ["For the team"]
    assert all(row["role"] != "HUMAN" for row in workspace.key.messages(raised[1]))


def test_letters_of_every_layout_arrive_in_the_reply(dashboard: DashboardPage) -> None:
    dashboard.reply.click()
    dashboard.page.keyboard.insert_text(TYPED)
    for letter in "jkxcapre?/":
        dashboard.page.keyboard.press(letter)
    for letter, code in [("ą", "KeyA"), ("@", "KeyQ"), ("ś", "KeyS")]:
        event = {"key": letter, "code": code, "altKey": True, "bubbles": True, "cancelable": True}
        prevented = dashboard.reply.evaluate(
            "(element, event) => !element.dispatchEvent(new KeyboardEvent('keydown', event))", event
        )
        assert not prevented
    expect(dashboard.reply).to_have_value(TYPED + "jkxcapre?/")
    expect(dashboard.page.get_by_role("dialog")).to_have_count(0)


def test_single_keys_that_are_turned_off_do_nothing(dashboard: DashboardPage) -> None:
    page = dashboard.page
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("?")
    page.get_by_label("Single keys").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("e")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_held_draft_is_edited_and_sent_and_vanishes_for_all(
    dashboard: DashboardPage, workspace: Workspace, raised: tuple[str, str], context: BrowserContext
) -> None:
    workspace.key.record(raised[1], "ASSISTANT", "The parcel is lost.", confidence=88.0)
    page = dashboard.page
    second = DashboardPage(context.new_page(), workspace).goto(f"/escalations/{raised[0]}")
    expect(second.page.get_by_text("Held back. The customer does not see it.")).to_be_visible()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_label("Edit the draft").fill("The parcel is on its way.")
    page.get_by_role("button", name="Send edited").click()
    for opened in (dashboard, second):
        sent = opened.log.get_by_role("paragraph").filter(has_text="The parcel is on its way.")
        expect(sent).to_be_visible()
        expect(opened.page.get_by_text("Held back. The customer does not see it.")).to_have_count(0)


def test_saved_reply_is_inserted_by_slash_with_its_placeholders(
    page: Page, workspace: Workspace, raised: tuple[str, str]
) -> None:
    saved = {"shortcut": "hello", "title": "Greeting", "content": "Dear {customer}, {member} here."}
    workspace.sign_in().ask(SAVED, input=saved)
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{raised[0]}")
    dashboard.reply.click()
    page.keyboard.type("/hel")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(dashboard.reply).to_have_value("Dear Grace Hopper, Ada Admin here.")


def test_colleague_who_answers_meanwhile_is_named_before_sending(
    dashboard: DashboardPage, workspace: Workspace, raised: tuple[str, str]
) -> None:
    bea = workspace.member("bea@example.com")
    dashboard.reply.fill("I was about to say")
    bea.reply(raised[0], "Already answered.")
    expect(dashboard.page.get_by_text("while you were writing")).to_be_visible()
    dashboard.reply.press("Control+Enter")
    expect(dashboard.log.get_by_text("Already answered.")).to_be_visible()
    humans = [row["content"] for row in workspace.key.messages(raised[1]) if row["role"] == "HUMAN"]
    assert humans == ["Already answered."]
    dashboard.page.get_by_role("button", name="Send anyway").click()
    expect(dashboard.log.get_by_text("I was about to say")).to_be_visible()


def test_own_answer_from_elsewhere_stops_no_reply_while_nothing_is_live(
    page: Page, workspace: Workspace, raised: tuple[str, str]
) -> None:
    def hold_head(route: Any) -> None:
        if "query Head" not in (route.request.post_data or ""):
            route.continue_()

    # The list's feed becomes live only after this read.
    page.route("**/graphql", hold_head)
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{raised[0]}")
    dashboard.reply.fill("I am looking for it.")
    expect(page.locator('[data-status="live"]')).to_have_count(0)
    workspace.key.reply(raised[0], "From my phone: wait.", authorEmail=workspace.email)
    expect(page.locator('[data-status="live"]')).to_have_count(0)
    dashboard.reply.press("Control+Enter")
    expect(dashboard.log.get_by_text("I am looking for it.")).to_be_visible()
    expect(dashboard.reply).to_have_value("")


def test_colleague_is_seen_reading_and_writing(
    browser: Browser, dashboard: DashboardPage, workspace: Workspace, raised: tuple[str, str]
) -> None:
    workspace.member("bea@example.com")
    context = browser.new_context(locale="en-US")
    bea = DashboardPage(context.new_page(), workspace).sign_in("bea@example.com", f"/escalations/{raised[0]}")
    expect(bea.page.get_by_text("Ada Admin is here")).to_be_visible()
    expect(dashboard.page.get_by_text("bea is here")).to_be_visible()
    bea.reply.press_sequentially("Hm")
    expect(dashboard.page.get_by_text("bea is writing…")).to_be_visible()
    context.close()


def test_reply_after_an_outage_first_shows_what_was_missed(
    page: Page, dashboard: DashboardPage, workspace: Workspace, raised: tuple[str, str]
) -> None:
    bea = workspace.member("bea@example.com")
    dashboard.reply.fill("Hello there")
    dashboard.go_offline()
    bea.reply(raised[0], "Answered during the outage.")
    dashboard.reply.press("Control+Enter")
    expect(page.get_by_text("so a colleague may have answered")).to_be_visible()
    page.context.set_offline(False)
    expect(dashboard.log.get_by_text("Answered during the outage.")).to_be_visible()
    expect(dashboard.reply).to_have_value("Hello there")
    humans = [row["content"] for row in workspace.key.messages(raised[1]) if row["role"] == "HUMAN"]
    assert humans == ["Answered during the outage."]


def test_resolution_can_be_undone_for_five_seconds(
    dashboard: DashboardPage, workspace: Workspace, raised: tuple[str, str]
) -> None:
    page = dashboard.page
    page.get_by_role("button", name="Resolve", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Resolving…")).to_have_count(0)
    page.wait_for_timeout(5_500)  # the time after which it would have been resolved
    assert workspace.key.escalation(raised[0])["status"] == "OPEN"


def test_resolved_escalation_is_reopened_and_the_menu_hands_back_to_the_ai(
    dashboard: DashboardPage, workspace: Workspace, raised: tuple[str, str]
) -> None:
    page = dashboard.page
    workspace.key.resolve(raised[0])
    page.get_by_role("button", name="Reopen").click()
    expect(dashboard.reply).to_be_visible()
    expect(page.get_by_text("Team has control")).to_be_visible()
    page.get_by_role("button", name="Conversation menu").click()
    page.get_by_role("menuitem", name="Let the AI answer again").click()
    expect(page.get_by_text("AI answers", exact=True)).to_be_visible()
    assert workspace.key.conversation(raised[1])["ai"]["state"] == "ACTIVE"


def test_conversation_of_10000_messages_opens_with_its_last_50_and_loads_older_ones(
    page: Page, workspace: Workspace, raised: tuple[str, str]
) -> None:
    workspace.server.execute(
        """INSERT INTO messages (id, conversation_id, position, role, status, content, intents, created_at)
           SELECT gen_random_uuid(), $1, 10000 + number, 'USER', 'DELIVERED', 'Message ' || number,
                  '{}', now()
           FROM generate_series(1, 10000) AS number""",
        parse_id(CONVERSATION, raised[1]),
    )
    dashboard = DashboardPage(page, workspace).sign_in()
    expect(dashboard.rows).to_have_count(1)
    dashboard.row("Grace Hopper").get_by_role("link").click()
    dashboard.log.locator("[data-position]").first.wait_for()
    expect(dashboard.log.get_by_text("Message 10000", exact=True)).to_be_visible()
    expect(dashboard.log.locator("[data-position]")).to_have_count(50)
    page.get_by_role("region", name="Conversation").evaluate("element => { element.scrollTop = 0 }")
    expect(dashboard.log.get_by_text("Message 9930", exact=True)).to_have_count(1)


def test_transcript_stays_at_its_end_until_the_reader_scrolls(
    page: Page, workspace: Workspace, raised: tuple[str, str]
) -> None:
    for number in range(12):
        workspace.key.record(raised[1], "USER", f"Line {number}")
    member = workspace.sign_in()
    member.reply(raised[0], "Sent again.")
    workspace.key.resolve(raised[0])
    workspace.key.record(raised[1], "ASSISTANT", "Anything else?", confidence=88.0)
    escalation = workspace.key.escalate(raised[1])["escalation"]["id"]
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{escalation}")
    dashboard.expect_live()
    region = page.get_by_role("region", name="Conversation")

    def is_at_end() -> bool:
        rest = "element => element.scrollHeight - element.scrollTop - element.clientHeight"
        return bool(region.evaluate(rest) < 2)

    assert not region.evaluate("element => element.scrollHeight <= element.clientHeight")
    dashboard.wait_until(is_at_end, "the end of the conversation")
    dashboard.reply.fill("I am looking for it.")
    dashboard.reply.press("Control+Enter")
    expect(dashboard.log.get_by_text("I am looking for it.")).to_be_visible()
    dashboard.wait_until(is_at_end, "the end below the reply")
    workspace.key.record(raised[1], "USER", "Thank you")
    expect(dashboard.log.get_by_text("Thank you")).to_be_visible()
    dashboard.wait_until(is_at_end, "the end below the answer")
    # The page notices it with the next frame.
    region.evaluate(
        "element => new Promise(done => { element.scrollTop = 0; "
        "requestAnimationFrame(() => requestAnimationFrame(done)) })"
    )
    workspace.key.record(raised[1], "USER", "Are you there?")
    expect(page.get_by_role("button", name="New messages")).to_be_visible()
    assert region.evaluate("element => element.scrollTop") == 0


def test_message_between_a_scroll_and_its_event_leaves_the_reader_where_they_are(
    page: Page, workspace: Workspace, raised: tuple[str, str]
) -> None:
    for number in range(20):
        workspace.key.record(raised[1], "USER", f"Line {number}")
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{raised[0]}")
    dashboard.expect_live()
    region = page.get_by_role("region", name="Conversation")
    dashboard.wait_until(lambda: region.evaluate("element => element.scrollTop > 0"), "the end")
    # The event of a scroll comes with the next frame: here it is still on its way when the message comes.
    region.evaluate("""element => {
        window.addEventListener("scroll", event => event.stopImmediatePropagation(), true);
        element.scrollTop = 0;
    }""")
    workspace.key.record(raised[1], "USER", "Are you there?")
    expect(dashboard.log.get_by_text("Are you there?")).to_have_count(1)
    expect(page.get_by_role("button", name="New messages")).to_be_visible()
    assert region.evaluate("element => element.scrollTop") == 0
    assert dashboard.errors == []


def test_place_in_the_transcript_is_kept_while_the_details_hide_it(
    page: Page, workspace: Workspace, raised: tuple[str, str]
) -> None:
    for number in range(20):
        workspace.key.record(raised[1], "USER", f"Line {number}")
    page.set_viewport_size({"width": 800, "height": 700})
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{raised[0]}")
    dashboard.expect_live()
    region = page.locator("[aria-label=Conversation]")
    rest = "element => element.scrollHeight - element.scrollTop - element.clientHeight"
    dashboard.wait_until(lambda: region.evaluate("element => element.scrollTop > 0"), "the end")
    show_details = page.get_by_role("button", name="Show the details")
    hide_details = page.get_by_role("button", name="Show the conversation")
    show_details.click()
    expect(region).not_to_be_visible()
    workspace.key.record(raised[1], "USER", "Are you there?")
    expect(region.get_by_text("Are you there?")).to_have_count(1)
    hide_details.click()
    expect(region.get_by_text("Are you there?")).to_be_in_viewport()
    assert region.evaluate(rest) < 2
    region.evaluate("element => new Promise(done => { element.onscroll = done; element.scrollTop = 50; })")
    show_details.click()
    expect(region).not_to_be_visible()
    workspace.key.record(raised[1], "USER", "Hello?")
    expect(region.get_by_text("Hello?")).to_have_count(1)
    hide_details.click()
    expect(page.get_by_role("button", name="New messages")).to_be_visible()
    assert region.evaluate("element => element.scrollTop") == 50
    assert dashboard.errors == []
