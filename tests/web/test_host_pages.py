"""The widget on pages with mistakes, with zoom, with a button of their own, and with two AI agents."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.baton_client import Workspace
from tests.support.held_calls import HeldCalls
from tests.support.web_site import WebSite, shop
from tests.support.widget_page import Team, WidgetPage, conversations
from tests.web.conftest import Visit

NOTE_ERRORS = "window.errors = []; void Baton.on('error', ({ code }) => { errors.push(code) })"


@pytest.fixture
def other_agent(shop_workspace: Workspace, site: WebSite) -> str:
    """A second AI agent, which the site may use, too."""
    made = shop_workspace.key.ask('mutation { createAgent(name: "Robot") { id } }')
    agent: str = made["createAgent"]["id"]
    widget = {"allowedOrigins": [site.origin], "anonymousConversations": True, "greeting": "Welcome!"}
    shop_workspace.key.settings(agent, widget=widget)
    return agent


@pytest.mark.parametrize(
    ("lang", "name"),
    [
        ("de_AT", "Chat öffnen"),
        ("DE", "Chat öffnen"),
        ("de_Latn_AT", "Chat öffnen"),
        ("den", "Open chat"),
        ("*", "Open chat"),
    ],
)
def test_page_whose_language_is_malformed_has_a_chat(
    visit: Visit, shop_workspace: Workspace, lang: str, name: str
) -> None:
    visitor = visit(lang=lang)
    expect(visitor.launcher).to_have_accessible_name(name)
    conversation = visitor.begin("Hi")
    assert len(shop_workspace.key.messages(conversation)) == 1
    assert visitor.console == []


def test_browser_without_a_language_has_a_chat(visit: Visit, page: Page) -> None:
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'language', { get: () => 'C' })")
    visitor = visit(lang="")
    visitor.begin("Hi")
    visitor.expect_bubbles("Hello!", "Hi")
    assert visitor.console == []


def test_malformed_agent_is_named_to_the_page_and_its_developer(
    page: Page, site: WebSite, shop_workspace: Workspace
) -> None:
    tag = f'<script async src="{shop_workspace.server.url}/widget.js" data-agent="agt_…"></script>'
    visitor = WidgetPage(page).goto(site.add(shop(tag)))
    visitor.open()
    expect(visitor.notice).to_contain_text("This chat is not available on this page.")
    expect(visitor.field).to_be_disabled()
    assert visitor.state()["status"] == "refused"
    [line] = visitor.console
    assert line.startswith("warning: Baton: ")


def test_reason_of_a_message_that_is_not_sent_is_an_event_and_a_line(visit: Visit) -> None:
    visitor = visit()
    visitor.page.evaluate(NOTE_ERRORS)
    visitor.page.evaluate("Baton.update({ metadata: { team: 'sales' } })")
    visitor.open()
    visitor.write("Hi")
    expect(visitor.log.get_by_text("Not sent")).to_be_visible()
    assert visitor.page.evaluate("errors") == ["BAD_USER_INPUT"]
    [line] = visitor.console
    assert line.startswith("warning: Baton: ")
    assert "team" in line


def test_listener_of_the_page_that_fails_leaves_the_widget_as_it_was(visit: Visit) -> None:
    visitor = visit()
    visitor.page.evaluate("void Baton.on('open', () => { throw new Error('of the page') })")
    visitor.page.evaluate("window.ended = Baton.on('status', () => { document.title = 'called' })")
    visitor.page.evaluate("ended()")
    visitor.open()
    visitor.wait_until(lambda: visitor.focus_is_in(visitor.field), "the focus in the field")
    assert visitor.console == ["pageerror: of the page"]
    assert visitor.page.title() == "Shop"


@pytest.mark.parametrize("zoom", [0.8, 1.5])
def test_panel_fits_a_page_that_is_zoomed_by_style(visit: Visit, zoom: float) -> None:
    visitor = visit(head=f"<style>html {{ zoom: {zoom} }}</style>")
    visitor.page.emulate_media(reduced_motion="reduce")
    visitor.open()
    visitor.expect_bubbles("Hello!")
    for element in (visitor.panel, visitor.host.get_by_role("button", name="Close chat").first):
        expect(element).to_be_in_viewport(ratio=1)


def test_focus_returns_to_the_button_of_the_page_that_has_opened_the_panel(visit: Visit) -> None:
    visitor = visit(body='<button onclick="Baton.open()">Chat with us</button>')
    visitor.page.evaluate("Baton.hide()")
    button = visitor.page.get_by_role("button", name="Chat with us")
    button.press("Enter")
    visitor.wait_until(lambda: visitor.focus_is_in(visitor.field), "the focus in the field")
    visitor.page.keyboard.press("Escape")
    expect(visitor.panel).to_be_hidden()
    expect(button).to_be_focused()


def test_update_of_the_agent_shows_its_own_conversation_and_keeps_the_other(
    visit: Visit, shop_workspace: Workspace, other_agent: str
) -> None:
    visitor = visit()
    first = visitor.begin("To the shop")
    visitor.page.evaluate("(agent) => Baton.update({ agent })", other_agent)
    second = visitor.begin("To the robot")
    visitor.expect_bubbles("Welcome!", "To the robot")
    visitor.page.evaluate("(agent) => Baton.update({ agent })", shop_workspace.agent_id)
    visitor.open()
    visitor.expect_bubbles("Hello!", "To the shop")
    assert visitor.state()["conversationId"] == first
    agents = "query($id: ID!) { conversation(id: $id) { agent { id } } }"
    for conversation, agent in ((first, shop_workspace.agent_id), (second, other_agent)):
        served = shop_workspace.key.ask(agents, id=conversation)["conversation"]
        assert served == {"agent": {"id": agent}}
    assert visitor.console == []


def test_launcher_that_the_page_has_hidden_stays_hidden_for_another_agent(
    visit: Visit, other_agent: str
) -> None:
    visitor = visit()
    visitor.page.evaluate("Baton.hide()")
    visitor.page.evaluate("(agent) => Baton.update({ agent })", other_agent)
    expect(visitor.launcher).to_be_hidden()
    visitor.page.evaluate("Baton.open()")
    visitor.expect_bubbles("Welcome!")


def test_answers_arrive_in_the_conversation_that_follows_a_cleared_storage(visit: Visit, team: Team) -> None:
    visitor = visit()
    first = visitor.begin("Before")
    visitor.page.evaluate("localStorage.clear()")
    visitor.write("After")
    visitor.expect_bubbles("Hello!", "After")
    visitor.wait_until(lambda: visitor.state()["conversationId"] not in (None, first), "another conversation")
    team.answer(visitor.state()["conversationId"], "An answer")
    visitor.expect_bubbles("Hello!", "After", "An answer")
    assert visitor.console == []


@pytest.mark.parametrize("event", ["copy", "cut", "paste"])
def test_page_cannot_prevent_what_is_pasted_or_copied_in_the_chat(visit: Visit, event: str) -> None:
    visitor = visit()
    visitor.open()
    visitor.page.evaluate("name => document.addEventListener(name, (event) => event.preventDefault())", event)
    assert visitor.field.evaluate(
        """(field, name) => field.dispatchEvent(
            new ClipboardEvent(name, { bubbles: true, composed: true, cancelable: true }))""",
        event,
    )


def test_conversation_that_begins_during_shutdown_is_not_stored(
    visit: Visit, shop_workspace: Workspace
) -> None:
    visitor = visit().open()
    start = HeldCalls(visitor.page, "Open")
    visitor.write("Hi")
    visitor.wait_until(lambda: start.count, "the start of a conversation")
    visitor.page.evaluate("void Baton.shutdown()")
    start.release()
    visitor.wait_until(lambda: conversations(shop_workspace), "the conversation")
    conversation = conversations(shop_workspace)[0]
    visitor.wait_until(lambda: shop_workspace.key.messages(conversation), "the message")
    assert visitor.page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
