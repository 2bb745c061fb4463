"""Every button that creates or changes something: a double click on it is one call."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate, save_reply
from tests.support.held_calls import HeldCalls
from tests.support.slack_server import SlackStandIn

CREATE_WEBHOOK = """mutation($input: CreateWebhookEndpointInput!) {
    createWebhookEndpoint(input: $input) { endpoint { id } } }"""
CREATE_MEMBER = "mutation($input: CreateMemberInput!) { createMember(input: $input) { member { id } } }"
NAME = "Grace Hopper"


def _nothing(_: Workspace) -> str:
    return ""


def _open(workspace: Workspace) -> str:
    return escalate(workspace, NAME)[0]


def _assigned(workspace: Workspace) -> str:
    return escalate(workspace, NAME, assignTo=workspace.email)[0]


def _resolved(workspace: Workspace) -> str:
    escalation = _open(workspace)
    workspace.key.resolve(escalation)
    return escalation


def _held(workspace: Workspace) -> str:
    escalation, conversation = escalate(workspace, NAME)
    workspace.key.record(conversation, "ASSISTANT", "A late answer.", confidence=90.0)
    return escalation


def _conversation(workspace: Workspace) -> str:
    started = workspace.start(customer={"name": NAME})
    workspace.key.record(started["conversation"]["id"], "USER", "Hello")
    return str(started["conversation"]["id"])


def _pending(workspace: Workspace) -> str:
    workspace.key.settings(
        workspace.agent_id, autoEscalation={"confidenceThreshold": 50, "delaySeconds": 600}
    )
    conversation = _conversation(workspace)
    workspace.key.record(conversation, "ASSISTANT", "Perhaps.", confidence=10.0)
    return conversation


def _escalated(workspace: Workspace) -> str:
    return escalate(workspace, NAME)[1]


def _webhook(workspace: Workspace) -> str:
    given = {"agentId": workspace.agent_id, "url": "http://127.0.0.1:9/shop"}
    workspace.key.ask(CREATE_WEBHOOK, input=given)
    return ""


def _undelivered(workspace: Workspace) -> str:
    _webhook(workspace)
    return escalate(workspace, NAME)[0]


def _saved_reply(workspace: Workspace) -> str:
    save_reply(workspace, "Ant", "About ants")
    return ""


def _colleague(workspace: Workspace) -> str:
    given = {"email": f"bea@{workspace.agent_id[4:]}.example", "name": "Bea", "role": "AGENT"}
    workspace.key.ask(CREATE_MEMBER, input=given)
    return ""


def _other_session(workspace: Workspace) -> str:
    workspace.sign_in()
    return ""


def _button(name: str) -> Callable[[Page], Locator]:
    return lambda page: page.get_by_role("main").get_by_role("button", name=name).first


def _after(opening: str, *, dialog: str = "", item: str = "") -> Callable[[Page], Locator]:
    """Press a button, and return the one in the dialog or menu that it opens."""

    def find(page: Page) -> Locator:
        page.get_by_role("button", name=opening).first.click()
        if item:
            return page.get_by_role("menuitem", name=item)
        return page.get_by_role("dialog").get_by_role("button", name=dialog, exact=True)

    return find


def _text(label: str, text: str, button: str) -> Callable[[Page], Locator]:
    """Fill a field, and return the button that sends it."""

    def find(page: Page) -> Locator:
        page.get_by_label(label, exact=True).fill(text)
        return page.get_by_role("button", name=button, exact=True)

    return find


def _delivery(page: Page) -> Locator:
    row = page.get_by_role("listitem").filter(has_text="Escalation raised").first
    row.locator("summary").click()
    return row.get_by_role("button", name="Retry now")


def _note(page: Page) -> Locator:
    page.get_by_role("button", name="Internal note").click()
    return _text("Internal note", "Asked the carrier.", "Add note")(page)


@dataclass(frozen=True)
class Act:
    """The press of a button: what is there before, the screen, the button, and the mutation that it sends."""

    make: Callable[[Workspace], str]
    path: str
    find: Callable[[Page], Locator]
    mutation: str


ACTS = {
    "reopen": Act(_resolved, "/escalations/{}", _button("Reopen"), "ReopenEscalation"),
    "escalate now, in the list": Act(
        _pending, "/conversations", _button("Escalate now"), "EscalateConversation"
    ),
    "escalate now": Act(_pending, "/conversations/{}", _button("Escalate now"), "EscalateConversation"),
    "take over": Act(_conversation, "/conversations/{}", _button("Take over"), "EscalateConversation"),
    "back to the AI": Act(
        _escalated,
        "/conversations/{}",
        _after("Conversation menu", item="Let the AI answer again"),
        "ResumeAi",
    ),
    "claim": Act(_open, "/escalations/{}", _button("Claim"), "ClaimEscalation"),
    "assign": Act(_assigned, "/escalations/{}", _after("Assigned to", item="No assignee"), "Update"),
    "priority": Act(_open, "/escalations/{}", _after("Priority", item="Urgent"), "UpdateEscalation"),
    "note": Act(_open, "/escalations/{}", _note, "UpdateEscalation"),
    "reply": Act(_open, "/escalations/{}", _text(f"Reply to {NAME}", "Soon.", "Send reply"), "Reply"),
    "send a held reply": Act(_held, "/escalations/{}", _button("Send as it is"), "SendHeldReply"),
    "discard a held reply": Act(_held, "/escalations/{}", _button("Discard"), "DiscardHeldReply"),
    "review": Act(_resolved, "/analytics", _button("A person was needed"), "SetDisposition"),
    "retry a delivery": Act(_undelivered, "/deliveries", _delivery, "RetryDelivery"),
    "test of webhooks": Act(_webhook, "/settings/webhooks", _button("Send a test event"), "SendTest"),
    "secret of a webhook": Act(_webhook, "/settings/webhooks", _button("New secret"), "RotateWebhookSecret"),
    "switch a webhook off": Act(_webhook, "/settings/webhooks", _button("Switch off"), "UpdateWebhook"),
    "delete a webhook": Act(
        _webhook, "/settings/webhooks", _after("Delete", dialog="Delete"), "DeleteWebhook"
    ),
    "test of email": Act(_nothing, "/settings/escalations", _button("Send a test email"), "SendTest"),
    "save settings": Act(
        _nothing, "/settings/escalations", _text("Target in minutes", "77", "Save"), "UpdateSettings"
    ),
    "identity secret": Act(
        _nothing,
        "/settings/identity",
        _after("Make a new secret", dialog="Make it"),
        "RotateIdentitySecret",
    ),
    "connect Slack": Act(
        _nothing, "/settings/slack", _text("Bot token", "xoxb-right", "Connect"), "ConnectSlack"
    ),
    "rotate a key": Act(_nothing, "/api-keys", _button("Rotate"), "RotateApiKey"),
    "revoke a key": Act(_nothing, "/api-keys", _after("Revoke", dialog="Revoke"), "RevokeApiKey"),
    "delete a saved reply": Act(
        _saved_reply, "/saved-replies", _after("Delete Ant", dialog="Delete"), "DeleteSavedReply"
    ),
    "remove a member": Act(_colleague, "/team", _after("Remove", dialog="Remove"), "RemoveMember"),
    "end a session": Act(
        _other_session, "/profile", lambda page: page.get_by_role("button", name="End", exact=True), "EndS"
    ),
    "end all sessions": Act(_other_session, "/profile", _button("End all other sessions"), "EndOther"),
    "name": Act(_nothing, "/profile", _button("Save the name"), "UpdateMember"),
    "create an AI agent": Act(
        _nothing, "/first-steps", _text("Another agent", "Shop", "Create"), "CreateAgent"
    ),
    "test escalation": Act(
        _conversation, "/first-steps", _button("Escalate the newest"), "EscalateConversation"
    ),
}


@pytest.mark.parametrize("network", ["slow", "quick"])
@pytest.mark.parametrize("name", ACTS)
def test_double_click_sends_one_call(
    page: Page, workspace: Workspace, slack: SlackStandIn, name: str, network: str
) -> None:
    act = ACTS[name]
    slack.bots = {"xoxb-right"}
    path = act.path.format(act.make(workspace))
    dashboard = DashboardPage(page, workspace).sign_in(path=path)
    dashboard.expect_live()
    button = act.find(page)
    calls = HeldCalls(page, act.mutation)
    if network == "slow":
        button.dblclick()
        dashboard.wait_until(lambda: calls.count, "the call")
        calls.release()
    else:
        calls.release()
        button.hover()
        page.mouse.down()
        with page.expect_response(lambda response: calls.start in (response.request.post_data or "")):
            page.mouse.up()
        expect(page.locator("[aria-disabled=true]")).to_have_count(0)
        page.mouse.down(click_count=2)
        page.mouse.up(click_count=2)
    expect(page.locator("[aria-disabled=true]")).to_have_count(0)
    page.wait_for_load_state("networkidle")
    assert calls.count == 1
    assert dashboard.errors == []


@pytest.mark.parametrize("button", ["Resolve", "Priority: Medium"])
def test_dialog_that_a_double_click_opens_stays_and_selects_nothing(
    page: Page, workspace: Workspace, button: str
) -> None:
    dashboard = DashboardPage(page, workspace).sign_in(path=f"/escalations/{_open(workspace)}")
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name=button, exact=True).hover()
    # The second click hits the dialog, or what surrounds it.
    for number in (1, 2):
        page.mouse.down(click_count=number)
        page.mouse.up(click_count=number)
        expect(dialog).to_be_visible()
    assert page.evaluate("getSelection().toString()") == ""
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert dashboard.errors == []
