"""The settings, people and keys: what is edited is saved, and nothing is overwritten."""

import re

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.support.baton_client import Workspace
from tests.support.dashboard_page import DashboardPage, escalate, keep_picture

READ = """query($agent: ID!) { escalationSettings(agentId: $agent) { version
    autoEscalation { confidenceThreshold } widget { buttonText } triggers { toolFailureLimit } } }"""

READ_RETENTION = """query($agent: ID!) { escalationSettings(agentId: $agent) {
    retention { closedConversationDays } } }"""

KEY_ENDS = "{ apiKeys { name expiresAt owner { name } } }"


def test_colleague_who_saves_meanwhile_overwrites_nothing(page: Page, workspace: Workspace) -> None:
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    page.get_by_label("Button text").first.fill("Ask a person")
    theirs = {"widget": {"buttonText": "Call us"}, "triggers": {"toolFailureLimit": 7}}
    workspace.key.settings(workspace.agent_id, **theirs)
    page.get_by_role("button", name="Save", exact=True).click()
    notice = page.get_by_role("alert").filter(has_text="A colleague has saved these settings")
    expect(notice).to_contain_text("yours “Ask a person”, theirs “Call us”")
    expect(page.get_by_label("Button text").first).to_have_value("Ask a person")
    settings = workspace.key.ask(READ, agent=workspace.agent_id)["escalationSettings"]
    assert settings["widget"]["buttonText"] == "Call us"
    notice.get_by_role("button", name="Keep my changes").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved. New escalations follow these settings.")).to_be_visible()
    settings = workspace.key.ask(READ, agent=workspace.agent_id)["escalationSettings"]
    assert settings["widget"]["buttonText"] == "Ask a person"
    assert settings["triggers"]["toolFailureLimit"] == 7
    assert dashboard.errors == []


def test_confirmation_is_shown_as_the_customer_reads_it(page: Page, workspace: Workspace) -> None:
    hours = {
        "timezone": "Europe/Berlin",
        "week": [
            {"day": day, "opens": "09:00", "closes": "17:00"} for day in ("MONDAY", "TUESDAY", "WEDNESDAY")
        ],
    }
    workspace.key.settings(
        workspace.agent_id,
        sla={"targetResponseMinutes": 150, "businessHours": hours},
        widget={"confirmationMessage": "Within {response_time}. We are here {business_hours}."},
    )
    started = workspace.start()["conversation"]["id"]
    sent = workspace.key.escalate(started)["confirmationMessage"]
    DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    expect(page.get_by_text(sent, exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("language", "duration"), [("de", "2 Stunden und 30 Minuten"), ("fa", "۲ ساعت و ۳۰ دقیقه")]
)
def test_confirmation_in_another_language_is_shown_as_the_customer_reads_it(
    page: Page, workspace: Workspace, language: str, duration: str
) -> None:
    week = [{"day": day, "opens": "22:00", "closes": "06:00"} for day in ("SATURDAY", "SUNDAY", "MONDAY")]
    template = "{response_time}: {business_hours}."
    workspace.key.settings(
        workspace.agent_id,
        sla={"targetResponseMinutes": 150, "businessHours": {"timezone": "Europe/Berlin", "week": week}},
        widget={"texts": [{"language": language, "confirmationMessage": template}]},
    )
    started = workspace.start(language=language)["conversation"]["id"]
    sent = workspace.key.escalate(started)["confirmationMessage"]
    assert sent.startswith(f"{duration}: ")
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    page.get_by_text(language, exact=True).click()
    preview = page.get_by_role("figure").filter(has_text="The customer reads").last
    expect(preview.get_by_text(sent, exact=True)).to_be_visible()
    page.get_by_label("Language").fill("tlh")
    expect(preview).to_contain_text("2 hours and 30 minutes: Saturday to Monday")
    assert dashboard.errors == []


def test_refused_value_is_named_at_its_field(page: Page, workspace: Workspace) -> None:
    DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    page.get_by_label("Time zone").fill("Mars/Olympus")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Not saved.")).to_be_visible()
    expect(page.get_by_label("Time zone")).to_have_attribute("aria-invalid", "true")


def test_language_is_added_by_keyboard_and_its_faults_are_named(page: Page, workspace: Workspace) -> None:
    workspace.key.settings(workspace.agent_id, widget={"texts": [{"language": "fr", "greeting": "Bonjour"}]})
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    page.get_by_role("button", name="Add a language").press("Enter")
    language = page.get_by_label("Language").last
    expect(language).to_be_focused()
    page.keyboard.type("d e")
    page.keyboard.press("Tab")
    page.keyboard.type("Einen Menschen fragen")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(language).to_have_accessible_description(re.compile("not a BCP 47 language tag"))
    language.fill("de")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved. New escalations follow these settings.")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Language")).to_have_count(2)
    expect(page.get_by_label("Language").last).to_be_hidden()
    page.get_by_text("de", exact=True).click()
    expect(page.get_by_label("Button text").last).to_have_value("Einen Menschen fragen")
    page.get_by_label("When a person takes over").last.fill("Hallo, {name}")
    page.get_by_text("de", exact=True).click()
    page.get_by_role("button", name="Save", exact=True).click()
    fault = page.get_by_label("When a person takes over").last
    expect(fault).to_have_accessible_description(re.compile("unknown placeholder {name}"))
    expect(fault).to_be_visible()
    assert dashboard.axe() == []
    page.get_by_text("fr", exact=True).click()
    page.get_by_role("button", name="Remove fr").press("Enter")
    expect(page.get_by_label("Language")).to_have_count(1)
    assert dashboard.errors == []


def test_missing_number_is_named_at_its_field_and_not_saved(page: Page, workspace: Workspace) -> None:
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    field = page.get_by_label("Target in minutes")
    preview = page.get_by_role("figure").filter(has_text="The customer reads")
    expect(preview).to_contain_text("within 2 hours")
    for text, fault in (("", "Enter a number."), ("0", "Enter 1 or more."), ("1.5", "Enter a whole number.")):
        field.fill(text)
        expect(field).to_have_accessible_description(fault)
        expect(preview).to_contain_text("within …")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(field).to_be_focused()
    field.fill("90")
    expect(field).to_have_accessible_description("")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved. New escalations follow these settings.")).to_be_visible()
    read = (
        "query($agent: ID!) { escalationSettings(agentId: $agent) { version sla { targetResponseMinutes } } }"
    )
    saved = workspace.key.ask(read, agent=workspace.agent_id)["escalationSettings"]
    assert saved == {"version": 2, "sla": {"targetResponseMinutes": 90}}
    assert dashboard.errors == []


def test_missing_number_of_a_disabled_field_is_not_saved(page: Page, workspace: Workspace) -> None:
    widget = {"buttonVisibility": "AFTER_THRESHOLD", "buttonAfterMessages": 4}
    workspace.key.settings(workspace.agent_id, widget=widget)
    DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    page.get_by_label("Messages before it shows").fill("")
    page.get_by_label("“Talk to a human” button").select_option("NEVER")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Not saved. A number is missing.")).to_be_visible()
    read = "query($agent: ID!) { escalationSettings(agentId: $agent) { widget { buttonVisibility } } }"
    saved = workspace.key.ask(read, agent=workspace.agent_id)["escalationSettings"]
    assert saved["widget"] == {"buttonVisibility": "AFTER_THRESHOLD"}


def test_words_of_a_topic_may_end_with_a_comma(page: Page, workspace: Workspace) -> None:
    DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    page.get_by_role("button", name="Add a topic").click()
    topics = page.get_by_role("group", name="Topics")
    topics.get_by_label("Name").fill("Refunds")
    words = topics.get_by_label("Words in the message")
    words.press_sequentially("money back,, refund, ")
    expect(words).to_have_value("money back,, refund, ")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved. New escalations follow these settings.")).to_be_visible()
    read = (
        "query($agent: ID!) { escalationSettings(agentId: $agent) { triggers { topics { name keywords } } } }"
    )
    saved = workspace.key.ask(read, agent=workspace.agent_id)["escalationSettings"]["triggers"]
    assert saved == {"topics": [{"name": "Refunds", "keywords": ["money back", "refund"]}]}


@pytest.mark.parametrize(
    ("path", "label"), [("/settings/escalations", "Button text"), ("/settings/slack", "Channel")]
)
def test_page_with_unsaved_changes_asks_before_it_is_left(
    page: Page, workspace: Workspace, path: str, label: str
) -> None:
    dashboard = DashboardPage(page, workspace).sign_in(path=path)
    field = page.get_by_label(label, exact=True).first
    field.fill("#help")
    asked: list[str] = []
    elsewhere = page.get_by_role("navigation", name="Main").get_by_role("link", name="Webhooks")

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        if len(asked) == 1:
            dialog.dismiss()
        else:
            dialog.accept()

    page.on("dialog", answer)
    elsewhere.click()
    dashboard.wait_until(lambda: len(asked) == 1, "the question")
    expect(field).to_have_value("#help")
    elsewhere.click()
    expect(page.get_by_role("heading", name="Webhooks", exact=True)).to_be_visible()
    assert asked == ["Leave without saving the changes?"] * 2


def test_api_key_is_shown_once(page: Page, workspace: Workspace) -> None:
    dashboard = DashboardPage(page, workspace).sign_in(path="/api-keys")
    page.get_by_role("button", name="Create a key").click()
    page.get_by_label("Name").fill("Shop back end")
    page.get_by_role("button", name="Create", exact=True).click()
    secret = page.get_by_text("baton_sk_").first
    expect(page.get_by_text("API key: shown this once")).to_be_visible()
    assert len(secret.inner_text()) > 20
    page.reload()
    row = page.get_by_role("row").filter(has=page.get_by_role("cell", name="Shop back end"))
    (key,) = (key for key in workspace.key.ask(KEY_ENDS)["apiKeys"] if key["name"] == "Shop back end")
    expect(row).to_contain_text(key["owner"]["name"])
    expect(row).to_contain_text(str(int(key["expiresAt"][:4])))
    expect(page.get_by_text("shown this once")).to_have_count(0)
    assert dashboard.errors == []


def test_api_key_is_revoked_after_a_question(page: Page, workspace: Workspace) -> None:
    create = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } } }"
    workspace.key.ask(create, input={"name": "Shop back end", "scopes": ["CONVERSATIONS_READ"]})
    dashboard = DashboardPage(page, workspace).sign_in(path="/api-keys")
    row = page.get_by_role("row").filter(has=page.get_by_role("cell", name="Shop back end"))
    row.get_by_role("button", name="Revoke").press("Enter")
    dialog = page.get_by_role("dialog", name="Revoke Shop back end?")
    expect(dialog).to_be_visible()
    keep_picture(page, "question before a key is revoked")
    assert dashboard.axe() == []
    dialog.get_by_role("button", name="Cancel").press("Enter")
    expect(row.get_by_role("button", name="Revoke")).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Revoke").press("Enter")
    expect(row).to_contain_text("Revoked")
    expect(page.get_by_role("main")).to_be_focused()
    assert dashboard.errors == []


def test_invited_colleague_joins_and_answers(page: Page, workspace: Workspace) -> None:
    escalate(workspace, "Grace Hopper")
    dashboard = DashboardPage(page, workspace).sign_in(path="/team")
    page.get_by_role("button", name="Invite").click()
    page.get_by_label("Name").fill("Bea Baker")
    page.get_by_label("Email").fill("bea.baker@example.com")
    page.get_by_role("button", name="Create the invitation").click()
    link = page.get_by_text("/invitation#token=").inner_text()
    page.context.clear_cookies()
    page.goto(link)
    page.get_by_label("Choose a password").fill("a password of some length")
    page.get_by_role("button", name="Set the password and sign in").click()
    expect(page.get_by_role("button", name="Your account: Bea Baker Available")).to_be_visible()
    expect(dashboard.row("Grace Hopper")).to_be_visible()


def test_saved_reply_is_created_and_a_shortcut_in_use_is_refused(page: Page, workspace: Workspace) -> None:
    DashboardPage(page, workspace).sign_in(path="/saved-replies")
    for attempt in range(2):
        page.get_by_role("button", name="New reply").click()
        page.get_by_label("Shortcut").fill("refund")
        page.get_by_label("Title").fill("About refunds")
        page.get_by_label("Text").fill("Dear {customer}, the refund is on its way.")
        page.get_by_role("button", name="Save", exact=True).click()
        if attempt == 0:
            expect(page.get_by_text("/refund")).to_be_visible()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("/refund")).to_have_count(1)


def test_retention_of_closed_conversations_is_saved_and_removed(page: Page, workspace: Workspace) -> None:
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    field = page.get_by_label("Erase closed conversations after, in days")
    for text, days in (("90", 90), ("", None)):
        field.fill(text)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("changes not saved").or_(page.get_by_text("change not saved"))).to_be_hidden()
        settings = workspace.key.ask(READ_RETENTION, agent=workspace.agent_id)["escalationSettings"]
        assert settings == {"retention": {"closedConversationDays": days}}
    page.reload()
    expect(field).to_have_value("")
    assert dashboard.errors == []


def test_hours_state_whether_the_team_is_online(page: Page, workspace: Workspace) -> None:
    dashboard = DashboardPage(page, workspace).sign_in(path="/settings/escalations")
    expect(page.get_by_text("As saved, the team is open now.")).to_be_visible()
    assert dashboard.errors == []
