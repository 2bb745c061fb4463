"""Signing in by an OpenID provider in the dashboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.baton_client import Server, Workspace
from tests.support.dashboard_page import DashboardPage, escalate
from tests.support.oidc_browser import serving_with
from tests.support.oidc_provider import FakeProvider

NAME = "Acme & <Partners>"


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider().running() as running:
        yield running


@pytest.fixture(scope="module")
def oidc_server(
    server: Server, provider: FakeProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("oidc") / "serve.log"
    with serving_with(server, provider, log, BATON_OIDC_NAME=NAME) as running:
        yield running


@pytest.fixture
def dashboard(page: Page, workspace: Workspace, oidc_server: Server) -> DashboardPage:
    return DashboardPage(page, workspace, f"{oidc_server.url}/app")


def test_button_signs_in_and_comes_back_to_the_open_screen(
    dashboard: DashboardPage, provider: FakeProvider, workspace: Workspace
) -> None:
    escalation, _ = escalate(workspace, "Grace Hopper")
    provider.signs_in("sub-web", workspace.email)
    dashboard.goto(f"/escalations/{escalation}")
    button = dashboard.page.get_by_role("link", name=f"Sign in with {NAME}", exact=True)
    expect(button).to_be_visible()
    assert dashboard.axe() == []
    button.click()
    expect(dashboard.log.get_by_text("Hello, this is Grace Hopper.")).to_be_visible()
    dashboard.goto("/profile")
    sessions = dashboard.page.get_by_role("region", name="Sessions")
    expect(sessions.get_by_text("signed in by the provider")).to_have_count(1)
    assert not [line for line in dashboard.errors if "401" not in line]


def test_refusal_is_shown_once_and_the_password_still_works(
    dashboard: DashboardPage, provider: FakeProvider, workspace: Workspace
) -> None:
    provider.signs_in("sub-nobody", "nobody@example.com")
    dashboard.goto("/escalations")
    page = dashboard.page
    page.get_by_role("link", name=f"Sign in with {NAME}", exact=True).click()
    refusal = page.get_by_role("alert").filter(has_text="No team has a member for this account.")
    expect(refusal).to_be_visible()
    assert dashboard.axe() == []
    assert page.url == f"{dashboard.url}/escalations"
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(refusal).to_have_count(0)
    dashboard.fill_credentials(workspace.email)
    expect(page.locator('nav[aria-label="Main"]')).to_be_attached()


def test_workspace_is_chosen_by_keyboard(
    dashboard: DashboardPage, provider: FakeProvider, server: Server
) -> None:
    email = "web.twice@example.com"
    server.new_workspace(email)
    server.new_workspace(email)
    provider.signs_in("sub-web-twice", email)
    dashboard.goto("/escalations")
    page = dashboard.page
    page.get_by_role("link", name=f"Sign in with {NAME}", exact=True).click()
    expect(page.get_by_role("heading", name="Choose a workspace")).to_be_visible()
    assert dashboard.axe() == []
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_css("color", "rgb(255, 255, 255)")
    assert dashboard.axe() == []
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator('nav[aria-label="Main"]')).to_be_attached()


def test_without_a_provider_there_is_no_button(page: Page, workspace: Workspace) -> None:
    DashboardPage(page, workspace).goto("/escalations")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in")).to_have_count(0)


def test_without_passwords_there_is_only_the_button(
    page: Page,
    workspace: Workspace,
    server: Server,
    provider: FakeProvider,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    log = tmp_path_factory.mktemp("no passwords") / "serve.log"
    with serving_with(server, provider, log, BATON_PASSWORD_SIGN_IN="false") as running:
        DashboardPage(page, workspace, f"{running.url}/app").goto("/escalations")
        expect(page.get_by_role("link", name="Sign in with single sign-on")).to_be_visible()
        expect(page.get_by_label("Password")).to_have_count(0)
