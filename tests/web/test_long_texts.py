"""Messages of the greatest length: read over a slow connection, and pasted into the field."""

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.support.baton_client import Workspace
from tests.support.widget_page import Team, conversations
from tests.web.conftest import Visit

LONGEST = 20_000
# 400 kbit/s
SLOW = {"offline": False, "latency": 0, "downloadThroughput": 50_000, "uploadThroughput": 50_000}


def test_history_of_one_megabyte_is_shown_over_a_slow_connection(
    visit: Visit, team: Team, context: BrowserContext
) -> None:
    visitor = visit()
    conversation = visitor.begin("Hi")
    url = visitor.page.url
    visitor.page.goto("about:blank")
    texts = [f"{number} ".ljust(LONGEST, "x") for number in range(50)]
    for text in texts:
        team.answer(conversation, text)
    context.new_cdp_session(visitor.page).send("Network.emulateNetworkConditions", SLOW)
    visitor.goto(url)
    expect(visitor.panel).to_be_visible()
    visitor.wait_until(lambda: visitor.bubbles()[-1:] == texts[-1:], "the newest message")
    shown = len(visitor.bubbles())
    visitor.host.get_by_role("button", name="Show earlier messages").click()
    visitor.wait_until(lambda: len(visitor.bubbles()) > shown, "earlier messages")


@pytest.mark.parametrize("by", ["key", "button"])
def test_pasted_text_that_is_too_long_is_kept_whole_and_not_sent(
    visit: Visit, shop_workspace: Workspace, by: str
) -> None:
    visitor = visit().open()
    text = "x" * LONGEST
    visitor.field.fill(f"{text}and more")
    problem = "field => field.validationMessage"
    assert visitor.field.evaluate(problem) == "This message is too long. Send it in parts."
    if by == "key":
        visitor.field.press("Enter")
    else:
        visitor.host.get_by_role("button", name="Send").click()
    expect(visitor.field).to_have_value(f"{text}and more")
    visitor.expect_bubbles("Hello!")
    assert conversations(shop_workspace) == []
    visitor.field.fill(text)
    assert visitor.field.evaluate(problem) == ""
    visitor.field.press("Enter")
    visitor.expect_bubbles("Hello!", text)
