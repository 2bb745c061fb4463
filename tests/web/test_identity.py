"""Visitors whom the page names: the same conversation everywhere, and no other visitor's."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.baton_client import Workspace
from tests.support.callers import mint_widget_token
from tests.support.identity_tokens import sign_identity
from tests.support.web_site import WebSite, shop
from tests.support.widget_page import Team, WidgetPage, conversations
from tests.web.conftest import Visit

Sign = Callable[..., str]


@pytest.fixture
def sign(shop_workspace: Workspace) -> Sign:
    """Sign an identity as the integrator's back end does."""
    rotate = "mutation($id: ID!) { rotateIdentitySecret(agentId: $id) { secret } }"
    agent = shop_workspace.agent_id
    secret = shop_workspace.key.ask(rotate, id=agent)["rotateIdentitySecret"]["secret"]

    def identity(subject: str, **claims: Any) -> str:
        return sign_identity(secret, agent, subject, **claims)

    return identity


def identify(visitor: WidgetPage, identity: str) -> None:
    visitor.page.evaluate("(identity) => Baton.identify(async () => identity)", identity)


def test_same_customer_has_the_same_conversation_on_another_device(
    visit: Visit, sign: Sign, team: Team, browser: Browser
) -> None:
    visitor = visit()
    identify(visitor, sign("kim", email="kim@example.com", name="Kim"))
    conversation = visitor.begin("Where is my parcel?")
    team.answer(conversation, "It is on its way.")
    visitor.expect_bubbles("Hello!", "Where is my parcel?", "It is on its way.")
    other_device = browser.new_context()
    phone = WidgetPage(other_device.new_page()).goto(visitor.page.url)
    identify(phone, sign("kim"))
    phone.open()
    phone.expect_bubbles("Hello!", "Where is my parcel?", "It is on its way.")
    assert phone.state()["conversationId"] == conversation
    customer = "query($id: ID!) { conversation(id: $id) { customer { externalId email name verified } } }"
    assert team.workspace.key.ask(customer, id=conversation)["conversation"]["customer"] == {
        "externalId": "kim",
        "email": "kim@example.com",
        "name": "Kim",
        "verified": True,
    }
    other_device.close()


def test_identity_that_is_given_before_the_agent_is_kept(
    page: Page, site: WebSite, sign: Sign, shop_workspace: Workspace
) -> None:
    tag = f'<script async src="{shop_workspace.server.url}/widget.js"></script>'
    visitor = WidgetPage(page).goto(site.add(shop(tag)))
    identify(visitor, sign("kim"))
    visitor.page.evaluate("(agent) => Baton.update({ agent })", shop_workspace.agent_id)
    conversation = visitor.begin("Hi")
    customer = "query($id: ID!) { conversation(id: $id) { customer { externalId verified } } }"
    shown = shop_workspace.key.ask(customer, id=conversation)["conversation"]["customer"]
    assert shown == {"externalId": "kim", "verified": True}


def test_anonymous_conversation_is_kept_when_its_visitor_signs_in(
    visit: Visit, sign: Sign, shop_workspace: Workspace
) -> None:
    visitor = visit()
    conversation = visitor.begin("Hi")
    identify(visitor, sign("kim"))
    visitor.expect_bubbles("Hello!", "Hi")
    assert visitor.state()["conversationId"] == conversation
    query = "query($id: ID!) { conversation(id: $id) { customer { externalId verified } } }"
    customer = shop_workspace.key.ask(query, id=conversation)["conversation"]["customer"]
    assert customer == {"externalId": "kim", "verified": True}


def test_next_visitor_of_a_browser_sees_nothing_of_the_one_before(visit: Visit, sign: Sign) -> None:
    visitor = visit()
    identify(visitor, sign("kim"))
    first = visitor.begin("A secret of Kim's")
    visitor.page.reload()
    identify(visitor, sign("alex"))
    if not visitor.state()["open"]:
        visitor.open()
    visitor.expect_bubbles("Hello!")
    visitor.wait_until(lambda: visitor.state()["conversationId"] not in {None, first}, "another conversation")
    assert "secret" not in visitor.page.evaluate("JSON.stringify(localStorage)")


def test_conversation_of_a_customer_is_hidden_from_a_page_that_names_nobody(visit: Visit, sign: Sign) -> None:
    visitor = visit()
    identify(visitor, sign("kim"))
    visitor.begin("A secret of Kim's")
    visitor.page.reload()
    expect(visitor.launcher).to_be_visible()
    visitor.page.wait_for_load_state("networkidle")
    if not visitor.state()["open"]:
        visitor.open()
    visitor.expect_bubbles("Hello!")


def test_known_customer_may_write_where_only_known_customers_may(
    visit: Visit, sign: Sign, shop_workspace: Workspace
) -> None:
    shop_workspace.key.settings(shop_workspace.agent_id, widget={"anonymousConversations": False})
    visitor = visit()
    identify(visitor, sign("kim"))
    conversation = visitor.begin("Hi")
    assert len(shop_workspace.key.messages(conversation)) == 1


def test_refused_identity_creates_nothing_and_is_an_event(
    visit: Visit, sign: Sign, shop_workspace: Workspace
) -> None:
    visitor = visit()
    visitor.page.evaluate(
        "window.errors = []; void Baton.on('error', (error) => { errors.push(error.code) })"
    )
    identify(visitor, sign("kim", aud="agt_01m8kag1wpe5rb83m0mv49gzmg"))
    visitor.open()
    visitor.wait_until(lambda: visitor.page.evaluate("errors"), "the error")
    assert visitor.page.evaluate("errors")[0] == "UNAUTHENTICATED"
    assert conversations(shop_workspace) == []


def test_expired_token_is_renewed_without_a_gap(visit: Visit, team: Team, shop_workspace: Workspace) -> None:
    visitor = visit()
    conversation = visitor.begin("Hi")
    old = mint_widget_token(shop_workspace.server, conversation, timedelta(hours=2))
    visitor.page.evaluate(
        """(token) => { const [key] = Object.keys(localStorage);
            localStorage[key] = JSON.stringify({ ...JSON.parse(localStorage[key]), token }) }""",
        old,
    )
    visitor.page.reload()
    visitor.expect_bubbles("Hello!", "Hi")
    team.answer(conversation, "It is on its way.")
    visitor.expect_bubbles("Hello!", "Hi", "It is on its way.")
    visitor.write("Thanks")
    visitor.expect_bubbles("Hello!", "Hi", "It is on its way.", "Thanks")
    assert visitor.page.evaluate("JSON.parse(Object.values(localStorage)[0]).token") != old
