"""A conversation in the widget: with the AI, with a person, and with the AI again."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import BrowserContext, Request, expect

from tests.support.baton_client import Caller, Workspace
from tests.support.widget_page import Team, WidgetPage, conversations
from tests.web.conftest import Visit

PAUSE = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { id } } }"
TYPING = "mutation($id: ID!, $typing: Boolean!) { setTyping(conversationId: $id, typing: $typing) }"


def test_customer_is_handed_to_a_person_and_back(visit: Visit, team: Team, shop_workspace: Workspace) -> None:
    visitor = visit()
    conversation = visitor.begin("Where is my parcel?")
    expect(visitor.answering).to_have_text("AI assistant")
    team.answer(conversation, "It is **on its way**.")
    visitor.expect_bubbles("Hello!", "Where is my parcel?", "It is on its way.")
    expect(visitor.log.locator("strong")).to_have_text("on its way")

    visitor.human_button.click()
    expect(visitor.answering).to_have_text("Waiting for a person")
    expect(visitor.host.locator(".expected")).to_contain_text("within 2 hours")
    expect(visitor.human_button).to_be_hidden()
    assert visitor.state()["ai"] == "paused"

    team.reply(conversation, "I look into it.")
    visitor.expect_bubbles("Hello!", "Where is my parcel?", "It is on its way.", "I look into it.")
    expect(visitor.answering).to_have_text("Ada Admin is answering")
    expect(visitor.log.locator(".author", has_text="Ada Admin")).to_be_visible()

    shop_workspace.key.resolve(team.escalation(conversation))
    expect(visitor.answering).to_have_text("AI assistant")
    expect(visitor.human_button).to_be_visible()
    assert visitor.console == []


def test_message_of_the_visitor_arrives_once_and_asks_the_ai(visit: Visit, shop_workspace: Workspace) -> None:
    conversation = visit().begin("Where is my parcel?")
    messages = shop_workspace.key.messages(conversation)
    assert [(message["role"], message["content"]) for message in messages] == [
        ("USER", "Where is my parcel?")
    ]


def test_typing_is_shown_on_both_sides(visit: Visit, team: Team, shop_workspace: Workspace) -> None:
    visitor = visit()
    conversation = visitor.begin()
    member = shop_workspace.sign_in()
    team.escalation(conversation)
    typing = visitor.host.locator(".typing")

    def is_shown() -> bool:
        # It is sent again while the member writes: the widget may not listen yet.
        member.ask(TYPING, id=conversation, typing=True)
        return typing.inner_text() == "Ada Admin is writing …"

    visitor.wait_until(is_shown, "the typing member")
    member.ask(TYPING, id=conversation, typing=False)
    expect(typing).to_have_text("")
    with visitor.page.expect_request(
        lambda request: (
            "setTyping" in (request.post_data or "") and '"typing":true' in (request.post_data or "")
        )
    ):
        visitor.field.press_sequentially("Hm")


def test_read_positions_are_shown_and_reported(visit: Visit, team: Team, shop_workspace: Workspace) -> None:
    visitor = visit()
    conversation = visitor.begin()
    team.answer(conversation, "It is on its way.")
    positions = "query($id: ID!) { conversation(id: $id) { readPositions { customer team } } }"

    def read() -> dict[str, int]:
        result: dict[str, int] = shop_workspace.key.ask(positions, id=conversation)["conversation"][
            "readPositions"
        ]
        return result

    visitor.wait_until(lambda: read()["customer"] == 2, "the customer's read position")
    assert read()["team"] == 0
    expect(visitor.log.get_by_text("Seen")).to_have_count(0)
    mark = "mutation($id: ID!) { markRead(conversationId: $id, position: 1) { id } }"
    shop_workspace.sign_in().ask(mark, id=conversation)
    expect(visitor.log.get_by_text("Seen")).to_be_visible()


@pytest.mark.parametrize(
    ("visibility", "before", "after"),
    [("ALWAYS", True, True), ("AFTER_THRESHOLD", False, True), ("NEVER", False, False)],
)
def test_button_for_a_person_follows_its_setting(
    visit: Visit, shop_workspace: Workspace, visibility: str, before: bool, after: bool
) -> None:
    widget = {"buttonVisibility": visibility, "buttonAfterMessages": 2, "buttonText": "Ask a human"}
    shop_workspace.key.settings(shop_workspace.agent_id, widget=widget)
    visitor = visit()
    visitor.begin()
    assert visitor.human_button.is_visible() is before
    visitor.write("And my refund?")
    visitor.wait_until(lambda: len(visitor.bubbles()) == 3, "the second message")
    if after:
        expect(visitor.human_button).to_have_text("Ask a human")
    else:
        expect(visitor.human_button).to_be_hidden()


def test_button_asks_for_a_person_before_any_message(visit: Visit, shop_workspace: Workspace) -> None:
    visitor = visit().open()
    visitor.human_button.click()
    expect(visitor.answering).to_have_text("Waiting for a person")
    nodes = shop_workspace.key.ask("{ escalations { nodes { trigger } } }")["escalations"]["nodes"]
    assert nodes == [{"trigger": "BUTTON"}]


@pytest.mark.parametrize("escalated", [True, False], ids=["resolved", "never escalated"])
def test_button_asks_again_while_the_ai_stays_paused(
    visit: Visit, team: Team, shop_workspace: Workspace, escalated: bool
) -> None:
    visitor = visit()
    conversation = visitor.begin()
    if escalated:
        team.reply(conversation, "I look into it.")
        expect(visitor.human_button).to_be_hidden()
        shop_workspace.key.resolve(team.escalation(conversation), keepAiPaused=True)
    else:
        shop_workspace.key.ask(PAUSE, id=conversation)
    expect(visitor.answering).to_have_text("Support")
    assert visitor.state()["ai"] == "paused"
    visitor.write("It broke again")
    visitor.human_button.click()
    expect(visitor.answering).to_have_text("Waiting for a person")
    expect(visitor.human_button).to_be_hidden()
    nodes = shop_workspace.key.ask("{ escalations(filter: {status: [OPEN]}) { nodes { trigger } } }")
    assert nodes["escalations"]["nodes"] == [{"trigger": "BUTTON"}]


@pytest.mark.parametrize("closed", [False, True], ids=["open panel", "closed panel"])
def test_opening_that_has_passed_is_read_again(visit: Visit, shop_workspace: Workspace, closed: bool) -> None:
    open_in(shop_workspace, hours=2)
    visitor = visit()
    visitor.page.clock.install()
    visitor.begin()
    visitor.human_button.click()
    expected = visitor.host.locator(".expected")
    expect(expected).to_contain_text("The team is back")
    first = expected.inner_text()
    open_in(shop_workspace, hours=8)
    reads: list[str] = []

    def note(request: Request) -> None:
        if "query Widget" in (request.post_data or ""):
            reads.append(request.url)

    visitor.page.on("request", note)
    if closed:
        visitor.launcher.click()
    visitor.page.clock.fast_forward("01:00:00")
    assert visitor.state()["open"] is not closed
    assert reads == []
    visitor.page.clock.fast_forward("01:10:00")
    if closed:
        assert visitor.state()["open"] is False
        assert reads == []
        visitor.launcher.click()
    visitor.wait_until(lambda: expected.inner_text() != first, "the next opening")
    expect(expected).to_contain_text("The team is back")
    assert len(reads) == 1


def open_in(workspace: Workspace, *, hours: int) -> None:
    """Have the team be there for one minute a week, and next in some hours."""
    opens = datetime.now(UTC) + timedelta(hours=hours)
    closes = opens + timedelta(minutes=1)
    minute = {"day": f"{opens:%A}".upper(), "opens": f"{opens:%H:%M}", "closes": f"{closes:%H:%M}"}
    workspace.key.settings(workspace.agent_id, sla={"businessHours": {"timezone": "UTC", "week": [minute]}})


@pytest.mark.parametrize("written", ["de", "de_AT"])
def test_texts_of_the_team_are_in_the_language_of_the_page(
    visit: Visit, shop_workspace: Workspace, written: str
) -> None:
    german = {"language": "de", "buttonText": "Mit einem Menschen sprechen", "greeting": "Guten Tag!"}
    german["confirmationMessage"] = "Wir melden uns bald."
    shop_workspace.key.settings(shop_workspace.agent_id, widget={"texts": [german]})
    visitor = visit(lang=written)
    expect(visitor.launcher).to_have_accessible_name("Chat öffnen")
    visitor.open()
    visitor.expect_bubbles("Guten Tag!")
    expect(visitor.human_button).to_have_text("Mit einem Menschen sprechen")
    visitor.human_button.click()
    expect(visitor.log.locator(".system")).to_contain_text("Wir melden uns bald.")
    expect(visitor.answering).to_have_text("Ein Mensch meldet sich gleich")


def test_form_asks_the_visitor_and_escalates(visit: Visit, shop_workspace: Workspace) -> None:
    visitor = visit()
    fields = """{ email: { label: "Your email", type: "email", required: true },
        topic: { label: "Topic", type: "select", options: ["Refund", "Other"] }, plan: "pro" }"""
    visitor.page.evaluate(f"void Baton.submitForm('contact', {fields})")
    visitor.host.get_by_label("Your email").fill("kim@example.com")
    visitor.host.get_by_label("Topic").select_option("Refund")
    visitor.host.get_by_role("button", name="Submit").click()
    expect(visitor.answering).to_have_text("Waiting for a person")
    [escalation] = shop_workspace.key.ask("{ escalations { nodes { trigger detail } } }")["escalations"][
        "nodes"
    ]
    assert escalation == {"trigger": "FORM", "detail": "contact"}
    expect(visitor.field).to_be_visible()
    conversation = visitor.state()["conversationId"]
    kept = str(shop_workspace.key.messages(conversation)) + str(
        shop_workspace.server.rows("SELECT * FROM trigger_events")
    )
    assert "kim@example.com" in kept
    assert "Refund" in kept


def test_unread_messages_are_counted_on_the_launcher(visit: Visit, team: Team) -> None:
    visitor = visit()
    conversation = visitor.begin()
    visitor.launcher.click()
    expect(visitor.panel).to_be_hidden()
    team.answer(conversation, "One")
    team.answer(conversation, "Two")
    expect(visitor.host.locator(".badge")).to_have_text("2")
    expect(visitor.launcher).to_have_accessible_name("Open chat: 2 unread messages")
    assert visitor.state()["unread"] == 2
    visitor.page.reload()
    expect(visitor.host.locator(".badge")).to_have_text("2")
    visitor.open()
    expect(visitor.host.locator(".badge")).to_have_text("")


def test_message_sounds_in_one_tab_and_is_read_in_all(
    visit: Visit, team: Team, context: BrowserContext
) -> None:
    context.add_init_script("""window.sounds = 0; const start = OscillatorNode.prototype.start;
        OscillatorNode.prototype.start = function () { window.sounds++; start.call(this) }""")
    first = visit()
    conversation = first.begin()
    first.launcher.click()
    tabs: list[WidgetPage] = [first]
    for _ in range(2):
        tab = WidgetPage(context.new_page())
        tab.goto(first.page.url)
        tab.wait_until_live()
        tabs.append(tab)
    team.answer(conversation, "It is on its way.")
    for tab in tabs:
        expect(tab.host.locator(".badge")).to_have_text("1")
    first.wait_until(lambda: sum(tab.page.evaluate("sounds") for tab in tabs) > 0, "the sound")
    tabs[2].page.bring_to_front()
    tabs[2].open()
    for tab in tabs:
        expect(tab.host.locator(".badge")).to_have_text("")
    assert sum(tab.page.evaluate("sounds") for tab in tabs) == 1


@pytest.fixture
def returned(visit: Visit, team: Team) -> WidgetPage:
    """A visitor who has come back to a conversation of 61 messages, of which 50 are shown."""
    visitor = visit()
    conversation = visitor.begin("first of all")
    for number in range(60):
        team.answer(conversation, f"answer {number}")
    visitor.page.reload()
    visitor.wait_until(lambda: "answer 59" in visitor.bubbles(), "the history")
    return visitor


def test_earlier_messages_are_shown_on_request(returned: WidgetPage) -> None:
    visitor = returned
    assert "first of all" not in visitor.bubbles()
    earlier = visitor.host.get_by_role("button", name="Show earlier messages")
    earlier.focus()
    visitor.page.keyboard.press("Enter")
    expected = ["Hello!", "first of all", *(f"answer {number}" for number in range(60))]
    visitor.expect_bubbles(*expected)
    # The button is gone, and the focus is not.
    expect(earlier).to_be_hidden()
    assert visitor.focus_is_in(visitor.field)


def test_earlier_messages_are_shown_when_the_connection_returns(returned: WidgetPage) -> None:
    visitor = returned
    visitor.page.route("**/graphql", lambda route: route.abort())
    with visitor.page.expect_event("requestfailed"):
        visitor.host.get_by_role("button", name="Show earlier messages").click()
    visitor.page.unroute("**/graphql")
    visitor.wait_until(lambda: "first of all" in visitor.bubbles(), "the earlier messages")


def test_events_tell_the_page_what_happens(visit: Visit, team: Team) -> None:
    visitor = visit()
    visitor.page.evaluate("""() => { window.seen = [];
        for (const name of ["open", "close", "message", "status", "unread"]) {
            window.addEventListener(`baton:${name}`, ({ detail }) => seen.push([name, detail]));
        } }""")
    conversation = visitor.begin()
    visitor.launcher.click()
    team.reply(conversation, "A person here.")
    visitor.wait_until(lambda: visitor.state()["unread"] == 2, "the reply and the confirmation")
    seen = visitor.page.evaluate("seen")
    names = [name for name, _ in seen]
    assert names.index("open") < names.index("close")
    assert ["status", {"status": "live"}] in seen
    [reply] = [detail for name, detail in seen if name == "message" and detail["role"] == "HUMAN"]
    assert (reply["content"], reply["author"]) == ("A person here.", "Ada Admin")
    assert re.fullmatch("msg_.*", reply["id"])


def test_page_without_sign_in_cannot_write_where_only_known_customers_may(
    visit: Visit, shop_workspace: Workspace
) -> None:
    shop_workspace.key.settings(shop_workspace.agent_id, widget={"anonymousConversations": False})
    visitor = visit().open()
    expect(visitor.host.get_by_text("Sign in to chat.")).to_be_visible()
    expect(visitor.field).to_be_hidden()
    assert conversations(shop_workspace) == []


def test_integrator_starts_the_conversation_in_its_back_end(
    visit: Visit, team: Team, shop_workspace: Workspace
) -> None:
    started = shop_workspace.start(customer={"externalId": "kim"})
    conversation = started["conversation"]["id"]
    visitor = visit()
    visitor.page.evaluate("(token) => Baton.start({ token })", started["widgetToken"])
    assert visitor.state()["conversationId"] == conversation
    visitor.open()
    visitor.write("Hi")
    visitor.expect_bubbles("Hello!", "Hi")
    customer = Caller(shop_workspace.server.url, started["widgetToken"])
    visitor.wait_until(lambda: customer.messages(conversation), "the message to arrive")
    assert [message["content"] for message in customer.messages(conversation)] == ["Hi"]


def test_panel_that_is_opened_again_shows_the_newest_message(visit: Visit, team: Team) -> None:
    visitor = visit()
    conversation = visitor.begin()
    for number in range(30):
        team.answer(conversation, f"answer {number}")
    visitor.wait_until(lambda: "answer 29" in visitor.bubbles(), "the answers")
    # Until the log knows that its reader looks at something earlier.
    visitor.log.evaluate("""log => new Promise((resolve) => {
        log.addEventListener("scroll", resolve, { once: true }); log.scrollTop = 300 })""")
    visitor.launcher.click()
    expect(visitor.panel).to_be_hidden()
    team.answer(conversation, "the newest")
    expect(visitor.host.locator(".badge")).to_have_text("1")
    visitor.open()
    expect(visitor.log.get_by_text("the newest")).to_be_in_viewport()


def test_message_that_follows_quickly_is_sent(
    visit: Visit, shop_workspace: Workspace, context: BrowserContext
) -> None:
    """A tab learns a little later that its turn to send is over."""
    context.add_init_script("""window.gate = Promise.resolve();
        const request = LockManager.prototype.request;
        LockManager.prototype.request = async function (...given) {
            // A turn without a message may come at any time, and would hold up the next one.
            const { outbox } = JSON.parse(Object.values(localStorage)[0] ?? '{"outbox":[]}');
            const end = outbox.length && gate;
            const result = await request.apply(this, given);
            await end;
            return result;
        }""")
    visitor = visit()
    conversation = visitor.begin("one")
    visitor.page.evaluate("() => { gate = new Promise((resolve) => { window.release = resolve }) }")
    visitor.write("two")
    unsent = "JSON.parse(Object.values(localStorage)[0]).outbox.length"
    visitor.wait_until(lambda: visitor.page.evaluate(unsent) == 0, "the second message to arrive")
    visitor.write("three")
    visitor.page.evaluate("release()")
    visitor.wait_until(lambda: visitor.page.evaluate(unsent) == 0, "the third message to arrive")
    contents = [message["content"] for message in shop_workspace.key.messages(conversation)]
    assert contents == ["one", "two", "three"]
