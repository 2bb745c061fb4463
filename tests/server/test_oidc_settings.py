"""The settings of signing in by an OpenID provider, and the extra that it needs."""

import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from server.settings import SettingsError, read_settings

ROOT = Path(__file__).parents[2]
WHOLE = {
    "BATON_OIDC_ISSUER": "https://provider.example/realms/team",
    "BATON_OIDC_CLIENT_ID": "baton",
    "BATON_OIDC_CLIENT_SECRET": "not for logs",
    "BATON_PUBLIC_URL": "https://baton.example",
}
SERVE = "import sys; sys.modules['authlib'] = None; from server.cli.main import app; app(['serve'])"
IMPORTED = """
import sys
import server.cli.main
from server.app import routes_of
from server.settings import Settings
routes_of(Settings())
print([name for name in ("authlib", "joserfc", "server.oidc.provider") if name in sys.modules])
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WHOLE.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"BATON_OIDC_ISSUER": "http://provider.example"}, "must begin with https://"),
        ({"BATON_OIDC_ISSUER": "https://provider.example?a=b"}, "no query"),
        ({"BATON_OIDC_CLIENT_SECRET": None}, "BATON_OIDC_CLIENT_SECRET too"),
        ({"BATON_PUBLIC_URL": None}, "BATON_PUBLIC_URL too"),
        ({"BATON_OIDC_DOMAINS": "@example.com"}, "takes domains"),
        ({"BATON_OIDC_NEW_MEMBERS_IN": "agt_x"}, "ws_"),
        ({"BATON_OIDC_NEW_MEMBERS_IN": "ws_01m8m693r7emx9sxystd6wjpsy"}, "BATON_OIDC_DOMAINS too"),
        ({"BATON_OIDC_ISSUER": None, "BATON_PASSWORD_SIGN_IN": "false"}, "no member could sign in"),
    ],
)
def test_unsafe_or_missing_setting_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], message: str
) -> None:
    for name, value in changes.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    with pytest.raises(SettingsError, match=message) as refused:
        read_settings()
    assert "not for logs" not in str(refused.value)


def test_provider_without_its_issuer_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BATON_OIDC_ISSUER")
    with capture_logs() as logs:
        read_settings()
    assert [(entry["event"], entry["variable"]) for entry in logs] == [
        ("settings.no_effect", "BATON_OIDC_CLIENT_ID"),
        ("settings.no_effect", "BATON_OIDC_CLIENT_SECRET"),
    ]


def test_secret_is_not_in_the_printed_settings() -> None:
    settings = read_settings()
    assert settings.oidc_client_secret
    assert "not for logs" not in repr(settings)


def test_missing_extra_stops_the_start_with_the_command_that_installs_it() -> None:
    stopped = subprocess.run(
        [sys.executable, "-c", SERVE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert stopped.returncode == 1
    assert "pip install 'baton[oidc]'" in stopped.stderr
    assert "Traceback" not in stopped.stderr


def test_extra_is_not_imported_without_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WHOLE:
        monkeypatch.delenv(name)
    printed = subprocess.run(
        [sys.executable, "-c", IMPORTED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"
