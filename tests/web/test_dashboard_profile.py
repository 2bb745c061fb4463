"""The profile: sessions, and the second factor."""

import time

import pyotp
from playwright.sync_api import Page, expect

from tests.support.baton_client import PASSWORD, Caller, Workspace
from tests.support.dashboard_page import DashboardPage
from tests.support.member_cases import is_signed_in

ENROL = "mutation($p: String!) { enrolSecondFactor(password: $p) { secret } }"
CONFIRM = "mutation($c: String!) { confirmSecondFactor(code: $c) { codes } }"


def test_other_sessions_are_listed_and_ended(page: Page, workspace: Workspace) -> None:
    programs = [workspace.sign_in() for _ in range(3)]
    dashboard = DashboardPage(page, workspace).sign_in(path="/profile")
    sessions = page.get_by_role("region", name="Sessions")
    expect(sessions.get_by_role("listitem")).to_have_count(4)
    current = sessions.get_by_role("listitem").filter(has_text="This one")
    expect(current).to_contain_text("Chrome on Linux")
    expect(current.get_by_role("button")).to_have_count(0)
    sessions.get_by_role("button", name="End", exact=True).first.click()
    expect(sessions.get_by_role("listitem")).to_have_count(3)
    assert [is_signed_in(program) for program in programs].count(True) == 2
    sessions.get_by_role("button", name="End all other sessions").click()
    expect(sessions.get_by_role("listitem")).to_have_count(1)
    expect(sessions.get_by_role("button")).to_have_count(0)
    assert not any(is_signed_in(program) for program in programs)
    page.reload()
    expect(sessions.get_by_role("listitem")).to_have_count(1)
    assert dashboard.errors == []


def test_answer_to_the_sign_in_of_the_dashboard_holds_no_token(page: Page, workspace: Workspace) -> None:
    bodies: list[str] = []
    page.on(
        "response", lambda response: bodies.append(response.text()) if "graphql" in response.url else None
    )
    DashboardPage(page, workspace).sign_in(path="/profile")
    expect(page.get_by_role("region", name="Sessions").get_by_role("listitem")).to_have_count(1)
    assert any("signIn" in body for body in bodies)
    assert not any("baton_ss_" in body for body in bodies)
    assert page.evaluate("document.cookie") == ""


def test_second_factor_is_enrolled_and_asked_for(page: Page, workspace: Workspace) -> None:
    dashboard = DashboardPage(page, workspace).sign_in(path="/profile")
    section = page.get_by_role("region", name="Second factor")
    section.get_by_label("Your password").fill(PASSWORD)
    section.get_by_role("button", name="Set up a second factor").click()
    secret = section.locator("code").inner_text()
    expect(section.get_by_role("img", name="QR code for an authenticator app")).to_be_visible()
    authenticator = pyotp.TOTP(secret)
    section.get_by_label("Code").fill(authenticator.at(int(time.time()), counter_offset=-1))
    section.get_by_role("button", name="Confirm").click()
    expect(section.get_by_role("listitem")).to_have_count(10)
    recovery = section.get_by_role("listitem").first.inner_text()
    expect(section.get_by_role("button", name="Remove the second factor")).to_be_visible()

    page.context.clear_cookies()
    page.reload()
    dashboard.fill_credentials(workspace.email)
    code = page.get_by_label("Code")
    code.fill("000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("The code is wrong or was used before.")).to_be_visible()
    code.fill(recovery)
    page.get_by_role("button", name="Sign in").click()
    expect(section.get_by_role("button", name="Remove the second factor")).to_be_visible()
    section.get_by_label("Your password").fill(PASSWORD)
    section.get_by_label("Code").fill(authenticator.now())
    section.get_by_role("button", name="Remove the second factor").click()
    expect(section.get_by_role("button", name="Set up a second factor")).to_be_visible()
    assert workspace.sign_in().token


def test_admin_resets_the_lost_second_factor_of_a_colleague(page: Page, workspace: Workspace) -> None:
    colleague = f"lost.{workspace.email}"
    member = workspace.member(colleague)
    secret = member.ask(ENROL, p=PASSWORD)["enrolSecondFactor"]["secret"]
    member.ask(CONFIRM, c=pyotp.TOTP(secret).now())
    DashboardPage(page, workspace).sign_in(path="/team")
    row = page.get_by_role("row").filter(has_text=colleague)
    own = page.get_by_role("row").filter(has_text="(you)")
    expect(own.get_by_role("button")).to_have_count(0)
    row.get_by_role("button", name="Reset second factor").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    assert is_signed_in(member)
    row.get_by_role("button", name="Reset second factor").click()
    dialog.get_by_role("button", name="Reset").click()
    expect(row.get_by_role("button", name="Reset second factor")).to_have_count(0)
    expect(row.get_by_role("button", name="Remove")).to_be_visible()
    assert not is_signed_in(member)
    assert workspace.sign_in(colleague).token, "the password is enough again"


def test_key_is_rotated_and_shown_once(page: Page, workspace: Workspace) -> None:
    DashboardPage(page, workspace).sign_in(path="/api-keys")
    row = page.get_by_role("row").filter(has_text="First key")
    row.get_by_role("button", name="Rotate").click()
    expect(row).to_have_count(2)
    key = page.get_by_role("status").locator("code").inner_text()
    assert is_signed_in(Caller(workspace.server.url, key))
    assert is_signed_in(workspace.key), "the old key stays valid during the overlap"
    page.reload()
    expect(row).to_have_count(2)
    expect(page.get_by_text(key)).to_have_count(0)
