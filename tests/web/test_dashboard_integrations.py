"""Webhooks, deliveries, Slack, the identity secret and exports, against real receivers."""

import csv
import re
from typing import Any

import httpx
from playwright.sync_api import Page, Route, expect

from rules.events import ALERTS, CONFIRMATION, DIGESTS, TEST, EventType
from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate, keep_picture
from tests.support.identity_tokens import sign_identity
from tests.support.slack_server import SlackStandIn
from tests.support.webhook_receivers import Answer, Receiver

SHOP = "https://shop.example"
SECRET = re.compile(r"whsec_\S+")
OPEN = """mutation($input: OpenConversationInput!) { openConversation(input: $input) {
    conversation { customer { externalId verified } } } }"""


def test_webhook_secret_is_shown_once_and_signs_what_is_sent(page: Page, workspace: Workspace) -> None:
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/webhooks")
    with Receiver() as receiver:
        page.get_by_role("button", name="Add an endpoint").click()
        page.get_by_label("URL").fill(receiver.url)
        page.get_by_role("button", name="Add", exact=True).click()
        shown = page.get_by_role("status").filter(has_text="Signing secret: shown this once")
        first = shown.get_by_text(SECRET).inner_text()
        page.get_by_role("button", name="Send a test event").click()
        [sample] = receiver.wait_for(1)
        assert sample.verified(first)["type"] == sample.event["type"]

        page.reload()
        expect(page.get_by_role("region", name=receiver.url)).to_be_visible()
        expect(shown).to_have_count(0)
        assert first not in page.content()

        page.get_by_role("button", name="New secret").click()
        expect(shown.get_by_text(SECRET)).not_to_have_text(first)
        second = shown.get_by_text(SECRET).inner_text()
        escalate(workspace, "Grace Hopper")
        created = receiver.wait_for(2)[1]
        # Both sign for a while, so that a receiver can change over.
        for secret in (first, second):
            assert created.verified(secret)["type"] == "escalation.created"
    assert dashboard.errors == []


def test_failed_delivery_is_retried_from_the_screen(page: Page, workspace: Workspace) -> None:
    create = """mutation($input: CreateWebhookEndpointInput!) {
        createWebhookEndpoint(input: $input) { endpoint { id } } }"""
    with Receiver(Answer(503, {"retry-after": "3600"})) as receiver:
        given = {"agentId": workspace.agent_id, "url": receiver.url, "eventTypes": ["escalation.created"]}
        workspace.key.ask(create, input=given)
        escalate(workspace, "Grace Hopper")
        receiver.wait_for(1)
        DashboardPage(page, workspace).sign_in(path="/deliveries")
        row = page.get_by_role("listitem").filter(has_text="Escalation raised").first
        expect(row.get_by_text("Pending")).to_be_visible()
        row.locator("summary").click()
        expect(row.get_by_role("code")).to_have_text("503")
        row.get_by_role("button", name="Retry now").click()
        expect(row.get_by_text("Delivered")).to_be_visible()
        expect(row.get_by_text("Succeeded")).to_be_visible()
        expect(row.get_by_role("button", name="Retry now")).to_have_count(0)
        first, second = receiver.received
    assert first.id == second.id


def test_delivery_that_was_not_sent_shows_why(page: Page, workspace: Workspace) -> None:
    create = """mutation($input: CreateWebhookEndpointInput!) {
        createWebhookEndpoint(input: $input) { endpoint { id } } }"""
    switch_off = "mutation($id: ID!) { updateWebhookEndpoint(id: $id, enabled: false) { endpoint { id } } }"
    with Receiver(Answer(503, {"retry-after": "3600"})) as receiver:
        given = {"agentId": workspace.agent_id, "url": receiver.url, "eventTypes": ["escalation.created"]}
        endpoint = workspace.key.ask(create, input=given)["createWebhookEndpoint"]["endpoint"]["id"]
        escalate(workspace, "Grace Hopper")
        receiver.wait_for(1)
        escalate(workspace, "Ada Lovelace")
        DashboardPage(page, workspace).sign_in(path="/deliveries")
        waiting = page.get_by_role("listitem").filter(has_text="Escalation raised").first
        expect(waiting).to_contain_text("It waits, because the latest attempts at this target failed.")
        workspace.key.ask(switch_off, id=endpoint)
        waiting.locator("summary").click()
        waiting.get_by_role("button", name="Retry now").click()
        expect(waiting.get_by_text("Not sent", exact=True)).to_be_visible()
        expect(waiting).to_contain_text("The endpoint is switched off. Switch it on, then retry.")
        expect(waiting).to_contain_text("No attempt was made.")
        keep_picture(page, "delivery not sent")
        assert len(receiver.received) == 1


def test_each_delivery_is_named_in_words(page: Page, workspace: Workspace) -> None:
    names = [*EventType, *DIGESTS, *ALERTS, TEST, CONFIRMATION]

    def answer(route: Route) -> None:
        if "query Deliveries" not in (route.request.post_data or ""):
            route.fallback()
            return
        delivery = {"channel": "EMAIL", "target": "ann@shop.example", "status": "DELIVERED", "attempts": []}
        times = {"createdAt": "2026-03-02T09:15:04Z", "nextAttemptAt": None, "escalation": None}
        nodes = [{**delivery, **times, "id": name, "eventType": name} for name in names]
        end = {"hasNextPage": False, "endCursor": None}
        route.fulfill(json={"data": {"deliveries": {"nodes": nodes, "pageInfo": end}}})

    page.route("**/graphql", answer)
    DashboardPage(page, workspace).sign_in(path="/deliveries")
    rows = page.get_by_role("main").get_by_role("listitem")
    expect(rows).to_have_count(len(names))
    shown = {row.split("\n")[1] for row in rows.all_inner_texts()}
    assert len(shown) == len(names)
    # A name that the page does not know begins in lower case.
    assert [words for words in shown if not words[0].isupper()] == []
    keep_picture(page, "deliveries in words")


def test_slack_is_connected_tested_and_disconnected(
    page: Page, workspace: Workspace, slack: SlackStandIn
) -> None:
    slack.forget()
    slack.bots = {"xoxb-right"}
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/slack")
    page.get_by_label("Bot token").fill("xoxb-wrong")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_label("Bot token")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Bot token").fill("xoxb-right")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    assert "xoxb-right" not in page.content()

    page.get_by_label("Channel").fill("#support")
    expect(page.get_by_role("switch", name="Notify in Slack")).to_be_checked()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Changes not saved")).to_have_count(0)
    page.get_by_role("button", name="Send a test message").click()
    [message] = slack.wait_for_messages(1)
    assert message["channel"] == "#support"

    page.get_by_role("button", name="Disconnect").click()
    expect(page.get_by_label("Bot token")).to_be_visible()
    escalate(workspace, "Grace Hopper")
    expect(page.get_by_text("Connected", exact=True)).to_have_count(0)
    assert len(slack.messages) == 1
    # The refused token is the one failed call.
    assert dashboard.errors == []


def _open(workspace: Workspace, identity: str) -> dict[str, Any]:
    """Open a conversation as the widget on the shop's page does, and return the whole answer."""
    variables = {"input": {"agentId": workspace.agent_id, "identity": identity}}
    answer: dict[str, Any] = httpx.post(
        f"{workspace.server.url}/graphql",
        json={"query": OPEN, "variables": variables},
        headers={"origin": SHOP},
        trust_env=False,
    ).json()
    return answer


def test_identity_secret_is_shown_once_and_the_one_before_stays_valid(
    page: Page, workspace: Workspace
) -> None:
    workspace.key.settings(workspace.agent_id, widget={"allowedOrigins": [SHOP]})
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/identity")
    shown = page.get_by_role("status").filter(has_text="Identity secret: shown this once")

    def rotate(before: str = "") -> str:
        page.get_by_role("button", name="Make a new secret").click()
        expect(page.get_by_role("dialog")).to_contain_text("stays valid for 24 hours")
        page.get_by_role("button", name="Make it").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        # The secret before is shown until the new one has come.
        expect(shown.locator("code")).not_to_have_text(before)
        return str(shown.locator("code").inner_text())

    first = rotate()
    page.reload()
    expect(page.get_by_role("button", name="Make a new secret")).to_be_visible()
    expect(shown).to_have_count(0)
    assert first not in page.content()
    second = rotate()
    expect(page.get_by_text("The one before it stays valid until")).to_be_visible()
    for secret, subject in ((first, "kim"), (second, "alex")):
        answer = _open(workspace, sign_identity(secret, workspace.agent_id, subject))
        customer = answer["data"]["openConversation"]["conversation"]["customer"]
        assert customer == {"externalId": subject, "verified": True}
    third = rotate(second)
    assert len({first, second, third}) == 3
    ended = _open(workspace, sign_identity(first, workspace.agent_id, "kim"))
    assert ended["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert dashboard.errors == []


def test_analytics_are_exported_as_csv(page: Page, workspace: Workspace) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper", reason='a "quoted", long reason')
    escalate(workspace, "Alan Turing")
    DashboardPage(page, workspace).sign_in(path="/analytics")
    rows = {}
    for name in ("Escalations (CSV)", "Series (CSV)"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert download.value.suggested_filename.endswith(".csv")
        assert download.value.failure() is None
        with open(download.value.path(), newline="", encoding="utf-8-sig") as file:
            rows[name] = list(csv.DictReader(file))
    exported = {row["id"]: row for row in rows["Escalations (CSV)"]}
    assert len(exported) == 2
    assert exported[escalation]["reason"] == 'a "quoted", long reason'
    assert sum(int(row["escalations"]) for row in rows["Series (CSV)"]) == 2


def test_exports_are_offered_after_the_agent_is_known(page: Page, workspace: Workspace) -> None:
    held: list[Any] = []

    def hold(route: Any) -> None:
        if "query Agents" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/graphql", hold)
    dashboard = DashboardPage(page, workspace).sign_in(path="/analytics")
    dashboard.wait_until(lambda: bool(held), "the request for the agents")
    links = page.get_by_role("link", name="(CSV)")
    expect(page.get_by_role("heading", name="Escalations in figures")).to_be_visible()
    expect(links).to_have_count(0)
    for route in held:
        route.continue_()
    expect(links).to_have_count(2)
    for address in links.evaluate_all("links => links.map((link) => link.href)"):
        assert f"agentId={workspace.agent_id}&" in address
