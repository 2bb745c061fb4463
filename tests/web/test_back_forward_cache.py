"""The widget on a page that the browser has kept."""

from tests.support.web_site import WebSite, shop
from tests.support.widget_page import Team
from tests.web.conftest import Visit

IN_WINDOW = True
QUESTION = "Where is my parcel?"


def test_page_from_the_back_forward_cache_catches_up(visit: Visit, team: Team, site: WebSite) -> None:
    visitor = visit()
    conversation = visitor.begin(QUESTION)
    visitor.page.evaluate("window.addEventListener('pageshow', (e) => { kept = e.persisted })")
    visitor.page.goto(site.add(shop("")))
    team.answer(conversation, "It is on its way.")
    visitor.page.go_back(wait_until="commit")
    visitor.wait_until(lambda: visitor.page.evaluate("window.kept"), "the page from the cache")
    visitor.expect_bubbles("Hello!", QUESTION, "It is on its way.")
    assert visitor.console == []
