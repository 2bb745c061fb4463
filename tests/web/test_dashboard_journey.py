"""Both pages open: from the widget to a reply in the dashboard and back to the AI, and over a restart."""

import signal

from playwright.sync_api import Browser, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage
from tests.web.conftest import Visit


def test_customer_asks_and_is_answered_and_the_ai_goes_on(
    browser: Browser, visit: Visit, shop_workspace: Workspace
) -> None:
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800})
    dashboard = DashboardPage(context.new_page(), shop_workspace).sign_in()
    dashboard.expect_live()
    visitor = visit()
    conversation = visitor.begin("Where is my parcel?")
    visitor.human_button.click()
    expect(dashboard.rows).to_have_count(1)
    dashboard.rows.first.get_by_role("link").click()
    expect(dashboard.log.get_by_text("Where is my parcel?")).to_be_visible()
    dashboard.reply.fill("It arrives today.")
    dashboard.reply.press("Control+Enter")
    visitor.wait_until(lambda: "It arrives today." in visitor.bubbles(), "the reply in the widget")
    visitor.write("Thank you!")
    expect(dashboard.log.get_by_text("Thank you!")).to_be_visible()
    dashboard.page.get_by_role("button", name="Resolve", exact=True).click()
    dashboard.page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    expect(dashboard.page.get_by_text("AI answers", exact=True)).to_be_visible()
    context.close()
    assert shop_workspace.key.conversation(conversation)["ai"]["state"] == "ACTIVE"


def lines_of(dashboard: DashboardPage, messages: list[str]) -> list[str]:
    """Return the messages in the order in which the dashboard shows them."""
    return [line for line in dashboard.log.inner_text().splitlines() if line in messages]


def test_restart_in_the_middle_loses_and_doubles_nothing_on_both_sides(
    browser: Browser, visit: Visit, shop_workspace: Workspace, environment: dict[str, str]
) -> None:
    server, key = shop_workspace.server, shop_workspace.key
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800})
    dashboard = DashboardPage(context.new_page(), shop_workspace).sign_in()
    visitor = visit()
    conversation = visitor.begin("Where is my parcel?")
    visitor.human_button.click()
    dashboard.rows.first.get_by_role("link").click()
    expect(dashboard.log.get_by_text("Where is my parcel?")).to_be_visible()
    dashboard.expect_live()
    escalation = dashboard.page.url.rpartition("/")[2]

    server.stop(signal.SIGKILL)
    expect(dashboard.page.locator('[data-status="live"]')).to_have_count(0)
    visitor.wait_until(lambda: visitor.state()["status"] != "live", "the widget's status")
    visitor.write("Are you there?")
    dashboard.reply.fill("I am looking for it.")
    dashboard.reply.press("Control+Enter")
    expect(dashboard.log.get_by_text("I am looking for it.")).to_have_count(0)
    expect(dashboard.reply).to_have_value("I am looking for it.")
    server.start(**environment)
    # Committed before either page is connected again.
    key.reply(escalation, "A colleague here.", authorEmail=shop_workspace.email)
    dashboard.expect_live()
    visitor.wait_until_live(40)
    expect(dashboard.log.get_by_text("Are you there?")).to_have_count(1)
    expect(dashboard.log.get_by_text("A colleague here.")).to_have_count(1)
    send = dashboard.page.get_by_role("button", name="Send anyway").or_(
        dashboard.page.get_by_role("button", name="Send reply")
    )
    send.first.click()
    expect(dashboard.reply).to_have_value("")
    expect(dashboard.log.get_by_text("I am looking for it.")).to_have_count(1)

    sent = [row["content"] for row in key.messages(conversation) if row["role"] in ("USER", "HUMAN")]
    assert sorted(sent) == sorted(
        ["Where is my parcel?", "Are you there?", "A colleague here.", "I am looking for it."]
    )
    visitor.wait_until(lambda: visitor.bubbles()[-1:] == sent[-1:], "the last message in the widget")
    assert [text for text in visitor.bubbles() if text in sent] == sent
    assert lines_of(dashboard, sent) == sent
    dashboard.page.reload()
    dashboard.expect_live()
    expect(dashboard.log.get_by_text("I am looking for it.")).to_have_count(1)
    assert lines_of(dashboard, sent) == sent
    context.close()
