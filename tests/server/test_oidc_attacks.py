"""Signing in by an OpenID provider under attack: each attempt is shown to open no session."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from joserfc.jwk import RSAKey

from models.sealing import Seal
from rules.encoding import encode_base64url
from rules.typeid import WORKSPACE, parse_id
from server.oidc.pending import PendingSignIn
from server.oidc.provider import OidcProvider, Registration
from server.oidc.provider_calls import ProviderError
from server.secret_key import kept_secret_key
from tests.support.baton_client import Server, Workspace
from tests.support.oidc_browser import OidcBrowser, assert_nobody_signed_in
from tests.support.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Claims,
    FakeProvider,
    provider_key,
    public_key,
    signed_with,
)
from tests.support.server_log import written_log

HOUR = 3600
PENDING = PendingSignIn.begin("/")


@pytest.fixture
def browser(oidc_server: Server, provider: FakeProvider, workspace: Workspace) -> OidcBrowser:
    """A browser, and an account at the provider that may sign in as the workspace's admin."""
    provider.signs_in(f"sub-of-{workspace.email}", workspace.email)
    return OidcBrowser(oidc_server, provider)


def changed(url: str, **parameters: str | None) -> str:
    """Return the URL with other query parameters; None removes one."""
    query = {**dict(parse_qsl(urlsplit(url).query)), **parameters}
    kept = {name: value for name, value in query.items() if value is not None}
    return urlsplit(url)._replace(query=urlencode(kept)).geturl()


@pytest.mark.parametrize("state", ["", "another", None])
def test_wrong_state_is_refused(browser: OidcBrowser, workspace: Workspace, state: str | None) -> None:
    response = browser.get(changed(browser.callback(), state=state))
    assert_nobody_signed_in(browser, response, "expired", workspace)


def test_answer_of_another_browser_is_refused(browser: OidcBrowser, workspace: Workspace) -> None:
    # Login CSRF: the victim follows a link with the attacker's code and state.
    attackers = browser.callback()
    victim = OidcBrowser(browser.server, browser.provider)
    assert_nobody_signed_in(victim, victim.get(attackers), "expired", workspace)
    victim.start()
    assert_nobody_signed_in(victim, victim.get(attackers), "expired", workspace)


def test_changed_cookie_of_the_state_is_refused(browser: OidcBrowser, workspace: Workspace) -> None:
    callback = browser.callback()
    cookie = browser.client.cookies["baton_sign_in"]
    browser.client.cookies.clear()
    # The last sign may have bits that mean nothing, so the first one is changed.
    browser.client.cookies.set("baton_sign_in", ("A" if cookie[0] != "A" else "B") + cookie[1:])
    assert_nobody_signed_in(browser, browser.get(callback), "expired", workspace)


def test_old_cookie_of_the_state_is_refused(browser: OidcBrowser, workspace: Workspace) -> None:
    def kept_until(ends: float) -> str:
        content = {"state": "s", "nonce": "n", "verifier": "v", "path": "/", "ends": ends}
        seal = Seal(kept_secret_key(workspace.server.data_dir))
        return encode_base64url(seal.seal(json.dumps(content), "sign_in of a sign-in"))

    callback = f"{browser.server.url}/sign-in/oidc/callback?state=s&error=access_denied"
    browser.client.cookies.set("baton_sign_in", kept_until(time.time() - 1))
    assert_nobody_signed_in(browser, browser.get(callback), "expired", workspace)
    # The same cookie with time left is read.
    browser.client.cookies.clear()
    browser.client.cookies.set("baton_sign_in", kept_until(time.time() + 60))
    assert_nobody_signed_in(browser, browser.get(callback), "cancelled", workspace)


def test_replayed_answer_is_refused(browser: OidcBrowser, workspace: Workspace) -> None:
    callback = browser.callback()
    cookie = browser.client.cookies["baton_sign_in"]
    browser.get(callback)
    assert browser.session
    workspace.end_sessions()
    workspace.server.execute(
        "UPDATE members SET oidc_issuer = NULL, oidc_subject = NULL WHERE workspace_id = $1",
        parse_id(WORKSPACE, workspace.id),
    )
    browser.client.cookies.clear()
    # The state is used: the browser does not have it any more.
    assert_nobody_signed_in(browser, browser.get(callback), "expired", workspace)
    # With a stolen copy of it, the code is still used.
    browser.client.cookies.set("baton_sign_in", cookie)
    assert_nobody_signed_in(browser, browser.get(callback), "provider", workspace)


def test_code_of_another_sign_in_is_refused(browser: OidcBrowser, workspace: Workspace) -> None:
    stolen = dict(parse_qsl(urlsplit(OidcBrowser(browser.server, browser.provider).callback()).query))
    response = browser.get(changed(browser.callback(), code=stolen["code"]))
    assert_nobody_signed_in(browser, response, "provider", workspace)


def test_error_of_the_provider_is_shown_by_its_kind_only(browser: OidcBrowser, workspace: Workspace) -> None:
    response = browser.get(
        changed(browser.callback("/team"), code=None, error="access_denied", error_description="<b>evil</b>")
    )
    assert_nobody_signed_in(browser, response, "cancelled", workspace)
    assert response.headers["location"].startswith(f"{browser.server.url}/app/team#")
    assert "evil" not in str(response.headers)


@pytest.mark.parametrize(
    "parameters", [{"iss": "https://other.example"}, {"code": None}, {"code": "x" * 5000}]
)
def test_answer_of_another_provider_or_without_a_code_is_refused(
    browser: OidcBrowser, workspace: Workspace, parameters: dict[str, str | None]
) -> None:
    response = browser.get(changed(browser.callback(), **parameters))
    assert_nobody_signed_in(browser, response, "provider", workspace)
    assert "/token" not in browser.provider.requests


def unsigned(claims: Claims) -> str:
    return f"{_part({'alg': 'none', 'kid': 'first'})}.{_part(claims)}."


def signed_with_the_public_key(claims: Claims) -> str:
    key = public_key()
    body = f"{_part({'alg': 'HS256', 'kid': 'first'})}.{_part(claims)}"
    return f"{body}.{encode_base64url(hmac.new(key, body.encode(), hashlib.sha256).digest())}"


def signed_with_another_key(claims: Claims) -> str:
    return signed_with(RSAKey.generate_key(2048, {"kid": "first"}), claims)


def with_changed_claims(claims: Claims) -> str:
    head, _, signature = signed_with(provider_key(), claims).split(".")
    return f"{head}.{_part(claims | {'email': 'another@example.com'})}.{signature}"


def _part(content: Claims) -> str:
    return encode_base64url(json.dumps(content).encode())


@pytest.mark.parametrize(
    "signed", [unsigned, signed_with_the_public_key, signed_with_another_key, with_changed_claims]
)
def test_id_token_with_a_forged_signature_is_refused(
    browser: OidcBrowser, workspace: Workspace, signed: Callable[[Claims], str]
) -> None:
    browser.provider.signed = signed
    assert_nobody_signed_in(browser, browser.sign_in(), "provider", workspace)


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": [CLIENT_ID, "another"]},
        {"azp": "another"},
        {"iss": "https://other.example"},
        {"iss": None},
        {"exp": int(time.time()) - HOUR},
        {"exp": None},
        {"iat": int(time.time()) + HOUR},
        {"sub": None},
        {"sub": ""},
        {"sub": ["a"]},
        {"sub": "a\0b"},
    ],
    ids=lambda claims: "-".join(claims),
)
def test_id_token_for_another_purpose_is_refused(
    browser: OidcBrowser, workspace: Workspace, claims: Claims
) -> None:
    browser.provider.claims |= claims
    assert_nobody_signed_in(browser, browser.sign_in(), "provider", workspace)


@pytest.mark.parametrize("verified", [False, None, "false", 0, "yes", ["true"]], ids=str)
def test_unverified_email_is_refused_and_recorded(
    browser: OidcBrowser, workspace: Workspace, verified: object
) -> None:
    browser.provider.claims["email_verified"] = verified
    assert_nobody_signed_in(browser, browser.sign_in(), "unverified-email", workspace)
    log = "{ auditLog(filter: { actions: [SIGN_IN] }) { nodes { action outcome code } } }"
    (entry,) = workspace.key.ask(log)["auditLog"]["nodes"]
    assert entry == {"action": "SIGN_IN", "outcome": "REFUSED", "code": "FORBIDDEN"}


@pytest.mark.parametrize("email", ["nobody@example.com", "ａdmin", "", "a\0b@example.com", ["a@example.com"]])
def test_account_without_a_member_is_refused(
    browser: OidcBrowser, workspace: Workspace, email: object
) -> None:
    # A look-alike of the admin's address: full-width letters are another mailbox.
    given = workspace.email.replace("admin", "ａdmin") if email == "ａdmin" else email
    browser.provider.claims["email"] = given
    reason = "no-member" if email == "nobody@example.com" else "unverified-email"
    assert_nobody_signed_in(browser, browser.sign_in(), reason, workspace)


@pytest.mark.parametrize("way", ["long", "text", "broken"])
def test_unusable_answer_to_the_code_is_refused(browser: OidcBrowser, workspace: Workspace, way: str) -> None:
    browser.provider.ways["/token"] = way
    assert_nobody_signed_in(browser, browser.sign_in(), "provider", workspace)
    browser.provider.ways.clear()
    browser.sign_in()
    assert browser.session, "the next attempt succeeds"


def test_many_attempts_of_one_address_are_refused(browser: OidcBrowser, workspace: Workspace) -> None:
    answers = (browser.start() for _ in range(101))
    refused = next(answer for answer in answers if answer.headers["location"].startswith(browser.server.url))
    assert_nobody_signed_in(browser, refused, "too-often", workspace)
    assert OidcBrowser(browser.server, browser.provider).sign_in().headers["location"].endswith("/app/")


def test_log_names_the_reason_and_never_a_secret(browser: OidcBrowser, workspace: Workspace) -> None:
    browser.provider.claims["nonce"] = "another"
    callback = browser.callback()
    browser.get(callback)
    log = written_log(browser.server)
    assert '"reason":"provider"' in log
    assert "sign_in.refused" in log
    code = dict(parse_qsl(urlsplit(callback).query))["code"]
    assert not [secret for secret in (CLIENT_SECRET, code, "an access token") if secret in log]


def provider_of(fake: FakeProvider, seconds: float = 20) -> OidcProvider:
    registration = Registration(fake.issuer, CLIENT_ID, CLIENT_SECRET, "https://baton.example/callback")
    return OidcProvider(registration, seconds=seconds)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"issuer": "https://other.example"}, "of the issuer"),
        ({"issuer": None}, "of the issuer"),
        ({"token_endpoint": "http://provider.example/token"}, "token_endpoint"),
        ({"jwks_uri": None}, "jwks_uri"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
    ],
)
async def test_metadata_of_another_issuer_or_without_https_is_not_used(
    provider: FakeProvider, metadata: Claims, message: str
) -> None:
    provider.metadata = metadata
    with pytest.raises(ProviderError, match=message):
        await provider_of(provider).authorization_url(PENDING)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("way", "message"), [("hang", "no answer within"), ("long", "more than"), ("broken", "HTTP 500")]
)
async def test_provider_that_is_slow_or_broken_is_left_in_time(
    provider: FakeProvider, way: str, message: str
) -> None:
    provider.ways["/.well-known/openid-configuration"] = way
    with pytest.raises(ProviderError, match=message):
        await provider_of(provider, seconds=0.5 if way == "hang" else 20).authorization_url(PENDING)


@pytest.mark.anyio
async def test_provider_that_is_down_is_reported(provider: FakeProvider) -> None:
    down = FakeProvider(issuer="http://127.0.0.1:1")
    with pytest.raises(ProviderError, match="no connection"):
        await provider_of(down).authorization_url(PENDING)
