"""Signing in by an OpenID provider: who gets in as which member."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from joserfc.jwk import RSAKey

from tests.support.baton_client import Caller, Server, Workspace
from tests.support.baton_process import run_baton
from tests.support.oidc_browser import (
    OidcBrowser,
    assert_nobody_signed_in,
    bindings_of,
    serving_with,
    sessions_of,
)
from tests.support.oidc_provider import FakeProvider

INVITE = """mutation($input: CreateMemberInput!) { createMember(input: $input) {
    invitationToken member { id } } }"""
ACCEPT = "mutation($t: String!, $p: String!) { acceptInvitation(token: $t, password: $p) { token } }"


@pytest.fixture
def browser(oidc_server: Server, provider: FakeProvider) -> OidcBrowser:
    return OidcBrowser(oidc_server, provider)


def test_member_with_the_verified_email_is_signed_in_and_bound(
    browser: OidcBrowser, provider: FakeProvider, workspace: Workspace
) -> None:
    provider.signs_in("sub-1", workspace.email.upper())
    response = browser.sign_in("/escalations?status=OPEN")
    assert response.status_code == 303
    assert response.headers["location"] == f"{browser.server.url}/app/escalations?status=OPEN"
    assert browser.viewer()["member"]["email"] == workspace.email
    assert browser.viewer()["workspace"]["id"] == workspace.id
    assert sessions_of(workspace) == [{"email": workspace.email, "method": "OIDC"}]
    assert bindings_of(workspace)[workspace.email] == "sub-1"
    cookies = response.headers.get_list("set-cookie")
    (session,) = [cookie for cookie in cookies if cookie.startswith("baton_session=")]
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert any(cookie.startswith('baton_sign_in="";') for cookie in cookies), "the pending sign-in is over"


def test_sessions_and_the_audit_log_show_the_way_of_signing_in(
    browser: OidcBrowser, provider: FakeProvider, workspace: Workspace
) -> None:
    provider.signs_in("sub-audit", workspace.email)
    browser.sign_in()
    member = workspace.sign_in()
    methods = {row["method"] for row in member.ask("{ sessions { method } }")["sessions"]}
    assert methods == {"OIDC", "PASSWORD"}
    entries = member.ask("{ auditLog { nodes { action outcome details } } }")["auditLog"]["nodes"]
    assert {"action": "SIGN_IN", "outcome": "OK", "details": {"method": "OIDC", "bound": True}} in entries


def test_new_email_at_the_provider_moves_the_account_to_no_other_member(
    browser: OidcBrowser, provider: FakeProvider, workspace: Workspace
) -> None:
    workspace.member("other@example.com")
    provider.signs_in("sub-moved", workspace.email)
    browser.sign_in()
    provider.signs_in("sub-moved", "other@example.com")
    assert browser.sign_in().status_code == 303, "there is nothing to choose"
    assert browser.viewer()["member"]["email"] == workspace.email
    assert bindings_of(workspace) == {workspace.email: "sub-moved", "other@example.com": None}


def test_bound_account_needs_no_email_any_more(
    browser: OidcBrowser, provider: FakeProvider, workspace: Workspace
) -> None:
    provider.signs_in("sub-mute", workspace.email)
    browser.sign_in()
    provider.claims = {"sub": "sub-mute"}
    again = OidcBrowser(browser.server, provider)
    again.sign_in()
    assert again.viewer()["member"]["email"] == workspace.email


def test_another_account_with_the_email_of_a_bound_member_is_refused(
    browser: OidcBrowser, provider: FakeProvider, workspace: Workspace
) -> None:
    provider.signs_in("sub-first", workspace.email)
    browser.sign_in()
    provider.signs_in("sub-second", workspace.email)
    stranger = OidcBrowser(browser.server, provider)
    assert stranger.sign_in().headers["location"].endswith("#sign-in-refused=no-member")
    assert stranger.session is None
    assert bindings_of(workspace)[workspace.email] == "sub-first"
    assert len(sessions_of(workspace)) == 1


def test_unlinked_member_is_bound_to_the_next_account_with_the_email(
    browser: OidcBrowser, provider: FakeProvider, workspace: Workspace
) -> None:
    provider.signs_in("sub-old", workspace.email)
    browser.sign_in()
    unlinked = run_baton("unlink-account", workspace.email, BATON_DATA_DIR=str(browser.server.data_dir))
    assert unlinked.returncode == 0, unlinked.stderr
    assert workspace.id in unlinked.stdout
    assert sessions_of(workspace) == []
    provider.signs_in("sub-recreated", workspace.email)
    again = OidcBrowser(browser.server, provider)
    again.sign_in()
    assert again.viewer()["member"]["email"] == workspace.email
    assert bindings_of(workspace)[workspace.email] == "sub-recreated"
    (entry,) = workspace.key.ask("{ auditLog(filter: {actions: [UNLINK_ACCOUNT]}) { nodes { action } } }")[
        "auditLog"
    ]["nodes"]
    assert entry["action"] == "UNLINK_ACCOUNT"


def test_removed_member_is_refused(
    browser: OidcBrowser, provider: FakeProvider, workspace: Workspace
) -> None:
    email = f"leaver.{workspace.email}"
    made = workspace.key.ask(INVITE, input={"email": email, "name": "Lea", "role": "AGENT"})["createMember"]
    provider.signs_in(f"sub-{email}", email)
    browser.sign_in()
    workspace.key.ask("mutation($id: ID!) { removeMember(id: $id) }", id=made["member"]["id"])
    again = OidcBrowser(browser.server, provider)
    assert again.sign_in().headers["location"].endswith("#sign-in-refused=no-member")
    assert again.session is None
    assert sessions_of(workspace) == []


def test_invited_member_signs_in_and_the_invitation_is_used(
    browser: OidcBrowser, provider: FakeProvider, workspace: Workspace
) -> None:
    email = f"invited.{workspace.email}"
    made = workspace.key.ask(INVITE, input={"email": email, "name": "Ina", "role": "VIEWER"})["createMember"]
    provider.signs_in(f"sub-{email}", email)
    browser.sign_in()
    assert browser.viewer()["member"] == {"id": made["member"]["id"], "email": email, "role": "VIEWER"}
    refused = workspace.nobody.refusal(ACCEPT, t=made["invitationToken"], p="correct horse battery")
    assert refused.field == "token"


def test_member_of_several_workspaces_chooses_one(
    browser: OidcBrowser, provider: FakeProvider, server: Server
) -> None:
    email = "twice@example.com"
    first, second = server.new_workspace(email), server.new_workspace(email)
    provider.signs_in("sub-twice", email)
    page = browser.sign_in("/escalations")
    assert page.status_code == 200
    assert browser.session is None
    assert sessions_of(first) == []
    members = re.findall(r'formaction="[^"]*/(mem_[a-z0-9]+)"', page.text)
    assert len(members) == 2
    chosen = browser.choose(members[1])
    assert chosen.headers["location"] == f"{browser.server.url}/app/"
    assert browser.viewer()["member"]["id"] == members[1]
    assert browser.viewer()["workspace"]["id"] in {first.id, second.id}
    (bound,) = server.rows("SELECT count(*) FROM members WHERE oidc_subject = 'sub-twice'")
    assert bound["count"] == 1
    # The other workspace is still offered the next time.
    again = OidcBrowser(browser.server, provider)
    assert len(re.findall("formaction=", again.sign_in().text)) == 2


def test_choice_of_a_member_of_another_account_is_refused(
    browser: OidcBrowser, provider: FakeProvider, server: Server, workspace: Workspace
) -> None:
    email = "chooser@example.com"
    server.new_workspace(email)
    server.new_workspace(email)
    provider.signs_in("sub-chooser", email)
    browser.sign_in()
    (admin,) = workspace.key.ask("{ members { id } }")["members"]
    response = browser.choose(admin["id"])
    assert_nobody_signed_in(browser, response, "no-member", workspace)


def test_choice_from_another_site_or_without_its_cookie_is_refused(
    browser: OidcBrowser, provider: FakeProvider, server: Server, workspace: Workspace
) -> None:
    email = "forged@example.com"
    server.new_workspace(email)
    server.new_workspace(email)
    provider.signs_in("sub-forged", email)
    page = browser.sign_in()
    member = re.findall(r"mem_[a-z0-9]+", page.text)[0]
    assert browser.choose(member, origin="https://evil.example").status_code == 403
    assert browser.choose("mem_x").status_code == 404
    assert browser.session is None
    stranger = OidcBrowser(browser.server, provider)
    assert_nobody_signed_in(stranger, stranger.choose(member), "expired", workspace)


def test_email_of_user_info_counts_if_the_subject_is_the_same(
    browser: OidcBrowser, provider: FakeProvider, workspace: Workspace
) -> None:
    provider.claims = {"sub": "sub-info"}
    provider.user_info = {"sub": "sub-other", "email": workspace.email, "email_verified": True}
    assert_nobody_signed_in(browser, browser.sign_in(), "provider", workspace)
    provider.user_info["sub"] = "sub-info"
    browser.sign_in()
    assert browser.viewer()["member"]["email"] == workspace.email


def test_verified_domain_owner_of_entra_counts_as_verified(
    browser: OidcBrowser, provider: FakeProvider, workspace: Workspace
) -> None:
    provider.signs_in("sub-entra", workspace.email, email_verified=None, xms_edov=True)
    browser.sign_in()
    assert browser.viewer()["member"]["email"] == workspace.email


def test_new_key_of_the_provider_is_loaded(
    server: Server, provider: FakeProvider, workspace: Workspace, tmp_path: Path
) -> None:
    provider.signs_in("sub-rotated", workspace.email)
    # The server of the other tests may have loaded the keys more than a minute ago.
    with serving_with(server, provider, tmp_path / "first.log") as own:
        first = OidcBrowser(own, provider)
        first.sign_in()
        workspace.end_sessions()
        provider.key = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
        # Within a minute of the last request nothing is loaded again: unknown keys must not cost requests.
        provider.requests.clear()
        second = OidcBrowser(own, provider)
        assert second.sign_in().headers["location"].endswith("#sign-in-refused=provider")
        assert "/keys" not in provider.requests
    with serving_with(server, provider, tmp_path / "second.log") as other:
        third = OidcBrowser(other, provider)
        third.sign_in()
        assert third.viewer()["member"]["email"] == workspace.email


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example",
        "\\\\evil.example",
        "/../../x",
        "/a#b",
        "/x\r\nset-cookie: a=b",
    ],
)
def test_way_back_leads_to_this_service_only(
    browser: OidcBrowser, provider: FakeProvider, workspace: Workspace, path: str
) -> None:
    provider.signs_in(f"sub-{path!r}", workspace.email)
    response = browser.sign_in(path)
    assert response.headers["location"].startswith(f"{browser.server.url}/app/")
    assert "set-cookie" not in response.headers["location"]
    assert "#" not in response.headers["location"]


@pytest.fixture(scope="module")
def home(server: Server) -> Workspace:
    return server.new_workspace()


@pytest.fixture(scope="module")
def strict_server(
    server: Server, oidc: FakeProvider, home: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A process that refuses passwords and foreign domains, and lets colleagues join a workspace."""
    log = tmp_path_factory.mktemp("strict") / "serve.log"
    settings = {
        "BATON_OIDC_DOMAINS": "colleagues.example",
        "BATON_OIDC_NEW_MEMBERS_IN": home.id,
        "BATON_PASSWORD_SIGN_IN": "false",
    }
    with serving_with(server, oidc, log, **settings) as running:
        yield running


def test_unknown_account_of_an_allowed_domain_joins_as_agent(
    strict_server: Server, provider: FakeProvider, home: Workspace
) -> None:
    browser = OidcBrowser(strict_server, provider)
    provider.signs_in("sub-new", "New@Colleagues.example")
    browser.sign_in()
    viewer = browser.viewer()
    assert viewer["workspace"]["id"] == home.id
    assert (viewer["member"]["email"], viewer["member"]["role"]) == ("New@Colleagues.example", "AGENT")
    browser.sign_in()
    assert browser.viewer() == viewer, "the second sign-in makes no second member"


def test_removed_member_does_not_join_again(
    strict_server: Server, provider: FakeProvider, home: Workspace
) -> None:
    provider.signs_in("sub-leaver", "leaver@colleagues.example")
    browser = OidcBrowser(strict_server, provider)
    browser.sign_in()
    member = browser.viewer()["member"]["id"]
    home.key.ask("mutation($id: ID!) { removeMember(id: $id) }", id=member)
    for subject, email in (
        ("sub-leaver", "changed@colleagues.example"),
        ("sub-9", "leaver@colleagues.example"),
    ):
        provider.signs_in(subject, email)
        again = OidcBrowser(strict_server, provider)
        assert again.sign_in().headers["location"].endswith("#sign-in-refused=no-member")
        assert again.session is None
    assert "changed@colleagues.example" not in bindings_of(home)


def test_foreign_domain_is_refused_even_for_a_member(
    strict_server: Server, provider: FakeProvider, workspace: Workspace
) -> None:
    browser = OidcBrowser(strict_server, provider)
    provider.signs_in("sub-foreign", workspace.email)
    assert_nobody_signed_in(browser, browser.sign_in(), "foreign-domain", workspace)
    provider.signs_in("sub-foreign", f"{workspace.email}.colleagues.example.evil.example")
    assert_nobody_signed_in(browser, browser.sign_in(), "foreign-domain", workspace)


def test_passwords_are_refused_where_they_are_off(strict_server: Server, workspace: Workspace) -> None:
    nobody = Caller(strict_server.url)
    query = 'mutation($e: String!) { signIn(email: $e, password: "correct horse battery") { token } }'
    assert nobody.refusal(query, e=workspace.email).code == "FORBIDDEN"
    made = workspace.key.ask(INVITE, input={"email": "i@example.com", "name": "Ina", "role": "AGENT"})
    token = made["createMember"]["invitationToken"]
    assert nobody.refusal(ACCEPT, t=token, p="correct horse battery").code == "FORBIDDEN"
    assert sessions_of(workspace) == []
    # Another process of the same database, started with passwords, still lets the operator in.
    assert workspace.sign_in().token
