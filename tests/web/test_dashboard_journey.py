"""From the widget's button to a person's reply in the dashboard, and back to the AI, with both pages open."""

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
