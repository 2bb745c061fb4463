"""The widget on networks that fail: nothing is lost, and what is wrong is shown."""

import json
import signal

import pytest
from playwright.sync_api import APIResponse, BrowserContext, Route, expect

from tests.support.baton_client import Workspace
from tests.support.faulty_proxy import Fault, FaultyProxy
from tests.support.sla_clocks import prolonged
from tests.support.widget_page import Team, WidgetPage
from tests.web.conftest import Visit

QUESTION = "Where is my parcel?"


def address(proxy: FaultyProxy) -> str:
    return f"http://127.0.0.1:{proxy.port}"


def test_frozen_page_shows_what_it_missed_when_it_thaws(
    visit: Visit, team: Team, context: BrowserContext
) -> None:
    visitor = visit()
    conversation = visitor.begin(QUESTION)
    devtools = context.new_cdp_session(visitor.page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    for number in range(5):
        team.answer(conversation, f"answer {number}")
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    visitor.expect_bubbles("Hello!", QUESTION, *(f"answer {number}" for number in range(5)))
    visitor.wait_until_live()


def test_connection_that_swallows_everything_is_noticed_within_15_s(
    visit: Visit, team: Team, proxy: FaultyProxy
) -> None:
    visitor = visit(url=address(proxy))
    conversation = visitor.begin(QUESTION)
    proxy.fault = Fault.SWALLOW
    team.answer(conversation, "It is on its way.")
    visitor.wait_until(lambda: visitor.state()["status"] != "live", "the connection's state", prolonged(17))
    expect(visitor.notice).not_to_be_empty()
    assert visitor.bubbles() == ["Hello!", QUESTION]
    proxy.fault = Fault.NONE
    proxy.cut()
    visitor.expect_bubbles("Hello!", QUESTION, "It is on its way.")
    visitor.wait_until_live()
    expect(visitor.notice).to_be_empty()


def test_replies_are_polled_where_websockets_are_blocked(
    visit: Visit, team: Team, proxy: FaultyProxy
) -> None:
    proxy.fault = Fault.NO_WEBSOCKETS
    visitor = visit(url=address(proxy))
    conversation = visitor.begin(QUESTION)
    team.answer(conversation, "one")
    visitor.expect_bubbles("Hello!", QUESTION, "one")
    team.answer(conversation, "two")
    visitor.expect_bubbles("Hello!", QUESTION, "one", "two")
    proxy.fault = Fault.NONE
    with visitor.page.expect_websocket(timeout=60_000) as opened:
        pass
    visitor.wait_until(lambda: not opened.value.is_closed(), "an open socket")
    team.answer(conversation, "three")
    visitor.expect_bubbles("Hello!", QUESTION, "one", "two", "three")


def test_restarted_server_is_found_again(
    visit: Visit, team: Team, workspace: Workspace, environment: dict[str, str]
) -> None:
    visitor = visit()
    conversation = visitor.begin(QUESTION)
    workspace.server.stop(signal.SIGKILL)
    visitor.wait_until(lambda: visitor.state()["status"] != "live", "the connection's state")
    visitor.write("Hello?")
    expect(visitor.log.get_by_text("Waiting for a connection")).to_be_visible()
    workspace.server.start(**environment)
    team.answer(conversation, "Here I am.")
    visitor.wait_until_live()
    visitor.wait_until(lambda: sorted(visitor.bubbles()[2:]) == ["Hello?", "Here I am."], "both messages")
    # A message that is still to be sent is shown, too.
    visitor.wait_until(lambda: len(workspace.key.messages(conversation)) >= 3, "the message to arrive")
    sent = [message["content"] for message in workspace.key.messages(conversation)]
    assert sorted(sent) == sorted([QUESTION, "Hello?", "Here I am."])


def test_message_written_offline_survives_a_reload_and_arrives_once(
    visit: Visit, proxy: FaultyProxy, shop_workspace: Workspace
) -> None:
    visitor = visit(url=address(proxy))
    conversation = visitor.begin(QUESTION)
    proxy.fault = Fault.REFUSE
    proxy.cut()
    visitor.write("Are you there?")
    expect(visitor.log.get_by_text("Waiting for a connection")).to_be_visible()
    # The reload finds the script and the panel in the cache, or not at all.
    proxy.fault = Fault.NONE
    visitor.page.route("**/graphql", lambda route: route.abort())
    visitor.page.reload()
    visitor.wait_until(lambda: "Are you there?" in visitor.bubbles(), "the queued message")
    visitor.page.unroute("**/graphql")
    visitor.expect_bubbles("Hello!", QUESTION, "Are you there?")
    visitor.wait_until(
        lambda: len(shop_workspace.key.messages(conversation)) == 2, "the message to arrive", 40
    )


def test_lost_answer_to_a_message_does_not_double_it(visit: Visit, shop_workspace: Workspace) -> None:
    visitor = visit()
    conversation = visitor.begin(QUESTION)
    lost: list[int] = []

    def lose(route: Route) -> None:
        if "recordMessage" in (route.request.post_data or "") and len(lost) < 2:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.fallback()

    visitor.page.route("**/graphql", lose)
    visitor.write("Are you there?")
    visitor.wait_until(lambda: len(lost) == 2, "two lost answers")
    visitor.expect_bubbles("Hello!", QUESTION, "Are you there?")
    visitor.wait_until(
        lambda: visitor.page.evaluate("JSON.parse(Object.values(localStorage)[0]).outbox.length") == 0,
        "the queue to be empty",
    )
    contents = [message["content"] for message in shop_workspace.key.messages(conversation)]
    assert contents == [QUESTION, "Are you there?"]


def test_refused_message_is_shown_as_such_and_can_be_repeated(
    visit: Visit, shop_workspace: Workspace
) -> None:
    visitor = visit()
    conversation = visitor.begin(QUESTION)
    refusal = '{"data": null, "errors": [{"message": "no", "extensions": {"code": "BAD_USER_INPUT"}}]}'
    visitor.page.route(
        "**/graphql",
        lambda route: (
            route.fulfill(body=refusal, headers={"access-control-allow-origin": "*"})
            if "recordMessage" in (route.request.post_data or "")
            else route.fallback()
        ),
    )
    visitor.write("Hm")
    expect(visitor.log.get_by_text("Not sent")).to_be_visible()
    visitor.page.unroute("**/graphql")
    visitor.host.get_by_role("button", name="Try again").click()
    visitor.expect_bubbles("Hello!", QUESTION, "Hm")
    expect(visitor.host.get_by_role("button", name="Try again")).to_have_count(0)
    visitor.wait_until(lambda: len(shop_workspace.key.messages(conversation)) == 2, "the message to arrive")


def test_failed_catch_up_is_repeated_and_shown(visit: Visit, team: Team) -> None:
    visitor = visit()
    conversation = visitor.begin(QUESTION)
    visitor.page.route("**/graphql", lambda route: route.abort())
    visitor.page.evaluate("window.dispatchEvent(new Event('online'))")
    visitor.wait_until(lambda: visitor.state()["status"] == "reconnecting", "the connection's state")
    expect(visitor.notice).to_have_text("Connection lost. Reconnecting …")
    visitor.page.wait_for_timeout(3_000)
    assert visitor.state()["status"] == "reconnecting"
    visitor.page.unroute("**/graphql")
    team.answer(conversation, "It is on its way.")
    visitor.wait_until_live()
    visitor.expect_bubbles("Hello!", QUESTION, "It is on its way.")


def test_late_answer_does_not_undo_an_update_that_came_before_it(
    visit: Visit, shop_workspace: Workspace
) -> None:
    visitor = visit()
    conversation = visitor.begin(QUESTION)
    visitor.wait_until_live()
    held: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        if "query Read" in (route.request.post_data or ""):
            held.append((route, route.fetch()))
        else:
            route.fallback()

    visitor.page.route("**/graphql", hold)
    visitor.page.evaluate("window.dispatchEvent(new Event('online'))")
    visitor.wait_until(lambda: held, "the answer")
    mark = "mutation($id: ID!) { markRead(conversationId: $id, position: 1) { id } }"
    shop_workspace.sign_in().ask(mark, id=conversation)
    expect(visitor.log.get_by_text("Seen")).to_be_visible()
    for route, answer in held:
        route.fulfill(response=answer)
    visitor.page.unroute("**/graphql")
    visitor.wait_until_live()
    expect(visitor.log.get_by_text("Seen")).to_be_visible()


def test_widget_without_server_says_so_and_connects_later(visit: Visit, proxy: FaultyProxy) -> None:
    visitor = visit(url=address(proxy))
    proxy.fault = Fault.REFUSE
    proxy.cut()
    visitor.launcher.click()
    expect(visitor.host.get_by_text("No connection …")).to_be_visible()
    visitor.page.get_by_role("heading", name="Shop").click()
    proxy.fault = Fault.NONE
    expect(visitor.panel).to_be_visible()
    visitor.expect_bubbles("Hello!")


def test_panel_whose_api_is_away_says_so_and_connects_later(visit: Visit) -> None:
    visitor = visit()
    visitor.page.route("**/graphql", lambda route: route.abort())
    visitor.open()
    expect(visitor.notice).to_have_text("The chat cannot connect. Trying again …")
    visitor.page.unroute("**/graphql")
    visitor.expect_bubbles("Hello!")
    expect(visitor.notice).to_be_empty()


def test_offline_browser_is_said_to_be_offline(visit: Visit, context: BrowserContext) -> None:
    visitor = visit()
    visitor.begin(QUESTION)
    context.set_offline(True)
    expect(visitor.notice).to_have_text("No connection. Messages are sent when it returns.")
    visitor.write("Hm")
    context.set_offline(False)
    visitor.expect_bubbles("Hello!", QUESTION, "Hm")
    expect(visitor.notice).to_be_empty()


@pytest.mark.parametrize("storage", ["denied", "denied with locks", "none, without locks", "full"])
def test_widget_works_without_storage(
    visit: Visit, team: Team, context: BrowserContext, storage: str
) -> None:
    denied = """Object.defineProperty(window, "localStorage", {
        get() { throw new DOMException("no", "SecurityError") } });"""
    # A browser that is set to block all cookies.
    locks = (
        """LockManager.prototype.request = async () => { throw new DOMException("no", "SecurityError") }"""
    )
    full = """Storage.prototype.setItem = () => { throw new DOMException("no", "QuotaExceededError") }"""
    scripts = {"denied": denied, "denied with locks": denied + locks, "none, without locks": locks}
    context.add_init_script(scripts.get(storage, full))
    visitor: WidgetPage = visit(*(["data-storage=none"] if storage.startswith("none") else []))
    conversation = visitor.begin(QUESTION)
    # It sounds where the page is not in sight.
    visitor.launcher.click()
    expect(visitor.panel).to_be_hidden()
    team.answer(conversation, "It is on its way.")
    expect(visitor.host.locator(".badge")).to_have_text("1")
    visitor.open()
    visitor.expect_bubbles("Hello!", QUESTION, "It is on its way.")
    assert visitor.console == []


def test_button_waits_as_long_as_the_service_asks(visit: Visit, shop_workspace: Workspace) -> None:
    refusal = {"message": "no", "extensions": {"code": "RATE_LIMITED", "retryAfter": 600}}
    attempts: list[str] = []

    def limit(route: Route) -> None:
        if "openConversation" not in (route.request.post_data or ""):
            return route.fallback()
        attempts.append(route.request.url)
        if len(attempts) > 1:
            return route.fallback()
        body = json.dumps({"data": None, "errors": [refusal]})
        return route.fulfill(body=body, headers={"access-control-allow-origin": "*"})

    visitor = visit()
    visitor.page.clock.install()
    visitor.page.route("**/graphql", limit)
    visitor.open()
    with visitor.page.expect_response(lambda _: bool(attempts)):
        visitor.human_button.click()
    visitor.page.clock.fast_forward("05:00")
    visitor.page.clock.fast_forward("06:00")
    expect(visitor.answering).to_have_text("Waiting for a person")
    assert len(attempts) == 2


def test_message_to_an_erased_conversation_begins_a_new_one(visit: Visit, shop_workspace: Workspace) -> None:
    visitor = visit()
    visitor.page.evaluate("Baton.update({ customer: { email: 'jo@example.com' } })")
    erased = visitor.begin(QUESTION)
    visitor.page.route("**/graphql", lambda route: route.abort())
    visitor.write("Are you there?")
    visitor.page.reload()
    expect(visitor.host.get_by_text("Are you there?")).to_be_visible()
    shop_workspace.key.ask('mutation { eraseCustomer(email: "jo@example.com") { conversations } }')
    visitor.page.unroute("**/graphql")
    visitor.wait_until(
        lambda: visitor.state()["conversationId"] not in {None, erased}, "another conversation"
    )
    visitor.expect_bubbles("Hello!", "Are you there?")
    conversation = visitor.state()["conversationId"]
    visitor.wait_until(lambda: shop_workspace.key.messages(conversation), "the message to arrive")
    assert [message["content"] for message in shop_workspace.key.messages(conversation)] == ["Are you there?"]
